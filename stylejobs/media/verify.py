"""Whether a painted video equals its source in everything but the paint.

Each difference is one line for people; no line means that nothing differs. A result that cannot
be read gives one line as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.media.container import open_media, suffix_of
from stylejobs.media.errors import UnusableMedia
from stylejobs.media.manifest import Manifest
from stylejobs.media.mux import chapters_of
from stylejobs.media.probe import Limits, probe
from stylejobs.media.streams import About, about, same_language, without_adts
from stylejobs.media.subtitles import form_in, is_text, says

if TYPE_CHECKING:
    from av import AudioStream
    from av.stream import Disposition

NO_LIMITS = Limits(max_bytes=2**63, max_frames=2**63, max_seconds=2**63, max_pixels=2**63)
# Seconds that subtitles and chapters may move: both are stored in milliseconds.
_MILLISECOND = Fraction(1, 1000)
_LONGEST_LEAD = Fraction(3, 10)  # seconds


def compare(source: Path, result: Path, left_out: Collection[int] = ()) -> list[str]:
    """Every difference between ``source`` and the video that was painted from it.

    What the result's container cannot hold is no difference.

    Args:
        left_out: streams of the source that are knowingly not in the result.

    Raises:
        UnusableMedia: the source cannot be read.
    """
    manifest = probe(source, NO_LIMITS)
    return _against(
        manifest,
        result,
        lambda found: [
            *_frame_differences(manifest, found),
            *_audio_differences(source, manifest, result, found),
            *_subtitle_differences(source, manifest, result, found, left_out),
            *_chapter_differences(source, manifest, result),
            *_picture_differences(manifest, found),
            *_duration_differences(manifest, result, found),
        ],
    )


def compare_frames(manifest: Manifest, result: Path) -> list[str]:
    """Differences in the number of frames and in the time of each."""
    return _against(manifest, result, lambda found: _frame_differences(manifest, found))


def compare_audio(source: Path, manifest: Manifest, result: Path) -> list[str]:
    """Differences between the audio tracks: their codecs, languages, packets and times."""
    return _against(
        manifest, result, lambda found: _audio_differences(source, manifest, result, found)
    )


def compare_duration(manifest: Manifest, result: Path) -> list[str]:
    """A line if the result's pictures last a frame longer or shorter than the source's."""
    return _against(manifest, result, lambda found: _duration_differences(manifest, result, found))


def _against(
    manifest: Manifest, result: Path, differences: Callable[[Manifest], list[str]]
) -> list[str]:
    try:
        return differences(_without_lead(manifest, probe(result, NO_LIMITS)))
    except UnusableMedia as error:
        return [f"unreadable: {error.reason}"]
    except OSError as error:
        return [f"unreadable: {error.strerror or error}"]


def _without_lead(manifest: Manifest, found: Manifest) -> Manifest:
    """``found`` with a clock that starts where its pictures do, if it is MKV with sound.

    MKV has no times before zero. Where the sound of the source starts there, by some samples
    that prime its decoder, everything in the result is later alike.
    """
    later = _times(found)[0] - _times(manifest)[0]
    if not (found.audio and found.container.startswith("matroska") and 0 < later < _LONGEST_LEAD):
        return found
    return found.model_copy(update={"start_seconds": later.as_integer_ratio()})


def _frame_differences(manifest: Manifest, found: Manifest) -> list[str]:
    lines = []
    if found.frame_count != manifest.frame_count:
        lines.append(f"frame count: {found.frame_count}, the source has {manifest.frame_count}")
    tolerance = _tolerance(manifest, found)
    line = _first_shift("frame", "frame times", _times(manifest), _times(found), tolerance)
    return [*lines, line] if line else lines


def _times(manifest: Manifest) -> list[Fraction]:
    """When each frame is shown, seconds; MPEG's free-running clocks are set to zero."""
    return [pts * manifest.video.tick - manifest.start_offset for pts in manifest.pts]


def _tolerance(manifest: Manifest, found: Manifest) -> Fraction:
    """Seconds that a time may move: none where the result's ticks can say the source's."""
    source_tick, result_tick = manifest.video.tick, found.video.tick
    if (source_tick / result_tick).denominator == 1:
        return Fraction(0)
    # Half a tick where a time is rounded once, a whole one where its lead is rounded too.
    return max(source_tick, result_tick) / (1 if found.start_offset else 2)


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
        about: the track's title and disposition.
        tick: the coarser of a tick of the track's time base and of one sample, seconds.
        times: when each is heard, seconds.
        digests: hash of each payload.
    """

    about: About
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
        offsets = (manifest.start_offset, found.start_offset)
        lines += _sound_differences(name, expected[n], actual[n], offsets)
    pairs = zip((each.about for each in expected), (each.about for each in actual), strict=True)
    return [*lines, *_about_differences("audio track", list(pairs), result)]


def _about_differences(
    kind: str, pairs: Sequence[tuple[About, About]], result: Path
) -> Iterator[str]:
    """Differences in what is said of tracks, as far as the result's container can say it."""
    from av.stream import Disposition

    kept = Disposition(0)
    if suffix_of(result) != ".mov":
        kept = Disposition.forced | Disposition.comment | Disposition.hearing_impaired
    if any(want.disposition & Disposition.default for want, _ in pairs):
        kept |= Disposition.default  # where no track has it, MP4 gives it to the first
    for n, (want, have) in enumerate(pairs):
        languages = [each.tags.get("language") for each in (have, want)]
        if not same_language(*languages):
            yield f"{kind} {n} language: {languages[0]}, the source has {languages[1]}"
        titles = [each.tags.get("title") for each in (have, want)]
        if titles[0] != titles[1]:
            yield f"{kind} {n} title: {titles[0]}, the source has {titles[1]}"
        roles = [each.disposition & kept for each in (have, want)]
        if roles[0] != roles[1]:
            yield f"{kind} {n} role: {_names(roles[0])}, the source has {_names(roles[1])}"


def _names(disposition: Disposition) -> str:
    return ", ".join(str(flag.name) for flag in disposition) or "none"


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
    tolerance = max(expected.tick, found.tick) / (1 if offsets[1] else 2)
    line = _first_shift("packet", f"{name} times", wanted, heard, tolerance)
    if line:
        yield line


def _sounds(path: Path, indices: Sequence[int]) -> list[_Sound]:
    import av

    with open_media(path) as container:
        streams = [stream for stream in container.streams.audio if stream.index in indices]
        sounds = {stream.index: _Sound(about(stream), _tick(stream), [], []) for stream in streams}
        aac = {stream.index for stream in streams if stream.codec_context.name == "aac"}
        try:
            for packet in container.demux(streams):
                if packet.size == 0:
                    continue
                payload = bytes(packet)
                if packet.stream_index in aac:
                    payload = without_adts(payload)
                sound = sounds[packet.stream_index]
                sound.digests.append(hashlib.blake2b(payload, digest_size=16).digest())
                time = None if packet.pts is None else packet.pts * packet.time_base
                sound.times.append(time)
        except av.FFmpegError as error:
            raise UnusableMedia(
                f"The sound of {path.name} is broken ({error.strerror}).", "Make the file again."
            ) from None
    return [sounds[index] for index in indices]


@dataclass
class _Subtitles:
    """A subtitle track: whether it is text, and when each of its cues appears, seconds."""

    about: About
    text: bool
    times: list[Fraction]


def _subtitle_differences(
    source: Path, manifest: Manifest, result: Path, found: Manifest, left_out: Collection[int]
) -> list[str]:
    expected = _subtitles(source, manifest.start_offset, suffix_of(result), left_out)
    actual = _subtitles(result, found.start_offset, suffix_of(result), ())
    if len(actual) != len(expected):
        return [f"subtitle tracks: {len(actual)}, the source has {len(expected)}"]
    lines = []
    for n, (want, have) in enumerate(zip(expected, actual, strict=True)):
        name = f"subtitle track {n}"
        if have.text != want.text:
            kinds = {True: "text", False: "pictures"}
            lines.append(f"{name}: {kinds[have.text]}, the source has {kinds[want.text]}")
        elif len(have.times) != len(want.times):
            lines.append(f"{name} cues: {len(have.times)}, the source has {len(want.times)}")
        elif line := _first_shift("cue", f"{name} times", want.times, have.times, _MILLISECOND):
            lines.append(line)
    pairs = [(want.about, have.about) for want, have in zip(expected, actual, strict=True)]
    return [*lines, *_about_differences("subtitle track", pairs, result)]


def _subtitles(
    path: Path, offset: Fraction, suffix: str, left_out: Collection[int]
) -> list[_Subtitles]:
    """The subtitle tracks that are not empty and have a place in a file with ``suffix``."""
    import av

    with open_media(path) as container:
        streams = [
            stream
            for stream in container.streams.subtitles
            if form_in(suffix, stream) and stream.index not in left_out
        ]
        found = {stream.index: _Subtitles(about(stream), is_text(stream), []) for stream in streams}
        codecs = {stream.index: stream.codec_context.name for stream in streams}
        try:
            for packet in container.demux(streams) if streams else ():
                cue = packet.pts is not None and says(codecs[packet.stream_index], bytes(packet))
                if packet.size and packet.pts is not None and cue:
                    time = packet.pts * packet.time_base - offset
                    found[packet.stream_index].times.append(time)
        except av.FFmpegError as error:
            raise UnusableMedia(
                f"The subtitles of {path.name} are broken ({error.strerror}).",
                "Make the file again.",
            ) from None
    return [track for track in found.values() if track.times]


def _chapter_differences(source: Path, manifest: Manifest, result: Path) -> Iterator[str]:
    expected = _chapters(source, manifest.start_offset)
    actual = _chapters(result, Fraction(0))
    if len(actual) != len(expected):
        yield f"chapters: {len(actual)}, the source has {len(expected)}"
        return
    for n, ((start, title), (found_start, found_title)) in enumerate(
        zip(expected, actual, strict=True)
    ):
        stretched = n == 0 and suffix_of(result) != ".mkv"  # MP4's first chapter starts at zero
        if abs(found_start - start) > _MILLISECOND and not stretched:
            yield (
                f"chapter {n}: at {float(found_start):.3f} s, in the source at {float(start):.3f} s"
            )
        if found_title != title:
            yield f"chapter {n} title: {found_title!r}, the source has {title!r}"


def _chapters(path: Path, offset: Fraction) -> list[tuple[Fraction, str]]:
    """Start in seconds and title of each. Ends do not count: MP4's chapters last to the next."""
    with open_media(path) as container:
        return [
            (c["start"] * (c["time_base"] or Fraction(0)), c["metadata"].get("title", ""))
            for c in chapters_of(container, offset)
        ]


def _tick(stream: AudioStream) -> Fraction:
    return max(stream.time_base or Fraction(0), Fraction(1, stream.codec_context.sample_rate or 1))


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
