"""Copying streams between containers without touching their packets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoStream
    from av.container import OutputContainer

    CopiedStream = TypeVar("CopiedStream", AudioStream, VideoStream)

_KEPT_TAGS = ("language", "title", "handler_name")


def audio_rates(tracks: Iterable[AudioStream]) -> Iterator[int]:
    """Ticks and samples a second of audio tracks; muxers count in one or the other."""
    for track in tracks:
        if track.time_base is not None:
            yield track.time_base.denominator
        yield track.codec_context.sample_rate


def add_copy(target: OutputContainer, source: CopiedStream) -> CopiedStream:
    """Add a stream to ``target`` that takes ``source``'s packets, its tags and disposition."""
    copy = target.add_stream_from_template(source, opaque=True)
    copy.disposition = source.disposition
    for name in _KEPT_TAGS:
        if name in source.metadata:
            copy.metadata[name] = source.metadata[name]
    return copy


def shift(packet: Packet, seconds: Fraction) -> None:
    """Move a packet earlier by ``seconds``, rounded to the packet's time base."""
    ticks = round(seconds / packet.time_base)
    if ticks == 0:
        return
    if packet.pts is not None:
        packet.pts -= ticks
    if packet.dts is not None:
        packet.dts -= ticks
