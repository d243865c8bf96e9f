"""Whether a result has what is in its source beside pictures and sound, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.media.container import MediaFile, open_media, suffix_of
from stylejobs.media.errors import UnusableMedia
from stylejobs.media.manifest import Manifest
from stylejobs.media.mux import chapters_of
from stylejobs.media.streams import About, about, same_language
from stylejobs.media.subtitles import form_in, is_text, says

if TYPE_CHECKING:
    from av.stream import Disposition

# Seconds that subtitles and chapters may move: both are stored in milliseconds.
_MILLISECOND = Fraction(1, 1000)
# The tags that MP4 and MOV have words for; MKV keeps all.
_MOV_TAGS = frozenset(
    {"title", "artist", "album", "date", "genre", "comment", "copyright", "creation_time"}
)
_MP4_TAGS = _MOV_TAGS | {
    *("album_artist", "composer", "description", "synopsis", "show", "episode_id", "network"),
    *("lyrics", "grouping", "keywords"),
}
# To the second, since 1904, when MP4's clock starts.
_NO_DATE = "1970-01-01T00:00"  # a clock that was never set; MP4 does not keep it
_DATE = re.compile(r"(?!190[0-4])(19|20)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d")


@dataclass
class _Subtitles:
    """A subtitle track: whether it is text, and when each of its cues appears, seconds."""

    about: About
    text: bool
    times: list[Fraction]


def subtitle_differences(
    source: MediaFile, manifest: Manifest, result: Path, found: Manifest, left_out: Collection[int]
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
        elif line := first_shift("cue", f"{name} times", want.times, have.times, _MILLISECOND):
            lines.append(line)
    pairs = [(want.about, have.about) for want, have in zip(expected, actual, strict=True)]
    return [*lines, *about_differences("subtitle track", pairs, result)]


def _subtitles(
    path: MediaFile, offset: Fraction, suffix: str, left_out: Collection[int]
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


def chapter_differences(source: MediaFile, manifest: Manifest, result: Path) -> Iterator[str]:
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


def _chapters(path: MediaFile, offset: Fraction) -> list[tuple[Fraction, str]]:
    """Start in seconds and title of each. Ends do not count: MP4's chapters last to the next."""
    with open_media(path) as container:
        return [
            (c["start"] * (c["time_base"] or Fraction(0)), c["metadata"].get("title", ""))
            for c in chapters_of(container, offset)
        ]


def tag_differences(source: MediaFile, result: Path) -> Iterator[str]:
    """Differences in the global metadata, as far as the result's container can say it."""
    expected, actual = _tags(source), _tags(result)
    kept = {".mp4": _MP4_TAGS, ".mov": _MOV_TAGS}.get(suffix_of(result), _MP4_TAGS)
    for name in sorted(kept & expected.keys()):
        if actual.get(name) != expected[name]:
            yield f"{name}: {actual.get(name)!r}, the source has {expected[name]!r}"


def _tags(path: MediaFile) -> dict[str, str]:
    with open_media(path) as container:
        tags = {name.lower(): value for name, value in container.metadata.items() if value}
    date = _DATE.match(tags.pop("creation_time", ""))
    if date and not date[0].startswith(_NO_DATE):
        tags["creation_time"] = date[0]
    return tags


def video_about_differences(source: MediaFile, manifest: Manifest, result: Path) -> Iterator[str]:
    """Differences in language and title of the video track."""
    with open_media(source) as container:
        want = about(container.streams[manifest.video.stream])
    with open_media(result) as container:
        have = about(container.streams.video[0])
    roles = have.disposition  # it is the only one, so it is the default
    yield from about_differences("video track", [(want._replace(disposition=roles), have)], result)


def about_differences(
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


def first_shift(
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
