"""Reading exactly the frames that the index names, out of the middle of a file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from stylejobs.media.container import MediaFile, open_media, video_stream
from stylejobs.media.errors import FramesMismatch
from stylejobs.media.manifest import Manifest

if TYPE_CHECKING:
    import av


def read_frames(
    path: MediaFile, manifest: Manifest, wanted: Sequence[int], repair: bool = False
) -> Iterator[av.VideoFrame]:
    """Decode the frames whose PTS are ``wanted``: a contiguous part of ``manifest.pts``.

    Decoding starts two keyframes early: after a seek, the first group of an open-GOP stream
    refers to pictures that were never decoded. A frame is damaged where the decoder says that it
    had to make up parts of it, except at the ends of a file, where a recording may be cut.

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

    attempts = list(_attempts(manifest, wanted[0]))
    for attempt in attempts:
        # Another attempt may do without the damage; only the last one repairs it.
        is_repairing = repair and attempt is attempts[-1]
        cause = "it is missing or damaged"
        after = wanted[done - 1] if done else wanted[0] - 1
        try:
            for frame in _frames_from(path, manifest, attempt, skips_damage):
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
    span = manifest.damage_span
    return frame.is_corrupt and span is not None and span[0] < pts < span[1]


class _Attempt(NamedTuple):
    """How to decode.

    Attributes:
        start: keyframe to start from; None is the beginning of the file.
        careful: with one thread; several are faster, but mark whole H.264 pictures of two fields
            as damaged.
    """

    start: int | None
    careful: bool


def _attempts(manifest: Manifest, pts: int) -> Iterator[_Attempt]:
    """From the nearest keyframe that will do, then more carefully, then from further back."""
    before = bisect_right(manifest.keyframe_pts, pts)
    near, far = (
        manifest.keyframe_pts[before - back] if before - back > 0 else None for back in (2, 4)
    )
    yield _Attempt(near, careful=False)
    for start in dict.fromkeys((near, far, None)):
        yield _Attempt(start, careful=True)


def _frames_from(
    path: MediaFile, manifest: Manifest, attempt: _Attempt, skips_damage: Callable[[], bool]
) -> Iterator[av.VideoFrame]:
    """Frames with the times that the index gives them."""
    frames = _decode_from(path, manifest.video.stream, attempt, skips_damage)
    if not manifest.counted:
        yield from frames
        return
    for pts, frame in zip(manifest.pts, frames, strict=False):
        frame.pts = pts
        yield frame


def _decode_from(
    path: MediaFile, stream_index: int, attempt: _Attempt, skips_damage: Callable[[], bool]
) -> Iterator[av.VideoFrame]:
    import av

    with open_media(path) as container:
        stream = video_stream(container, stream_index)
        stream.thread_type = "NONE" if attempt.careful else "AUTO"
        if attempt.start is not None:
            container.seek(attempt.start, stream=stream)
        for packet in container.demux(stream):
            try:
                yield from stream.decode(packet)
            except av.FFmpegError:
                if not skips_damage():
                    raise
