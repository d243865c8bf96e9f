"""Stitching: painted segments and all else that is in the source become the final video.

No picture and no sound is re-encoded. Each frame gets the PTS that the source gave it, whatever
the segments say, so nothing drifts however many segments there are.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from stylejobs.media.audio import audio_suffix, extract_audio
from stylejobs.media.container import Container, MediaFile, create_media, open_media, suffix_for
from stylejobs.media.errors import FramesMismatch
from stylejobs.media.manifest import Manifest
from stylejobs.media.streams import About, about, add_copy, audio_rates
from stylejobs.media.subtitles import LeftOut, SubtitleFile, take_subtitles

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoStream
    from av.container import InputContainer, OutputContainer
    from av.container.core import Chapter
    from av.subtitles.stream import SubtitleStream

# Of the source's container, not of its content. A timecode would become a track of its own.
_CONTAINERS_OWN_TAGS = {
    *("encoder", "major_brand", "minor_version", "compatible_brands", "duration", "timecode"),
}


def final_suffix(manifest: Manifest, codec: str = "h264", container: Container = "auto") -> str:
    """The suffix of the result: by default MP4 where it can hold the audio, else MOV, else MKV.

    Args:
        codec: of the painted pictures.

    Raises:
        UnusableMedia: the chosen container cannot hold the source's audio.
    """
    return suffix_for(codec, manifest.sounds, container)


def mux(
    manifest: Manifest, source: MediaFile, segments: Sequence[Path], audio: Path | None, out: Path
) -> tuple[LeftOut, ...]:
    """Write ``out`` from the painted ``segments``, in order, and the extracted ``audio``.

    Chapters, global metadata and subtitles are taken from ``source``. Returns what of it had no
    place in the result, beside ``manifest.notes``.

    Args:
        segments: one file for each shard that has frames.
        out: file to write; its suffix chooses the container.

    Raises:
        FramesMismatch: the segments do not hold the manifest's frames, or not in one encoding.
    """
    parts = [_read_segment(segment) for segment in segments]
    ranks = [part.ranks for part in parts]
    if any(part.headers != parts[0].headers for part in parts):
        raise FramesMismatch("the segments are not all encoded with the same settings")
    _check_times(manifest, segments, ranks)
    with ExitStack() as files:
        folder = files.enter_context(TemporaryDirectory(prefix="subtitles-", dir=out.parent))
        texts, left_out = take_subtitles(source, manifest, out.suffix.lower(), Path(folder))
        sound = files.enter_context(open_media(audio)) if audio else None
        tracks = sound.streams.audio if sound else ()
        rates = [manifest.video.tick.denominator, *audio_rates(tracks)]
        target = files.enter_context(create_media(out, rates))
        with open_media(segments[0]) as first:
            video = add_copy(target, first.streams.video[0], _about_video(source, manifest))
        video.time_base = manifest.video.tick
        if video.codec_context.name == "hevc" and out.suffix.lower() != ".mkv":
            video.codec_context.codec_tag = "hvc1"  # the only one that Apple's players take
        packets = [_video_packets(manifest, segments, ranks, video)]
        if sound:
            copies = {track.index: add_copy(target, track) for track in tracks}
            packets.append(_copied_packets(sound, copies))
        for text in texts:
            packets.append(_subtitle_packets(files, target, text))
        _copy_about(source, manifest, target)
        for packet in heapq.merge(*packets, key=_decoding_time):
            target.mux(packet)
    return tuple(left_out)


def mux_with_sound(
    manifest: Manifest, source: MediaFile, segments: Sequence[Path], out: Path
) -> tuple[LeftOut, ...]:
    """As ``mux``, for those who have not taken the sound out of ``source`` before."""
    if not manifest.audio:
        return mux(manifest, source, segments, None, out)
    with TemporaryDirectory(prefix="sound-", dir=out.parent) as folder:
        audio = Path(folder) / f"audio{audio_suffix(manifest)}"
        extract_audio(source, manifest, audio)
        return mux(manifest, source, segments, audio, out)


def _about_video(source: MediaFile, manifest: Manifest) -> About:
    """Language and title of the source's video; it becomes the only one, so the default."""
    from av.stream import Disposition

    with open_media(source) as container:
        tags, _ = about(container.streams[manifest.video.stream])
    return About(tags, Disposition.default)


def _copy_about(source: MediaFile, manifest: Manifest, target: OutputContainer) -> None:
    """Global metadata and chapters."""
    with open_media(source) as container:
        for name, value in container.metadata.items():
            if name.lower() not in _CONTAINERS_OWN_TAGS:
                target.metadata[name] = value
        if chapters := chapters_of(container, manifest.start_offset):
            target.set_chapters(chapters)


def chapters_of(container: InputContainer, start_offset: Fraction) -> list[Chapter]:
    """The chapters whose times are known, in order, earlier by ``start_offset`` seconds."""
    chapters: list[Chapter] = []
    for chapter in sorted(container.chapters(), key=lambda c: (c["time_base"] or 0) * c["start"]):
        if tick := chapter["time_base"]:
            ticks = round(start_offset / tick)
            start, end = chapter["start"] - ticks, chapter["end"] - ticks
            if start >= 0:
                moved = chapter.copy()
                moved["start"], moved["end"] = start, max(end, start)
                chapters.append(moved)
    return chapters


@dataclass(frozen=True)
class _Segment:
    """A painted segment's packets.

    Attributes:
        ranks: of each packet, in decoding order, its time in seconds and its place when shown.
        headers: what a decoder must know before the first packet.
    """

    ranks: list[tuple[Fraction, int]]
    headers: bytes | None


def _read_segment(segment: Path) -> _Segment:
    with open_media(segment) as container:
        stream = container.streams.video[0]
        headers = stream.codec_context.extradata
        times = [p.pts * p.time_base for p in container.demux(stream) if p.pts is not None]
    place = {time: rank for rank, time in enumerate(sorted(times))}
    return _Segment([(time, place[time]) for time in times], headers)


def _check_times(
    manifest: Manifest, segments: Sequence[Path], ranks: list[list[tuple[Fraction, int]]]
) -> None:
    done = 0
    for segment, frames in zip(segments, ranks, strict=True):
        expected = manifest.pts[done : done + len(frames)]
        if len(expected) < len(frames):
            raise FramesMismatch(f"{segment.name}: the segments hold more frames than the source")
        for time, rank in frames:
            if time != (expected[rank] - expected[0]) * manifest.video.tick:
                raise FramesMismatch(
                    f"{segment.name}: frame {rank} stands at {float(time):.6f} s,"
                    f" not where the source has it"
                )
        done += len(frames)
    if done != manifest.frame_count:
        raise FramesMismatch(f"the segments hold {done} frames, the source {manifest.frame_count}")


def _video_packets(
    manifest: Manifest,
    segments: Sequence[Path],
    ranks: list[list[tuple[Fraction, int]]],
    stream: VideoStream,
) -> Iterator[Packet]:
    """The segments' packets in decoding order, with the source's PTS."""
    offset = round(manifest.start_offset / manifest.video.tick)
    shown = [pts - offset for pts in manifest.pts]
    durations = [b - a for a, b in pairwise(shown)] + [manifest.last_frame_ticks]
    # DTS are the sorted PTS, later by the encoder's reordering depth: ascending, never past PTS.
    depth = max(n - rank for frames in ranks for n, (_, rank) in enumerate(frames))
    done = 0
    for segment, frames in zip(segments, ranks, strict=True):
        with open_media(segment) as container:
            packets = (p for p in container.demux(container.streams.video[0]) if p.size)
            for n, (packet, (_, rank)) in enumerate(zip(packets, frames, strict=True)):
                behind = done + n - depth
                packet.stream = stream
                packet.time_base = manifest.video.tick
                packet.pts = shown[done + rank]
                packet.dts = shown[behind] if behind >= 0 else shown[0] + behind * durations[0]
                packet.duration = durations[done + rank]
                yield packet
        done += len(frames)


def _copied_packets(
    container: InputContainer, tracks: Mapping[int, AudioStream | SubtitleStream]
) -> Iterator[Packet]:
    for packet in container.demux([container.streams[index] for index in tracks]):
        if packet.size:
            packet.stream = tracks[packet.stream_index]
            yield packet


def _subtitle_packets(
    files: ExitStack, target: OutputContainer, text: SubtitleFile
) -> Iterator[Packet]:
    """Add the track to ``target`` now; its packets come as they are asked for."""
    container = files.enter_context(open_media(text.path))
    stream = container.streams.subtitles[0]
    return _copied_packets(container, {stream.index: add_copy(target, stream, text.about)})


def _decoding_time(packet: Packet) -> Fraction:
    return (packet.dts or 0) * packet.time_base
