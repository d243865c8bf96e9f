"""Copying streams between containers without touching their packets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoStream
    from av.container import OutputContainer
    from av.stream import Disposition, Stream
    from av.subtitles.stream import SubtitleStream

    CopiedStream = TypeVar("CopiedStream", AudioStream, VideoStream, SubtitleStream)


# ISO 639-1, which Matroska allows, in ISO 639-2, which is all that MP4 and MOV know.
_LONG_CODES = dict(
    re.findall(
        r"(\w\w):(\w{3})",
        """
    af:afr am:amh ar:ara az:aze be:bel bg:bul bn:ben bo:bod br:bre bs:bos ca:cat co:cos cs:ces
    cy:cym da:dan de:deu el:ell en:eng eo:epo es:spa et:est eu:eus fa:fas fi:fin fo:fao fr:fra
    fy:fry ga:gle gd:gla gl:glg gu:guj ha:hau he:heb hi:hin hr:hrv ht:hat hu:hun hy:hye id:ind
    ig:ibo is:isl it:ita ja:jpn jv:jav ka:kat kk:kaz km:khm kn:kan ko:kor ku:kur ky:kir la:lat
    lb:ltz lo:lao lt:lit lv:lav mg:mlg mi:mri mk:mkd ml:mal mn:mon mr:mar ms:msa mt:mlt my:mya
    nb:nob ne:nep nl:nld nn:nno no:nor oc:oci pa:pan pl:pol ps:pus pt:por qu:que rm:roh ro:ron
    ru:rus rw:kin sa:san sd:snd se:sme si:sin sk:slk sl:slv sm:smo sn:sna so:som sq:sqi sr:srp
    st:sot su:sun sv:swe sw:swa ta:tam te:tel tg:tgk th:tha ti:tir tk:tuk tl:tgl tr:tur tt:tat
    ug:uig uk:ukr ur:urd uz:uzb vi:vie wo:wol xh:xho yi:yid yo:yor zh:zho zu:zul
    """,
    )
)
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
        if name == "language" and target.format.name != "matroska":
            value = _long(value)
            value = _MOV_NAMES.get(value, value) if target.format.name == "mov" else value
        copy.metadata[name] = value
    return copy


def same_language(one: str | None, other: str | None) -> bool:
    """Whether two tags name the same language; a track without one is undetermined."""
    first, second = (_long(tag or "und") for tag in (one, other))
    return _BIBLIOGRAPHIC.get(first, first) == _BIBLIOGRAPHIC.get(second, second)


def _long(tag: str) -> str:
    """A language tag's three letters: ``de`` and ``de-CH`` are ``deu``."""
    code = tag.lower().partition("-")[0]
    return _LONG_CODES.get(code, code)


def shift(packet: Packet, seconds: Fraction) -> None:
    """Move a packet earlier by ``seconds``, rounded to the packet's time base."""
    ticks = round(seconds / packet.time_base)
    if ticks == 0:
        return
    if packet.pts is not None:
        packet.pts -= ticks
    if packet.dts is not None:
        packet.dts -= ticks


def codec_family(codec: str) -> str:
    """MP4 says "MPEG-1 audio" for layers 1 to 3; the packets themselves name theirs."""
    return "mp1-3" if codec.removesuffix("float") in {"mp1", "mp2", "mp3"} else codec


def payload(packet: Packet) -> bytes:
    """What an audio packet says, without what its container puts around it."""
    content = bytes(packet)
    return without_adts(content) if packet.stream.codec_context.name == "aac" else content


def without_adts(payload: bytes) -> bytes:
    """AAC without the header that MPEG-TS puts before each packet (ISO/IEC 13818-7, 6.2)."""
    if len(payload) < 7 or payload[0] != 0xFF or payload[1] & 0xF6 != 0xF0:
        return payload
    length = (payload[3] & 3) << 11 | payload[4] << 3 | payload[5] >> 5
    if length != len(payload):  # raw AAC that only happens to start alike
        return payload
    has_checksum = not payload[1] & 1
    return payload[9 if has_checksum else 7 :]
