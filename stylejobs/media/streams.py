"""Copying streams between containers without touching their packets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoStream
    from av.container import OutputContainer
    from av.stream import Disposition, Stream
    from av.subtitles.stream import SubtitleStream

    CopiedStream = TypeVar("CopiedStream", AudioStream, VideoStream, SubtitleStream)


# ISO 639-2 has two codes for these, the terminological and the bibliographic one.
_BIBLIOGRAPHIC = {
    **{"bod": "tib", "ces": "cze", "cym": "wel", "deu": "ger", "ell": "gre", "eus": "baq"},
    **{"fas": "per", "fra": "fre", "hye": "arm", "isl": "ice", "kat": "geo", "mkd": "mac"},
    **{"mri": "mao", "msa": "may", "mya": "bur", "nld": "dut", "ron": "rum", "slk": "slo"},
    **{"sqi": "alb", "zho": "chi"},
}
# Of these, ffmpeg's table of MOV's languages has the bibliographic code only.
_MOV_NAMES = {code: _BIBLIOGRAPHIC[code] for code in ("deu", "ell", "isl", "nld", "sqi", "zho")}


class About(NamedTuple):
    """What a file says of a track beside its content.

    Attributes:
        tags: ``language``, ``title`` and ``handler_name``, those that there are.
        disposition: default, forced, for the hearing impaired, …
    """

    tags: dict[str, str]
    disposition: Disposition


def about(stream: Stream) -> About:
    tags = {k: v for k, v in stream.metadata.items() if k in {"language", "handler_name"}}
    # ffmpeg writes "title" into MP4 and reads it back as "name".
    if title := stream.metadata.get("title") or stream.metadata.get("name"):
        tags["title"] = title
    return About(tags, stream.disposition)


def audio_rates(tracks: Iterable[AudioStream]) -> Iterator[int]:
    """Ticks and samples a second of audio tracks; muxers count in one or the other."""
    for track in tracks:
        if track.time_base is not None:
            yield track.time_base.denominator
        yield track.codec_context.sample_rate


def add_copy(
    target: OutputContainer, source: CopiedStream, like: About | None = None
) -> CopiedStream:
    """Add a stream to ``target`` that takes ``source``'s packets.

    Args:
        like: the tags and disposition it gets; the source's own by default.
    """
    copy = target.add_stream_from_template(source, opaque=True)
    tags, copy.disposition = like or about(source)
    for name, value in tags.items():
        is_mov_language = name == "language" and target.format.name == "mov"
        copy.metadata[name] = _MOV_NAMES.get(value, value) if is_mov_language else value
    return copy


def same_language(one: str | None, other: str | None) -> bool:
    """Whether two tags name the same language; a track without one is undetermined."""
    first, second = (_BIBLIOGRAPHIC.get(tag or "und", tag or "und") for tag in (one, other))
    return first == second


def shift(packet: Packet, seconds: Fraction) -> None:
    """Move a packet earlier by ``seconds``, rounded to the packet's time base."""
    ticks = round(seconds / packet.time_base)
    if ticks == 0:
        return
    if packet.pts is not None:
        packet.pts -= ticks
    if packet.dts is not None:
        packet.dts -= ticks


def without_adts(payload: bytes) -> bytes:
    """AAC without the header that MPEG-TS puts before each packet (ISO/IEC 13818-7, 6.2)."""
    if len(payload) < 7 or payload[0] != 0xFF or payload[1] & 0xF6 != 0xF0:
        return payload
    length = (payload[3] & 3) << 11 | payload[4] << 3 | payload[5] >> 5
    if length != len(payload):  # raw AAC that only happens to start alike
        return payload
    has_checksum = not payload[1] & 1
    return payload[9 if has_checksum else 7 :]
