"""The frame index: when every frame of a video is shown, found without decoding if possible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.media.container import open_media
from stylejobs.media.errors import UnusableMedia, broken

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

# Containers that store no PTS: what their packets are given is a guess.
_WITHOUT_PTS = {"avi", "h264", "hevc", "mjpeg", "mpegvideo"}
# VP8 hides reference pictures in packets of their own.
_WITH_HIDDEN_PICTURES = {"vp8"}
# Enough to see past the pictures before the first keyframe.
_CHECKED_FRAMES = 32


@dataclass(frozen=True)
class FrameIndex:
    """When every frame is shown.

    Attributes:
        pts: of every frame that a decoder gives, in ticks of the stream, ascending.
        keyframe_pts: of the keyframes, ascending.
        undecodable: pictures at the start that refer to what is not in the file, as in a
            recording that begins in the middle of a group; players do not show them either.
    """

    pts: tuple[int, ...]
    keyframe_pts: tuple[int, ...]
    undecodable: int = 0


def frame_index(path: Path, stream_index: int, max_frames: int) -> FrameIndex:
    """Index a video stream.

    Raises:
        UnusableMedia: broken, too many frames, or no clear order of frames.
    """
    packets = _packet_index(path, stream_index, max_frames)
    if packets is None:
        return _decoded_index(path, stream_index, max_frames)
    pts, keyframes = packets
    shown = _first_shown(path, stream_index)
    expected = [p for p in pts if p <= shown[-1]]
    leading = [p for p in expected if p < shown[0]]
    if expected != leading + shown:
        return _decoded_index(path, stream_index, max_frames)
    kept = tuple(pts[len(leading) :])
    return FrameIndex(kept, tuple(p for p in keyframes if p >= kept[0]), undecodable=len(leading))


def _packet_index(
    path: Path, stream_index: int, max_frames: int
) -> tuple[list[int], list[int]] | None:
    """PTS of every packet and of the keyframes, ascending; None where packets are no frames.

    They are not when a PTS is missing, or shared by two packets (one for each field).
    """
    import av

    pts: list[int | None] = []
    keyframes = []
    with open_media(path) as container:
        stream = _stream(container, stream_index)
        if (
            container.format.name in _WITHOUT_PTS
            or stream.codec_context.name in _WITH_HIDDEN_PICTURES
        ):
            return None
        try:
            for packet in container.demux(stream):
                if packet.size == 0 or packet.is_discard:
                    continue
                pts.append(packet.pts)
                if packet.is_keyframe and packet.pts is not None:
                    keyframes.append(packet.pts)
                _check_count(len(pts), max_frames)
        except av.FFmpegError as error:
            raise broken(error) from None
    known = sorted(p for p in pts if p is not None)
    if not 0 < len(known) == len(pts) == len(set(known)):
        return None
    return known, sorted(keyframes)


def _first_shown(path: Path, stream_index: int) -> list[int]:
    """PTS of the first frames that a decoder gives, at least one; damage ends them."""
    import av

    shown: list[int] = []
    with open_media(path) as container:
        stream = _stream(container, stream_index)
        for packet in container.demux(stream):
            try:
                shown += [frame.pts for frame in stream.decode(packet) if frame.pts is not None]
            except av.FFmpegError:
                if shown:
                    break
            if len(shown) >= _CHECKED_FRAMES:
                break
    if not shown:
        raise UnusableMedia("No picture of the video can be decoded.", "Upload the file again.")
    return shown


def _decoded_index(path: Path, stream_index: int, max_frames: int) -> FrameIndex:
    """The index of a stream whose packets do not tell: decode it all and look."""
    frames = []
    for frame in _decoded(path, stream_index):
        frames.append(frame)
        _check_count(len(frames), max_frames)
    pts = tuple(pts for pts, _ in frames)
    if not pts or any(b <= a for a, b in pairwise(pts)):
        raise UnusableMedia(
            "The times of the video's frames are not in order.", "Convert it to MP4 first."
        )
    return FrameIndex(pts, tuple(time for time, key in frames if key))


def _decoded(path: Path, stream_index: int) -> Iterator[tuple[int, bool]]:
    """PTS of every decoded frame, and whether it is a keyframe."""
    import av

    def described(frame: VideoFrame) -> tuple[int, bool]:
        if frame.pts is None:
            raise UnusableMedia("The video has frames without a time.", "Convert it to MP4 first.")
        return frame.pts, bool(frame.key_frame)

    with open_media(path) as container:
        try:
            yield from map(described, container.decode(_stream(container, stream_index)))
        except av.FFmpegError as error:
            raise broken(error) from None


def _stream(container: InputContainer, index: int) -> VideoStream:
    return next(stream for stream in container.streams.video if stream.index == index)


def _check_count(frames: int, max_frames: int) -> None:
    if frames > max_frames:
        raise UnusableMedia(
            f"The video has more than {max_frames:,} frames.", "Cut it into shorter videos."
        )
