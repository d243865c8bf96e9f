"""Whether the sound of a result is that of its source, packet by packet."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.media.audio import split
from stylejobs.media.container import MediaFile, open_media
from stylejobs.media.errors import UnusableMedia
from stylejobs.media.manifest import Manifest
from stylejobs.media.streams import About, about, codec_family, payload
from stylejobs.media.verify_extras import about_differences, first_shift

if TYPE_CHECKING:
    from av import AudioStream, Packet

# Raw samples come in packets of any length: what follows without a gap is compared as one.
_RAW = re.compile(r"pcm_(?:[suf](?P<bits>\d+)(?:le|be)?|(?:alaw|mulaw))")
_GAP = Fraction(2, 1000)  # seconds


@dataclass
class _Sound:
    """The packets of an audio track.

    Attributes:
        about: the track's title and disposition.
        tick: the coarser of a tick of the track's time base and of one sample, seconds.
        bytes_a_second: of raw samples; 0 for all that is compressed.
        times: when each is heard, seconds.
        hashes: of each payload.
    """

    about: About
    tick: Fraction
    bytes_a_second: int
    times: list[Fraction | None] = field(default_factory=list)
    hashes: list[hashlib.blake2b] = field(default_factory=list)
    _bytes: int = 0

    @classmethod
    def of(cls, stream: AudioStream) -> _Sound:
        context = stream.codec_context
        raw = _RAW.fullmatch(context.name)
        sample = int(raw["bits"] or 8) // 8 if raw else 0
        rate = context.sample_rate or 1
        tick = max(stream.time_base or Fraction(0), Fraction(1, rate))
        return cls(about(stream), tick, sample * context.channels * rate)

    def add(self, packet: Packet) -> None:
        time = None if packet.pts is None else packet.pts * packet.time_base
        content = payload(packet)
        if self._follows(time):
            self.hashes[-1].update(content)
            self._bytes += len(content)
        else:
            self.times.append(time)
            self.hashes.append(hashlib.blake2b(content, digest_size=16))
            self._bytes = len(content)

    def _follows(self, time: Fraction | None) -> bool:
        if not self.bytes_a_second or not self.times:
            return False
        start = self.times[-1]
        if time is None or start is None:
            return True
        return abs(time - start - Fraction(self._bytes, self.bytes_a_second)) <= _GAP

    @property
    def digests(self) -> list[bytes]:
        return [each.digest() for each in self.hashes]


def sound_differences(
    source: MediaFile, manifest: Manifest, result: Path, found: Manifest
) -> list[str]:
    if len(found.audio) != len(manifest.audio):
        return [f"audio tracks: {len(found.audio)}, the source has {len(manifest.audio)}"]
    if not manifest.audio:
        return []
    expected = _sounds(source, [track.stream for track in manifest.audio])
    actual = _sounds(result, [track.stream for track in found.audio])
    lines = []
    for n, (want, have) in enumerate(zip(manifest.audio, found.audio, strict=True)):
        name = f"audio track {n}"
        if codec_family(have.codec) != codec_family(want.codec):
            lines.append(f"{name} codec: {have.codec}, the source has {want.codec}")
        offsets = (manifest.start_offset, found.start_offset)
        lines += _sound_differences(name, expected[n], actual[n], offsets)
    pairs = zip((each.about for each in expected), (each.about for each in actual), strict=True)
    return [*lines, *about_differences("audio track", list(pairs), result)]


def _sound_differences(
    name: str, expected: _Sound, found: _Sound, offsets: tuple[Fraction, Fraction]
) -> Iterable[str]:
    if len(found.digests) != len(expected.digests):
        yield f"{name} packets: {len(found.digests)}, the source has {len(expected.digests)}"
    pairs = zip_longest(expected.digests, found.digests)
    changed = [n for n, (want, have) in enumerate(pairs) if want != have]
    if changed:
        yield f"{name} content: {len(changed)} packets differ, first packet {changed[0]}"
    wanted = [None if time is None else time - offsets[0] for time in expected.times]
    heard = [None if time is None else time - offsets[1] for time in found.times]
    tolerance = max(expected.tick, found.tick) / (1 if offsets[1] else 2)
    line = first_shift("packet", f"{name} times", wanted, heard, tolerance)
    if line:
        yield line


def _sounds(path: MediaFile, indices: Sequence[int]) -> list[_Sound]:
    import av

    with open_media(path) as container:
        streams = [stream for stream in container.streams.audio if stream.index in indices]
        sounds = {stream.index: _Sound.of(stream) for stream in streams}
        try:
            for packet in container.demux(streams):
                for part in split(packet):
                    sounds[packet.stream_index].add(part)
        except av.FFmpegError as error:
            raise UnusableMedia(
                f"The sound of {path.name} is broken ({error.strerror}).", "Make the file again."
            ) from None
    return [sounds[index] for index in indices]
