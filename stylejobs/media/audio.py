"""Taking the sound out: every audio track, packet by packet, nothing re-encoded."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.media.container import (
    MediaFile,
    create_media,
    muxer_of,
    open_media,
    suffix_for,
    suffixes,
)
from stylejobs.media.errors import broken
from stylejobs.media.manifest import Manifest
from stylejobs.media.streams import add_copy, audio_rates, codec_family, payload, shift

if TYPE_CHECKING:
    from av import AudioStream, Packet

_TRIED_PACKETS = 8
# Bytes of an AMR frame by its type, header included: 3GPP TS 26.101 and 26.201.
_AMR_BYTES = {
    "amrnb": (13, 14, 16, 18, 20, 21, 27, 32, 6, 1, 1, 1, 1, 1, 1, 1),
    "amrwb": (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 6, 1, 1, 1, 1, 1),
}
_AMR_FRAME = Fraction(20, 1000)  # seconds


def audio_suffix(manifest: Manifest) -> str:
    """The suffix of a container that can hold the source's audio."""
    return suffix_for(None, manifest.sounds)


def extract_audio(source: MediaFile, manifest: Manifest, out: Path) -> int:
    """Copy the audio packets of ``source`` into ``out``, timestamps kept; return their number.

    ``out`` gets the tracks in the source's order. The manifest must name at least one.

    Raises:
        UnusableMedia: the sound is damaged in a way that does not allow to copy it.
    """
    import av

    copied = 0
    with open_media(source) as container:
        wanted = {track.stream for track in manifest.audio}
        streams = [stream for stream in container.streams.audio if stream.index in wanted]
        try:
            with create_media(out, [*audio_rates(streams)]) as target:
                tracks = {stream.index: add_copy(target, stream) for stream in streams}
                for packet in container.demux(streams):
                    for part in split(packet):
                        shift(part, manifest.start_offset)
                        part.stream = tracks[packet.stream_index]
                        target.mux(part)
                        copied += 1
        except (av.FFmpegError, ValueError) as error:
            raise broken(error) from None
    return copied


def split(packet: Packet) -> list[Packet]:
    """The packets of one frame each in a packet of several; muxers take only such AMR."""
    import av

    if not packet.size:  # the one that ends a stream; it does not even say which
        return []
    sizes = _AMR_BYTES.get(packet.stream.codec_context.name)
    rest = bytes(packet)
    if sizes is None or packet.pts is None or sizes[rest[0] >> 3 & 15] >= len(rest):
        return [packet]
    ticks = round(_AMR_FRAME / packet.time_base)
    parts: list[Packet] = []
    while rest:
        size = sizes[rest[0] >> 3 & 15]
        part = av.Packet(rest[:size])
        part.time_base, part.stream = packet.time_base, packet.stream
        part.pts = part.dts = packet.pts + len(parts) * ticks
        part.duration = ticks
        parts.append(part)
        rest = rest[size:]
    return parts


def fitting_suffixes(path: MediaFile) -> Mapping[int, tuple[str, ...]]:
    """By the index of each audio stream that has packets: the suffixes of what can hold it.

    What a muxer promises is not what it takes: its first packets are written for a trial, and
    must come back as they were.
    """
    import av

    with open_media(path) as container:
        streams = [stream for stream in container.streams.audio if stream.codec_context]
        first: dict[int, list[Packet]] = {stream.index: [] for stream in streams}
        with suppress(av.FFmpegError):  # damage is found where it matters
            for packet in container.demux(streams) if streams else ():
                if not packet.size:
                    continue
                if len(first[packet.stream_index]) < _TRIED_PACKETS:
                    first[packet.stream_index] += split(packet)
                elif all(len(parts) >= _TRIED_PACKETS for parts in first.values()):
                    break
        return {
            stream.index: tuple(s for s in suffixes() if _fits(stream, first[stream.index], s))
            for stream in streams
            if first[stream.index]
        }


def _fits(stream: AudioStream, packets: Sequence[Packet], suffix: str) -> bool:
    import av

    file = io.BytesIO()
    codec = stream.codec_context.name
    try:
        with av.open(file, "w", format=muxer_of(suffix)) as target:
            track = target.add_stream_from_template(stream, opaque=True)
            for packet in packets:
                trial = av.Packet(bytes(packet))
                trial.time_base, trial.stream = packet.time_base, track
                trial.pts, trial.dts, trial.duration = packet.pts, packet.dts, packet.duration
                target.mux(trial)
        file.seek(0)
        with av.open(file, "r") as result:
            found = result.streams.audio[0]
            same_codec = codec_family(found.codec_context.name) == codec_family(codec)
            came_back = b"".join(payload(packet) for packet in result.demux(found))
    except (av.FFmpegError, ValueError, IndexError, AttributeError):
        return False
    return same_codec and came_back == b"".join(map(payload, packets))
