"""Builds the manifest of a video file: what is in it, and when every frame is shown."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from stylejobs.media import hdr
from stylejobs.media.colour import SDR, colour_of
from stylejobs.media.container import open_media, suffix_for
from stylejobs.media.errors import UnusableMedia, broken
from stylejobs.media.frame_index import frame_index
from stylejobs.media.manifest import (
    AudioTrack,
    Manifest,
    VideoTrack,
    last_duration,
    split_evenly,
)
from stylejobs.media.normalise import swaps_sides
from stylejobs.media.subtitles import homeless
from stylejobs.media.truncation import missing_bytes

if TYPE_CHECKING:
    import av.container
    from av.audio.stream import AudioStream
    from av.stream import Stream
    from av.video.stream import VideoStream


_FREE_RUNNING_CLOCKS = {"mpeg", "mpegts"}
_UNSPECIFIED = 2  # H.273
_FIELD_ORDERS = range(2, 6)  # AVFieldOrder, from TT to BT
_LOOKED_AT = 12  # frames


HdrRule = Literal["tonemap", "refuse"]


class Limits(BaseModel):
    """What an upload may be at most, and how it is split."""

    model_config = ConfigDict(frozen=True)

    max_bytes: int = 16 * 2**30
    max_frames: int = 1_000_000
    max_seconds: int = 6 * 3600
    max_pixels: int = 4096 * 2304
    shards: int = 8
    min_shard_frames: int = 120
    hdr: HdrRule = "tonemap"


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
            interlaced = _is_interlaced(container, stream, first)
        except av.FFmpegError as error:
            raise broken(error) from None
        track = _video_track(stream, first, interlaced, limits)
        audio = tuple(_audio_track(s) for s in container.streams.audio if s.codec_context)
        notes = (
            *_picture_notes(stream, first.format, track),
            *_notes(container, track.stream),
        )
        if audio:
            suffix_for({track.codec for track in audio})  # refuses what no result could hold
        name = container.format.name
        start = _start_seconds(container)
    index = frame_index(path, track.stream, limits.max_frames)
    if index.undecodable:
        notes += (
            f"The first {index.undecodable} pictures refer to what is not in the file; they are"
            " left out, as players do.",
        )
    last = last_duration(index.pts, track.fps, track.tick)
    seconds = (index.pts[-1] + last - index.pts[0]) * track.tick
    if seconds > limits.max_seconds:
        raise UnusableMedia(
            f"The video lasts {float(seconds):,.0f} s; at most {limits.max_seconds:,} s are"
            " accepted.",
            "Cut it into shorter videos.",
        )
    return Manifest(
        container=name,
        start_seconds=(start.numerator, start.denominator),
        video=track,
        audio=audio,
        notes=notes,
        pts=index.pts,
        last_frame_ticks=last,
        keyframe_pts=index.keyframe_pts,
        shard_starts=split_evenly(len(index.pts), limits.shards, limits.min_shard_frames),
    )


def _video_track(
    stream: VideoStream, first: av.VideoFrame, interlaced: bool, limits: Limits
) -> VideoTrack:
    tick = stream.time_base
    if tick is None:
        raise UnusableMedia("The video has no time base.", "Convert it to MP4 first.")
    matrix = _display_matrix(first)
    width, height = first.width, first.height
    ratio = stream.sample_aspect_ratio or Fraction(1)
    colour = colour_of(stream.codec_context, height)
    is_hdr = colour.transfer in hdr.NAMES
    if colour.transfer == _UNSPECIFIED and "DOVI_METADATA" in _side_data(first):
        # Profile 5: its pictures are IPT, which only a Dolby Vision decoder turns into colours.
        raise UnusableMedia(
            "The video is Dolby Vision without an HDR10 or HLG picture that others can read.",
            "Export it as SDR (BT.709) and upload that.",
        )
    if is_hdr and limits.hdr == "refuse":
        raise UnusableMedia(
            f"The video is HDR ({hdr.NAMES[colour.transfer]}), which cannot be painted.",
            "Export it as SDR (BT.709) and upload that.",
        )
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
        colour=SDR if is_hdr else colour,
        time_base=(tick.numerator, tick.denominator),
        frame_rate=(fps.numerator, fps.denominator),
        interlaced=interlaced,
        hdr=colour if is_hdr else None,
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


def _picture_notes(stream: VideoStream, pixels: av.VideoFormat, track: VideoTrack) -> Iterator[str]:
    """What becomes of pictures that are not plain."""
    # VP8 and VP9 keep transparency beside the pictures, where their decoders do not look.
    beside = {key.lower(): value for key, value in stream.metadata.items()}.get("alpha_mode")
    if beside == "1" or any(part.is_alpha for part in pixels.components):
        yield "Transparency is left out."
    if track.interlaced:
        yield "Interlaced: each pair of fields becomes one frame."
    if track.hdr:
        yield f"HDR ({hdr.NAMES[track.hdr.transfer]}): tone-mapped to SDR (BT.709)."


def _notes(container: av.container.InputContainer, main: int) -> Iterator[str]:
    """What of the source the result will not have; subtitles only if no result could."""
    from av.stream import Disposition
    from av.subtitles.stream import SubtitleStream

    for stream in container.streams:
        if stream.index == main or (stream.type == "audio" and stream.codec_context):
            continue
        if isinstance(stream, SubtitleStream):
            if note := homeless(stream):
                yield note
        elif not _is_chapter_track(container, stream):
            cover = stream.disposition & Disposition.attached_pic
            why = " of an unknown codec" if stream.type == "audio" else ""
            kind = "cover art" if cover else f"{stream.type}{why}"
            yield f"Stream {stream.index}, {kind}, is left out."


def _is_chapter_track(container: av.container.InputContainer, stream: Stream) -> bool:
    """Whether it only holds the titles of chapters, which MP4 and MOV keep as text."""
    return stream.type == "data" and stream.name == "bin_data" and len(container.chapters()) > 0


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


def _is_interlaced(
    container: av.container.InputContainer, stream: VideoStream, first: av.VideoFrame
) -> bool:
    """Whether the stream's header or one of its first frames says so: leaders are often plain."""
    import av

    if first.interlaced_frame or stream.codec_context.field_order in _FIELD_ORDERS:
        return True
    try:
        following = islice(container.decode(stream), _LOOKED_AT)
        return any(frame.interlaced_frame for frame in following)
    except av.FFmpegError:  # damage behind the first frame is found where it matters
        return False


def _display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    matrix = _side_data(frame).get("DISPLAYMATRIX")
    return None if matrix is None else struct.unpack("9i", matrix)


def _side_data(frame: av.VideoFrame) -> dict[str, bytes]:
    """What comes with a frame, by the names of AVFrameSideDataType."""
    # Its stubs take it for a plain mapping.
    return {data.type.name: bytes(data) for data in iter(frame.side_data)}  # type: ignore
