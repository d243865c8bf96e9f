"""Reading exactly the frames that the index names, out of the middle of a file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.media.container import open_media, video_stream
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
    refers to pictures that were never decoded. A frame is damaged where the decoder says that it
    had to make up parts of it, except at the start of the file: a recording may begin anywhere.

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
    cause = ""

    def skips_damage() -> bool:
        # What is damaged before the first wanted frame is not wanted, or it is found missing.
        return is_repairing or done == 0

    starts = list(_starts(manifest, wanted[0]))
    for start in starts:
        # An earlier start may do without the damage; only the last attempt repairs it.
        is_repairing = repair and start is starts[-1]
        cause = "it is missing or damaged"
        after = wanted[done - 1] if done else wanted[0] - 1
        try:
            for frame in _frames_from(path, manifest, start, skips_damage):
                pts = frame.pts  # kept here, because whoever gets the frame may change it
                if pts is None or pts <= after:
                    continue
                is_good = not _is_damaged(frame, pts, manifest)
                while is_repairing and done < len(wanted) and wanted[done] < pts:
                    done += 1
                    yield last or frame
                if done == len(wanted):
                    return
                if pts != wanted[done]:
                    break
                if not (is_good or is_repairing):
                    cause = "parts of it are damaged"
                    break
                if is_good or last is None:
                    last = frame
                done += 1
                yield last
                if done == len(wanted):
                    return
        except av.FFmpegError as error:
            cause = f"it is damaged: {error.strerror}"
    if repair and last:
        for _ in wanted[done:]:
            yield last
        return
    raise FramesMismatch(
        f"The frame at {float(wanted[done] * manifest.video.tick):.3f} s cannot be decoded"
        f" ({cause})."
    )


def _is_damaged(frame: av.VideoFrame, pts: int, manifest: Manifest) -> bool:
    clean = manifest.first_clean_pts
    return frame.is_corrupt and clean is not None and pts > clean


def _starts(manifest: Manifest, pts: int) -> Iterator[int | None]:
    """Keyframes to start from, the nearest first; None is the beginning of the file."""
    before = bisect_right(manifest.keyframe_pts, pts)
    for back in (2, 4):
        if before - back > 0:
            yield manifest.keyframe_pts[before - back]
    yield None


def _frames_from(
    path: Path, manifest: Manifest, start: int | None, skips_damage: Callable[[], bool]
) -> Iterator[av.VideoFrame]:
    """Frames with the times that the index gives them."""
    frames = _decode_from(path, manifest.video.stream, start, skips_damage)
    if not manifest.counted:
        yield from frames
        return
    for pts, frame in zip(manifest.pts, frames, strict=False):
        frame.pts = pts
        yield frame


def _decode_from(
    path: Path, stream_index: int, start: int | None, skips_damage: Callable[[], bool]
) -> Iterator[av.VideoFrame]:
    import av

    with open_media(path) as container:
        stream = video_stream(container, stream_index)
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
