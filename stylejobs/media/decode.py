"""Reading exactly the frames that the index names, out of the middle of a file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.media.container import open_media
from stylejobs.media.errors import FramesMismatch
from stylejobs.media.manifest import Manifest

if TYPE_CHECKING:
    import av

_DECODER_THREADS = 2


def read_frames(path: Path, manifest: Manifest, wanted: Sequence[int]) -> Iterator[av.VideoFrame]:
    """Decode the frames whose PTS are ``wanted``: a contiguous part of ``manifest.pts``.

    Decoding starts two keyframes early: after a seek, the first group of an open-GOP stream
    refers to pictures that were never decoded.

    Raises:
        FramesMismatch: the file does not give these frames, each once and in order.
    """
    import av

    if not wanted:
        return
    done = 0
    cause = "it is missing"
    for start in _starts(manifest, wanted[0]):
        try:
            for frame in _decode_from(path, manifest.video.stream, start):
                if frame.pts is None or frame.pts < wanted[0]:
                    continue
                if frame.pts != wanted[done]:
                    break
                done += 1
                yield frame
                if done == len(wanted):
                    return
        except av.FFmpegError as error:
            cause = f"it is damaged: {error.strerror}"
        if done:  # nothing to gain from an earlier start: the damage lies behind it
            break
    raise FramesMismatch(
        f"The frame at {float(wanted[done] * manifest.video.tick):.3f} s cannot be decoded"
        f" ({cause})."
    )


def _starts(manifest: Manifest, pts: int) -> Iterator[int | None]:
    """Keyframes to start from, the nearest first; None is the beginning of the file."""
    before = bisect_right(manifest.keyframe_pts, pts)
    for back in (2, 4):
        if before - back > 0:
            yield manifest.keyframe_pts[before - back]
    yield None


def _decode_from(path: Path, stream_index: int, start: int | None) -> Iterator[av.VideoFrame]:
    with open_media(path) as container:
        stream = next(s for s in container.streams.video if s.index == stream_index)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = _DECODER_THREADS
        if start is not None:
            container.seek(start, stream=stream)
        yield from container.decode(stream)
