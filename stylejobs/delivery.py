"""Delivering a clip: its painted pieces in one video or table, with the sound, in ``painted/``.

Knows nothing of Dagster.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from stylejobs.media.audio import audio_suffix
from stylejobs.media.manifest import Manifest
from stylejobs.media.mux import mux
from stylejobs.media.preview import as_markdown, from_markdown, join_sheets, moving_picture
from stylejobs.media.verify import compare_all
from stylejobs.painting import TABLE_SUFFIX, VIDEO_SUFFIX
from stylejobs.recipe import Recipe
from stylejobs.scoring.records import compare_table, join_tables
from stylejobs.storage.clips import Workplace
from stylejobs.storage.parts import Part, commit_files, find_part, read_marker
from stylejobs.studio import MissingInput, NotIdentical, Studio


def deliver(studio: Studio, place: Workplace, recipe: Recipe) -> Part:
    """Join the parts of ``place`` and publish the result: a video, a table, or both.

    Raises:
        MissingInput: a part of this version is not there.
        Superseded: the upload changed meanwhile; nothing is published.
        NotIdentical: the result is not the upload, painted; nothing is published.
    """
    store = studio.store
    manifest = studio.manifest(place)
    painted = [_painted_part(studio, place, recipe, n) for n in range(studio.settings.shards)]
    notes = dict.fromkeys(manifest.notes)
    with ExitStack() as files:

        def opened(suffix: str) -> list[Path]:
            paths = [path for part in painted for path in part.paths(suffix)]
            return [files.enter_context(store.open_local(path)) for path in paths]

        folder = files.enter_context(store.scratch())
        results: list[Path] = []
        differences: list[str] = []
        # Leaving open_upload raises if the upload changed: an old version is never delivered.
        with studio.open_upload(place) as source:
            if segments := opened(VIDEO_SUFFIX):
                results.append(folder / f"final{studio.final_suffix(manifest)}")
                sound = _sound(studio, place, manifest, files)
                left_out = mux(manifest, source, segments, sound, results[-1])
                notes.update(dict.fromkeys(each.note for each in left_out))
                dropped = {each.stream for each in left_out}
                differences += compare_all(source, manifest, results[-1], dropped)
            if tables := opened(TABLE_SUFFIX):
                results.append(folder / f"final{TABLE_SUFFIX}")
                join_tables(tables, results[-1])
                differences += compare_table(manifest, results[-1])
        if differences:
            raise NotIdentical(place.clip, differences)
        facts = {
            "upload": place.clip.upload_path,
            "style": recipe.style,
            **recipe.controls.facts,
            **({"left_out": "\n".join(notes)} if notes else {}),
            **_pictures(manifest, painted, segments),
        }
        targets = {place.clip.painted_path(file.suffix): file for file in results}
        return commit_files(
            store, place.delivery(recipe.version), targets, manifest.frame_count, facts
        )


def delivered(studio: Studio, place: Workplace, recipe: Recipe) -> Part:
    """What was published of this version.

    Raises:
        MissingInput: nothing yet.
    """
    part = read_marker(studio.store, place.delivery(recipe.version))
    if part is None:
        raise MissingInput(
            f"{place.clip.upload_path} is not delivered yet in its present version with"
            f" '{recipe.style}'. Materialise 'final_video'."
        )
    return part


def _pictures(
    manifest: Manifest, painted: Sequence[Part], segments: Sequence[Path]
) -> dict[str, str]:
    """What the result looks like, for people: before above after, and two seconds of it moving."""
    pictures = {}
    sheets = [from_markdown(part.facts["preview"]) for part in painted if "preview" in part.facts]
    with suppress(ValueError):  # there may be no picture to show
        pictures["preview"] = as_markdown(join_sheets(sheets), "before and after")
    if segments:
        video = manifest.video
        moving = moving_picture(segments[len(segments) // 2], video.colour, float(video.fps))
        pictures["moving_preview"] = as_markdown(moving, "two seconds of the painted video")
    return pictures


def _painted_part(studio: Studio, place: Workplace, recipe: Recipe, shard: int) -> Part:
    part = find_part(studio.store, place.styled(recipe.version, shard))
    if part is None:
        raise MissingInput(
            f"Shard {shard:02d} of {place.clip.upload_path} is not painted yet in its present"
            f" version with '{recipe.style}'. Materialise 'styled_frames'."
        )
    return part


def _sound(studio: Studio, place: Workplace, manifest: Manifest, files: ExitStack) -> Path | None:
    """The sound as a local file while ``files`` is open; None if there is none."""
    path = place.audio(audio_suffix(manifest))
    part = find_part(studio.store, path)
    if part is None:
        raise MissingInput(
            f"The sound of {place.clip.upload_path} is not taken out yet in its present version."
            " Materialise 'audio'."
        )
    return files.enter_context(studio.store.open_local(path)) if part.files else None
