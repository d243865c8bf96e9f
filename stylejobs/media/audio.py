"""Taking the sound out: every audio track, packet by packet, nothing re-encoded."""

from __future__ import annotations

from pathlib import Path

from stylejobs.media.container import create_media, open_media, suffix_for
from stylejobs.media.manifest import Manifest
from stylejobs.media.streams import add_copy, audio_rates, shift


def audio_suffix(manifest: Manifest) -> str:
    """The suffix of a container that can hold the source's audio."""
    return suffix_for({track.codec for track in manifest.audio})


def extract_audio(source: Path, manifest: Manifest, out: Path) -> int:
    """Copy the audio packets of ``source`` into ``out``, timestamps kept; return their number.

    ``out`` gets the tracks in the source's order. The manifest must name at least one.
    """
    copied = 0
    with open_media(source) as container:
        wanted = {track.stream for track in manifest.audio}
        streams = [stream for stream in container.streams.audio if stream.index in wanted]
        with create_media(out, [*audio_rates(streams)]) as target:
            tracks = {stream.index: add_copy(target, stream) for stream in streams}
            for packet in container.demux(streams):
                if packet.size:
                    shift(packet, manifest.start_offset)
                    packet.stream = tracks[packet.stream_index]
                    target.mux(packet)
                    copied += 1
    return copied
