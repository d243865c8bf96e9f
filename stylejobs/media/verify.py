"""Whether a painted video equals its source in everything but the paint.

Each difference is one line for people; no line means that nothing differs. A result that cannot
be read gives one line as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from fractions import Fraction
from pathlib import Path

from stylejobs.media.container import MediaFile, open_media
from stylejobs.media.errors import UnusableMedia
from stylejobs.media.manifest import Manifest
from stylejobs.media.probe import Limits, probe
from stylejobs.media.verify_extras import (
    chapter_differences,
    first_shift,
    subtitle_differences,
    tag_differences,
    video_about_differences,
)
from stylejobs.media.verify_sound import sound_differences

NO_LIMITS = Limits(max_bytes=2**63, max_frames=2**63, max_seconds=2**63, max_pixels=2**63)
_LONGEST_LEAD = Fraction(3, 10)  # seconds


def compare(source: MediaFile, result: Path, left_out: Collection[int] = ()) -> list[str]:
    """Every difference between ``source`` and the video that was painted from it.

    What the result's container cannot hold is no difference.

    Args:
        left_out: streams of the source that are knowingly not in the result.

    Raises:
        UnusableMedia: the source cannot be read.
    """
    return compare_all(source, probe(source, NO_LIMITS), result, left_out)


def compare_all(
    source: MediaFile, manifest: Manifest, result: Path, left_out: Collection[int] = ()
) -> list[str]:
    """As ``compare``, for those who have the source's manifest already."""
    return _against(
        manifest,
        result,
        lambda found: [
            *_frame_differences(manifest, found),
            *sound_differences(source, manifest, result, found),
            *subtitle_differences(source, manifest, result, found, left_out),
            *chapter_differences(source, manifest, result),
            *tag_differences(source, result),
            *video_about_differences(source, manifest, result),
            *_picture_differences(manifest, found),
            *_duration_differences(manifest, result, found),
        ],
    )


def compare_frames(manifest: Manifest, result: Path) -> list[str]:
    """Differences in the number of frames and in the time of each."""
    return _against(manifest, result, lambda found: _frame_differences(manifest, found))


def compare_audio(source: MediaFile, manifest: Manifest, result: Path) -> list[str]:
    """Differences between the audio tracks: their codecs, languages, packets and times."""
    return _against(
        manifest, result, lambda found: sound_differences(source, manifest, result, found)
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
    line = first_shift("frame", "frame times", _times(manifest), _times(found), tolerance)
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
