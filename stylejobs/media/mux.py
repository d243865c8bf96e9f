"""Stitching: painted segments and the source's sound become the final video.

Nothing is re-encoded. Each frame gets the PTS that the source gave it, whatever the segments
say, so nothing drifts however many segments there are.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.media.container import create_media, open_media, suffix_for
from stylejobs.media.errors import FramesMismatch
from stylejobs.media.manifest import Manifest
from stylejobs.media.streams import add_copy, audio_rates

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoStream
    from av.container import InputContainer


def final_suffix(manifest: Manifest) -> str:
    """MP4 where it can hold the source's audio, else MOV, else MKV."""
    return suffix_for({"h264", *(track.codec for track in manifest.audio)})


def mux(manifest: Manifest, segments: Sequence[Path], audio: Path | None, out: Path) -> None:
    """Write ``out`` from the painted ``segments``, in order, and the extracted ``audio``.

    Args:
        segments: one file for each shard that has frames.
        out: file to write; its suffix chooses the container.

    Raises:
        FramesMismatch: the segments do not hold the manifest's frames.
    """
    ranks = [_ranks(segment) for segment in segments]
    _check_times(manifest, segments, ranks)
    with ExitStack() as files:
        sound = files.enter_context(open_media(audio)) if audio else None
        tracks = sound.streams.audio if sound else ()
        rates = [manifest.video.tick.denominator, *audio_rates(tracks)]
        target = files.enter_context(create_media(out, rates))
        with open_media(segments[0]) as first:
            video = add_copy(target, first.streams.video[0])
        video.time_base = manifest.video.tick
        packets: Iterable[Packet] = _video_packets(manifest, segments, ranks, video)
        if sound:
            copies = {track.index: add_copy(target, track) for track in tracks}
            packets = heapq.merge(packets, _audio_packets(sound, copies), key=_decoding_time)
        for packet in packets:
            target.mux(packet)


def _ranks(segment: Path) -> list[tuple[Fraction, int]]:
    """For each packet in decoding order: its time in seconds, and its place when shown."""
    with open_media(segment) as container:
        stream = container.streams.video[0]
        times = [p.pts * p.time_base for p in container.demux(stream) if p.pts is not None]
    place = {time: rank for rank, time in enumerate(sorted(times))}
    return [(time, place[time]) for time in times]


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


def _audio_packets(container: InputContainer, tracks: dict[int, AudioStream]) -> Iterator[Packet]:
    for packet in container.demux(container.streams.audio):
        if packet.size:
            packet.stream = tracks[packet.stream_index]
            yield packet


def _decoding_time(packet: Packet) -> Fraction:
    return (packet.dts or 0) * packet.time_base
