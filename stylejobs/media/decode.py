"""Reading exactly the frames that the index names, out of the middle of a file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.media.container import open_media
from stylejobs.media.errors import FramesMismatch
from stylejobs.media.manifest import Manifest

if TYPE_CHECKING:
    import av

_DECODER_THREADS = 2


def read_frames(
    path: Path, manifest: Manifest, wanted: Sequence[int], repair: bool = False
) -> Iterator[av.VideoFrame]:
    """Decode the frames whose PTS are ``wanted``: a contiguous part of ``manifest.pts``.

    Decoding starts two keyframes early: after a seek, the first group of an open-GOP stream
    refers to pictures that were never decoded.

    Args:
        repair: in place of a frame that cannot be decoded, give the last good one again (or the
            next one, where there is none before).

    Raises:
        FramesMismatch: the file does not give these frames, each once and in order.
    """
    import av

    if not wanted:
        return
    done = 0
    last: av.VideoFrame | None = None
    cause = "it is missing or damaged"

    def skips_damage() -> bool:
        # What is damaged before the first wanted frame is not wanted, or it is found missing.
        return repair or done == 0

    for start in _starts(manifest, wanted[0]):
        try:
            frames = _decode_from(path, manifest.video.stream, start, skips_damage)
            for frame in frames:
                pts = frame.pts  # kept here, because whoever gets the frame may change it
                if pts is None or pts < wanted[0]:
                    continue
                while repair and done < len(wanted) and wanted[done] < pts:
                    done += 1
                    yield last or frame
                if done == len(wanted) or pts != wanted[done]:
                    break
                done += 1
                last = frame
                yield frame
                if done == len(wanted):
                    return
        except av.FFmpegError as error:
            cause = f"it is damaged: {error.strerror}"
        if done:  # nothing to gain from an earlier start: the damage lies behind it
            break
    if repair and last:
        for _ in wanted[done:]:
            yield last
        return
    if done < len(wanted):
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


def _decode_from(
    path: Path, stream_index: int, start: int | None, skips_damage: Callable[[], bool]
) -> Iterator[av.VideoFrame]:
    import av

    with open_media(path) as container:
        stream = next(s for s in container.streams.video if s.index == stream_index)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = _DECODER_THREADS
        if start is not None:
            container.seek(start, stream=stream)
        for packet in container.demux(stream):
            try:
                yield from stream.decode(packet)
            except av.FFmpegError:
                if not skips_damage():
                    raise
