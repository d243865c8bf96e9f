"""Builds the manifest of a video file: what is in it, and when every frame is shown."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from stylejobs.media.colour import colour_of
from stylejobs.media.container import open_media, suffix_for
from stylejobs.media.errors import UnusableMedia
from stylejobs.media.manifest import (
    AudioTrack,
    Manifest,
    VideoTrack,
    last_duration,
    split_evenly,
)
from stylejobs.media.normalise import swaps_sides
from stylejobs.media.truncation import missing_bytes

if TYPE_CHECKING:
    import av.container
    from av.audio.stream import AudioStream
    from av.video.stream import VideoStream


# Containers that store no PTS: what their packets are given is a guess.
_WITHOUT_PTS = {"avi", "h264", "hevc", "mjpeg", "mpegvideo"}
_FREE_RUNNING_CLOCKS = {"mpeg", "mpegts"}


class Limits(BaseModel):
    """What an upload may be at most, and how it is split."""

    model_config = ConfigDict(frozen=True)

    max_bytes: int = 16 * 2**30
    max_frames: int = 1_000_000
    max_seconds: int = 6 * 3600
    max_pixels: int = 4096 * 2304
    shards: int = 8
    min_shard_frames: int = 120


def probe(path: Path, limits: Limits) -> Manifest:
    """Read every packet header of ``path`` and return its manifest.

    The same file and limits always give the same manifest.

    Raises:
        UnusableMedia: it cannot be painted: no video, broken, over the limits.
    """
    import av

    size = path.stat().st_size
    if size > limits.max_bytes:
        raise UnusableMedia(
            f"The file has {size:,} bytes; at most {limits.max_bytes:,} are accepted.",
            "Cut it into shorter videos or compress it.",
        )
    with open_media(path) as container:
        stream = _main_video(container)
        if missing := missing_bytes(container, path):
            raise UnusableMedia(
                f"The file is cut off: its last {missing:,} bytes are missing.",
                "Upload the whole file again.",
            )
        try:
            first = _first_frame(container, stream)
        except av.FFmpegError as error:
            raise _broken(error) from None
        track = _video_track(stream, first, limits)
        audio = tuple(_audio_track(s) for s in container.streams.audio if s.codec_context)
        notes = tuple(_notes(container, track.stream))
        if audio:
            suffix_for({track.codec for track in audio})  # refuses what no result could hold
        name = container.format.name
        start = _start_seconds(container)
    index = None if name in _WITHOUT_PTS else _packet_index(path, track.stream, limits)
    pts, keyframes = index or _decoded_index(path, track.stream, limits)
    last = last_duration(pts, track.fps, track.tick)
    seconds = (pts[-1] + last - pts[0]) * track.tick
    if seconds > limits.max_seconds:
        raise UnusableMedia(
            f"The video lasts {float(seconds):,.0f} s; at most {limits.max_seconds:,} s are"
            " accepted.",
            "Cut it into shorter videos.",
        )
    return Manifest(
        container=name,
        start_seconds=(start.numerator, start.denominator),
        video=track.model_copy(update={"decode_to_index": index is None}),
        audio=audio,
        notes=notes,
        pts=tuple(pts),
        last_frame_ticks=last,
        keyframe_pts=tuple(keyframes),
        shard_starts=split_evenly(len(pts), limits.shards, limits.min_shard_frames),
    )


def _video_track(stream: VideoStream, first: av.VideoFrame, limits: Limits) -> VideoTrack:
    tick = stream.time_base
    if tick is None:
        raise UnusableMedia("The video has no time base.", "Convert it to MP4 first.")
    matrix = _display_matrix(first)
    width, height = first.width, first.height
    ratio = stream.sample_aspect_ratio or Fraction(1)
    colour = colour_of(stream.codec_context, height)
    if swaps_sides(matrix):
        width, height, ratio = height, width, 1 / ratio
    if width * height > limits.max_pixels:
        raise UnusableMedia(
            f"The picture is {width}×{height}; at most {limits.max_pixels:,} pixels are accepted.",
            "Scale it down and upload that.",
        )
    fps = stream.average_rate or stream.guessed_rate or Fraction(25)
    return VideoTrack(
        stream=stream.index,
        codec=stream.codec_context.name,
        pixel_format=first.format.name,
        width=width,
        height=height,
        sample_aspect_ratio=(ratio.numerator, ratio.denominator),
        display_matrix=matrix,
        colour=colour,
        time_base=(tick.numerator, tick.denominator),
        frame_rate=(fps.numerator, fps.denominator),
        decode_to_index=False,
    )


def _start_seconds(container: av.container.InputContainer) -> Fraction:
    if container.format.name not in _FREE_RUNNING_CLOCKS:
        return Fraction(0)
    media = (*container.streams.video, *container.streams.audio)
    return min(
        (
            s.start_time * s.time_base
            for s in media
            if s.start_time is not None and s.time_base is not None
        ),
        default=Fraction(0),
    )


def _notes(container: av.container.InputContainer, main: int) -> Iterator[str]:
    """What of the source the result will not have."""
    for stream in container.streams:
        if stream.type == "audio" and stream.codec_context:
            continue
        if stream.index != main:
            why = " of an unknown codec" if stream.type == "audio" else ""
            yield f"Stream {stream.index}, {stream.type}{why}, is left out."


def _audio_track(stream: AudioStream) -> AudioTrack:
    return AudioTrack(
        stream=stream.index,
        codec=stream.codec_context.name,
        sample_rate=stream.codec_context.sample_rate,
        channels=stream.codec_context.channels,
        language=stream.language,
    )


def _main_video(container: av.container.InputContainer) -> VideoStream:
    from av.stream import Disposition

    tracks = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not tracks:
        raise UnusableMedia("The file has no video track.", "Upload a file with pictures.")
    usable = [s for s in tracks if s.codec_context is not None]
    if not usable:
        raise UnusableMedia(
            "The video's codec is unknown, so it cannot be decoded.", "Convert it to MP4 first."
        )
    # As players do: the default track first, then the largest picture.
    return max(
        usable,
        key=lambda s: (
            bool(s.disposition & Disposition.default),
            s.codec_context.width * s.codec_context.height,
            -s.index,
        ),
    )


def _first_frame(container: av.container.InputContainer, stream: VideoStream) -> av.VideoFrame:
    for frame in container.decode(stream):
        return frame
    raise UnusableMedia(
        "The video track has no picture that can be decoded.", "Upload the whole file again."
    )


def _display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    for data in iter(frame.side_data):  # its stubs take it for a plain mapping
        if data.type.name == "DISPLAYMATRIX":  # type: ignore[attr-defined]
            return struct.unpack("9i", bytes(data))  # type: ignore[arg-type]
    return None


def _packet_index(
    path: Path, stream_index: int, limits: Limits
) -> tuple[list[int], list[int]] | None:
    """PTS of every frame and of the keyframes, ascending; None where the packets do not tell.

    They do not when a PTS is missing, or shared by two packets (one for each field).
    """
    import av

    pts: list[int | None] = []
    keyframes = []
    with open_media(path) as container:
        try:
            for packet in container.demux(container.streams[stream_index]):
                if packet.size == 0 or packet.is_discard:
                    continue
                pts.append(packet.pts)
                if packet.is_keyframe and packet.pts is not None:
                    keyframes.append(packet.pts)
                _check_count(len(pts), limits)
        except av.FFmpegError as error:
            raise _broken(error) from None
    known = sorted(p for p in pts if p is not None)
    complete = 0 < len(known) == len(pts) == len(set(known))
    return (known, sorted(keyframes)) if complete else None


def _decoded_index(path: Path, stream_index: int, limits: Limits) -> tuple[list[int], list[int]]:
    """The same by decoding the whole stream, for containers whose packets do not tell."""
    import av

    frames = []
    with open_media(path) as container:
        try:
            stream = next(s for s in container.streams.video if s.index == stream_index)
            for frame in container.decode(stream):
                frames.append((frame.pts, frame.key_frame))
                _check_count(len(frames), limits)
        except av.FFmpegError as error:
            raise _broken(error) from None
    pts = [pts for pts, _ in frames if pts is not None]
    if len(pts) != len(frames) or any(b <= a for a, b in pairwise(pts)):
        raise UnusableMedia("The times of the video's frames are unclear.", "Convert it to MP4.")
    return pts, [time for time, (_, key) in zip(pts, frames, strict=True) if key]


def _check_count(frames: int, limits: Limits) -> None:
    if frames > limits.max_frames:
        raise UnusableMedia(
            f"The video has more than {limits.max_frames:,} frames.", "Cut it into shorter videos."
        )


def _broken(error: Exception) -> UnusableMedia:
    cause = getattr(error, "strerror", None) or error
    return UnusableMedia(
        f"The file is broken ({cause}).",
        "Check that it plays to its end, then upload the whole file again.",
    )
