"""Whether a painted video equals its source in everything but the paint.

Each difference is one line for people; no line means that nothing differs. A result that cannot
be read gives one line as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.media.container import open_media
from stylejobs.media.errors import UnusableMedia
from stylejobs.media.manifest import Manifest
from stylejobs.media.probe import Limits, probe

if TYPE_CHECKING:
    from av import AudioStream

NO_LIMITS = Limits(max_bytes=2**63, max_frames=2**63, max_seconds=2**63, max_pixels=2**63)
_UNNAMED_LANGUAGES = {None, "und"}


def compare(source: Path, result: Path) -> list[str]:
    """Every difference between ``source`` and the video that was painted from it.

    Raises:
        UnusableMedia: the source cannot be read.
    """
    manifest = probe(source, NO_LIMITS)
    return _against(
        result,
        lambda found: [
            *_frame_differences(manifest, found),
            *_audio_differences(source, manifest, result, found),
            *_picture_differences(manifest, found),
            *_duration_differences(manifest, result, found),
        ],
    )


def compare_frames(manifest: Manifest, result: Path) -> list[str]:
    """Differences in the number of frames and in the time of each."""
    return _against(result, lambda found: _frame_differences(manifest, found))


def compare_audio(source: Path, manifest: Manifest, result: Path) -> list[str]:
    """Differences between the audio tracks: their codecs, languages, packets and times."""
    return _against(result, lambda found: _audio_differences(source, manifest, result, found))


def compare_duration(manifest: Manifest, result: Path) -> list[str]:
    """A line if the result's pictures last a frame longer or shorter than the source's."""
    return _against(result, lambda found: _duration_differences(manifest, result, found))


def _against(result: Path, differences: Callable[[Manifest], list[str]]) -> list[str]:
    try:
        return differences(probe(result, NO_LIMITS))
    except UnusableMedia as error:
        return [f"unreadable: {error.reason}"]
    except OSError as error:
        return [f"unreadable: {error.strerror or error}"]


def _frame_differences(manifest: Manifest, found: Manifest) -> list[str]:
    lines = []
    if found.frame_count != manifest.frame_count:
        lines.append(f"frame count: {found.frame_count}, the source has {manifest.frame_count}")
    tolerance = _tolerance(manifest.video.tick, found.video.tick)
    line = _first_shift("frame", "frame times", _times(manifest), _times(found), tolerance)
    return [*lines, line] if line else lines


def _times(manifest: Manifest) -> list[Fraction]:
    """When each frame is shown, seconds; MPEG's free-running clocks are set to zero."""
    return [pts * manifest.video.tick - manifest.start_offset for pts in manifest.pts]


def _tolerance(source_tick: Fraction, result_tick: Fraction) -> Fraction:
    """Seconds that a time may move: none where the result's ticks can say the source's."""
    if (source_tick / result_tick).denominator == 1:
        return Fraction(0)
    return max(source_tick, result_tick) / 2


def _first_shift(
    thing: str,
    name: str,
    expected: Sequence[Fraction | None],
    found: Sequence[Fraction | None],
    tolerance: Fraction,
) -> str | None:
    """One line on the first of the times that differ; times that are not known are left out."""
    shifted = [
        (n, want, have)
        for n, (want, have) in enumerate(zip(expected, found, strict=False))
        if want is not None and have is not None and abs(have - want) > tolerance
    ]
    if not shifted:
        return None
    n, want, have = shifted[0]
    return (
        f"{name}: {len(shifted)} differ, first {thing} {n}: at {float(have):.6f} s,"
        f" in the source at {float(want):.6f} s"
    )


@dataclass
class _Sound:
    """The packets of an audio track.

    Attributes:
        tick: the coarser of a tick of the track's time base and of one sample, seconds.
        times: when each is heard, seconds.
        digests: hash of each payload.
    """

    tick: Fraction
    times: list[Fraction | None]
    digests: list[bytes]


def _audio_differences(
    source: Path, manifest: Manifest, result: Path, found: Manifest
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
        if _codec_family(have.codec) != _codec_family(want.codec):
            lines.append(f"{name} codec: {have.codec}, the source has {want.codec}")
        if (
            have.language != want.language
            and {
                have.language,
                want.language,
            }
            != _UNNAMED_LANGUAGES
        ):
            lines.append(f"{name} language: {have.language}, the source has {want.language}")
        offsets = (manifest.start_offset, found.start_offset)
        lines += _sound_differences(name, expected[n], actual[n], offsets)
    return lines


def _codec_family(codec: str) -> str:
    """MP4 says "MPEG-1 audio" for layers 1 to 3; the packets themselves name theirs."""
    return "mp1-3" if codec.removesuffix("float") in {"mp1", "mp2", "mp3"} else codec


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
    tolerance = max(expected.tick, found.tick) / 2
    line = _first_shift("packet", f"{name} times", wanted, heard, tolerance)
    if line:
        yield line


def _sounds(path: Path, indices: Sequence[int]) -> list[_Sound]:
    import av

    with open_media(path) as container:
        streams = [stream for stream in container.streams.audio if stream.index in indices]
        sounds = {stream.index: _Sound(_tick(stream), [], []) for stream in streams}
        aac = {stream.index for stream in streams if stream.codec_context.name == "aac"}
        try:
            for packet in container.demux(streams):
                if packet.size == 0:
                    continue
                payload = bytes(packet)
                if packet.stream_index in aac:
                    payload = _without_adts(payload)
                sound = sounds[packet.stream_index]
                sound.digests.append(hashlib.blake2b(payload, digest_size=16).digest())
                time = None if packet.pts is None else packet.pts * packet.time_base
                sound.times.append(time)
        except av.FFmpegError as error:
            raise UnusableMedia(
                f"The sound of {path.name} is broken ({error.strerror}).", "Make the file again."
            ) from None
    return [sounds[index] for index in indices]


def _tick(stream: AudioStream) -> Fraction:
    return max(stream.time_base or Fraction(0), Fraction(1, stream.codec_context.sample_rate or 1))


def _without_adts(payload: bytes) -> bytes:
    """AAC without the header that MPEG-TS puts before each packet (ISO/IEC 13818-7, 6.2)."""
    if len(payload) < 7 or payload[0] != 0xFF or payload[1] & 0xF6 != 0xF0:
        return payload
    length = (payload[3] & 3) << 11 | payload[4] << 3 | payload[5] >> 5
    if length != len(payload):  # raw AAC that only happens to start alike
        return payload
    has_checksum = not payload[1] & 1
    return payload[9 if has_checksum else 7 :]


def _picture_differences(manifest: Manifest, found: Manifest) -> list[str]:
    want, have = manifest.video, found.video
    lines = []
    if (have.width, have.height) != (want.width, want.height):
        lines.append(
            f"size: {have.width}×{have.height}, the source shows {want.width}×{want.height}"
        )
    if have.sample_aspect_ratio != want.sample_aspect_ratio:
        lines.append(
            "pixel shape: {}:{}, the source has {}:{}".format(
                *have.sample_aspect_ratio, *want.sample_aspect_ratio
            )
        )
    if have.display_matrix is not None:
        lines.append("rotation: the result asks players to turn its pictures, which are upright")
    if not have.colour.tagged:
        lines.append(f"colour matrix: not named, should be {want.colour.matrix}")
    elif have.colour.matrix != want.colour.matrix:
        lines.append(f"colour matrix: {have.colour.matrix}, should be {want.colour.matrix}")
    if have.colour.full_range != want.colour.full_range:
        name = {True: "full", False: "limited"}
        lines.append(
            f"colour range: {name[have.colour.full_range]},"
            f" should be {name[want.colour.full_range]}"
        )
    return lines


def _duration_differences(manifest: Manifest, result: Path, found: Manifest) -> list[str]:
    expected = _shown_seconds(manifest, manifest.last_frame_ticks)
    duration = _shown_seconds(found, _last_packet_ticks(result, found) or found.last_frame_ticks)
    if abs(duration - expected) <= 1 / manifest.video.fps:
        return []
    return [f"duration: {float(duration):.3f} s, the source lasts {float(expected):.3f} s"]


def _shown_seconds(manifest: Manifest, last_frame_ticks: int) -> Fraction:
    """From the first frame's appearance to the last one's end."""
    ticks = manifest.pts[-1] + last_frame_ticks - manifest.pts[0]
    return ticks * manifest.video.tick


def _last_packet_ticks(path: Path, manifest: Manifest) -> int | None:
    """How long the container says that the last frame stays."""
    duration = None
    with open_media(path) as container:
        for packet in container.demux(container.streams[manifest.video.stream]):
            if packet.pts == manifest.pts[-1]:
                duration = packet.duration
    return duration
