"""Builds the manifest of a video file: what is in it, and when every frame is shown."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from stylejobs.media.audio import audio_suffix, fitting_suffixes
from stylejobs.media.colour import HDR_NAMES, SDR, colour_of
from stylejobs.media.container import MediaFile, open_media, size_of, video_stream
from stylejobs.media.errors import UnusableMedia, encrypted
from stylejobs.media.frame_index import FrameIndex, frame_index
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
_ENCRYPTION_TAG = "enc_key_id"  # of Matroska and WebM; MP4 says it of each packet
_LARGEST_SHAPE = 4096  # of a pixel: x264 rounds to such numbers
_MOST_PACKETS_BEFORE_A_PICTURE = 1000


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


def probe(path: MediaFile, limits: Limits) -> Manifest:
    """Read every packet header of ``path`` and return its manifest.

    The same file and limits always give the same manifest.

    Raises:
        UnusableMedia: it cannot be painted: no video, broken, over the limits.
    """
    size = size_of(path)
    if size > limits.max_bytes:
        raise UnusableMedia(
            f"The file has {size:,} bytes; at most {limits.max_bytes:,} are accepted.",
            "Cut it into shorter videos or compress it.",
        )
    with open_media(path) as container:
        stream = video_stream(container, _main_video(container).index)
        if missing := missing_bytes(container, path):
            raise UnusableMedia(
                f"The file is cut off: its last {missing:,} bytes are missing.",
                "Upload the whole file again.",
            )
        if any(_ENCRYPTION_TAG in s.metadata for s in container.streams):
            raise encrypted()
        first = _first_frame(container, stream, limits)
        index = frame_index(path, stream.index, limits.max_frames)
        track = _video_track(stream, first, index.interlaced, limits)
        fits = fitting_suffixes(path)
        audio = tuple(
            _audio_track(s, fits[s.index]) for s in container.streams.audio if s.index in fits
        )
        notes = (
            *_picture_notes(stream, first.format, track, index),
            *_notes(container, {track.stream, *fits}),
        )
        name = container.format.name
        start = _start_seconds(container, index.pts[0] * track.tick)
    last = last_duration(index.pts, track.fps, track.tick)
    if len(index.pts) == 1:
        last = index.last_ticks or last
    seconds = (index.pts[-1] + last - index.pts[0]) * track.tick
    if seconds > limits.max_seconds:
        raise UnusableMedia(
            f"The video lasts {float(seconds):,.0f} s; at most {limits.max_seconds:,} s are"
            " accepted.",
            "Cut it into shorter videos.",
        )
    manifest = Manifest(
        container=name,
        start_seconds=(start.numerator, start.denominator),
        video=track,
        audio=audio,
        notes=notes,
        pts=index.pts,
        last_frame_ticks=last,
        keyframe_pts=index.keyframe_pts,
        counted=index.counted,
        damage_span=index.damage_span,
        shard_starts=split_evenly(len(index.pts), limits.shards, limits.min_shard_frames),
    )
    if audio:
        audio_suffix(manifest)  # refuses what no result could hold
    return manifest


def _video_track(
    stream: VideoStream, first: av.VideoFrame, interlaced: bool, limits: Limits
) -> VideoTrack:
    tick = stream.time_base
    if tick is None:
        raise UnusableMedia("The video has no time base.", "Convert it to MP4 first.")
    matrix = _display_matrix(first)
    width, height = first.width, first.height
    ratio = _pixel_shape(stream.sample_aspect_ratio)
    colour = colour_of(stream.codec_context, height)
    is_hdr = colour.transfer in HDR_NAMES
    fields = stream.codec_context.field_order in _FIELD_ORDERS
    if colour.transfer == _UNSPECIFIED and "DOVI_METADATA" in _side_data(first):
        # Profile 5: its pictures are IPT, which only a Dolby Vision decoder turns into colours.
        raise UnusableMedia(
            "The video is Dolby Vision without an HDR10 or HLG picture that others can read.",
            "Export it as SDR (BT.709) and upload that.",
        )
    if is_hdr and limits.hdr == "refuse":
        raise UnusableMedia(
            f"The video is HDR ({HDR_NAMES[colour.transfer]}), which cannot be painted.",
            "Export it as SDR (BT.709) and upload that.",
        )
    if swaps_sides(matrix):
        width, height, ratio = height, width, 1 / ratio
    _check_size(width, height, limits)
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
        interlaced=interlaced or fields,
        hdr=colour if is_hdr else None,
    )


def _pixel_shape(ratio: Fraction | None) -> Fraction:
    """Width to height of a pixel, in numbers that encoders can say."""
    if not ratio or ratio < 0:
        return Fraction(1)
    if ratio > 1:
        return 1 / (1 / ratio).limit_denominator(_LARGEST_SHAPE)
    return ratio.limit_denominator(_LARGEST_SHAPE) or Fraction(1)


def _start_seconds(container: av.container.InputContainer, first_frame: Fraction) -> Fraction:
    """Where the source's clock starts. Only sound may begin before it, to prime its decoder."""
    if container.format.name not in _FREE_RUNNING_CLOCKS:
        return min(Fraction(0), first_frame)
    media = (*container.streams.video, *container.streams.audio)
    return min(
        first_frame,
        *(
            s.start_time * s.time_base
            for s in media
            if s.start_time is not None and s.time_base is not None
        ),
    )


def _picture_notes(
    stream: VideoStream, pixels: av.VideoFormat, track: VideoTrack, index: FrameIndex
) -> Iterator[str]:
    """What becomes of pictures that are not plain."""
    # VP8 and VP9 keep transparency beside the pictures, where their decoders do not look.
    beside = {key.lower(): value for key, value in stream.metadata.items()}.get("alpha_mode")
    if beside == "1" or any(part.is_alpha for part in pixels.components):
        yield "Transparency is left out."
    if track.interlaced:
        yield "Interlaced: each pair of fields becomes one frame."
    if len(index.sizes) > 1:
        sizes = ", ".join(f"{width}×{height}" for width, height in index.sizes)
        yield f"The picture changes its size ({sizes}); each is scaled to the first."
    if index.undecodable:
        yield (
            f"The first {index.undecodable} pictures refer to what is not in the file; they are"
            " left out, as players do."
        )
    if track.hdr:
        yield f"HDR ({HDR_NAMES[track.hdr.transfer]}): tone-mapped to SDR (BT.709)."


def _notes(container: av.container.InputContainer, kept: Collection[int]) -> Iterator[str]:
    """What of the source the result will not have; subtitles only if no result could."""
    from av.stream import Disposition
    from av.subtitles.stream import SubtitleStream

    if "timecode" in container.metadata:
        yield f"The timecode ({container.metadata['timecode']}) is left out."
    for stream in container.streams:
        if stream.index in kept:
            continue
        if isinstance(stream, SubtitleStream):
            if note := homeless(stream):
                yield note
        elif not _is_chapter_track(container, stream):
            cover = stream.disposition & Disposition.attached_pic
            why = " of an unknown codec" if not stream.codec_context else ", which is empty"
            kind = "cover art" if cover else f"{stream.type}{why if stream.type == 'audio' else ''}"
            yield f"Stream {stream.index}, {kind}, is left out."


def _is_chapter_track(container: av.container.InputContainer, stream: Stream) -> bool:
    """Whether it only holds the titles of chapters, which MP4 and MOV keep as text."""
    return stream.type == "data" and stream.name == "bin_data" and len(container.chapters()) > 0


def _audio_track(stream: AudioStream, suffixes: tuple[str, ...]) -> AudioTrack:
    return AudioTrack(
        stream=stream.index,
        codec=stream.codec_context.name,
        sample_rate=stream.codec_context.sample_rate,
        channels=stream.codec_context.channels,
        language=stream.language,
        suffixes=suffixes,
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


def _first_frame(
    container: av.container.InputContainer, stream: VideoStream, limits: Limits
) -> av.VideoFrame:
    """The first picture that a decoder gives; what comes before it in a recording is passed over.

    Raises:
        UnusableMedia: there is none, or it is larger than the limit: found before it is decoded.
    """
    import av

    context = stream.codec_context
    _check_size(context.width, context.height, limits)
    cause = "there is none"
    try:
        for packet in islice(container.demux(stream), _MOST_PACKETS_BEFORE_A_PICTURE):
            if packet.has_sidedata("encryption_info"):
                raise encrypted()
            try:
                frames = stream.decode(packet)
            except av.FFmpegError as error:
                cause = str(error.strerror)
            else:
                if frames:
                    return frames[0]
    except av.FFmpegError as error:
        cause = str(error.strerror)
    raise UnusableMedia(
        f"No picture of the video can be decoded ({cause}).",
        "Check that it plays, then upload the whole file again.",
    )


def _check_size(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        raise UnusableMedia(
            f"The picture is {width}×{height}; at most {limits.max_pixels:,} pixels are accepted.",
            "Scale it down and upload that.",
        )


def _display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    matrix = _side_data(frame).get("DISPLAYMATRIX")
    return None if matrix is None else struct.unpack("9i", matrix)


def _side_data(frame: av.VideoFrame) -> dict[str, bytes]:
    """What comes with a frame, by the names of AVFrameSideDataType."""
    # Its stubs take it for a plain mapping.
    return {data.type.name: bytes(data) for data in iter(frame.side_data)}  # type: ignore
