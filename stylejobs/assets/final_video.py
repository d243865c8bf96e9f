"""The final video of a clip: the painted shards in one file, with the sound, in ``painted/``."""

from contextlib import ExitStack

from dagster import (
    AssetDep,
    AssetExecutionContext,
    AssetSelection,
    AutomationCondition,
    DataVersion,
    MaterializeResult,
    asset,
)

from stylejobs.assets.audio import audio
from stylejobs.assets.failures import explained
from stylejobs.assets.manifest import manifest
from stylejobs.assets.reports import Stopwatch, shown
from stylejobs.assets.styled_frames import styled_frames
from stylejobs.media.audio import audio_suffix
from stylejobs.media.mux import mux
from stylejobs.media.verify import compare_all
from stylejobs.partitions import by_clip, clips
from stylejobs.resources import StudioResource
from stylejobs.storage.clips import Workplace
from stylejobs.storage.parts import find_part
from stylejobs.studio import FINAL_VERSION, MissingInput, NotIdentical, Recipe, Studio

# When a part has changed, all are there, and none is in work. The manifest does not count: it
# changes before the parts of a new version are made. A failed part does not count either: the
# last run of a shard may be one of an upload that was replaced since.
_parts = AssetSelection.assets(audio, styled_frames)
_when_all_parts_are_there = (
    AutomationCondition.any_deps_updated().allow(_parts).since_last_handled()
    & ~AutomationCondition.any_deps_missing()
    & ~AutomationCondition.any_deps_in_progress()
    & ~AutomationCondition.in_progress()
)


@asset(
    partitions_def=clips,
    deps=[manifest, audio, AssetDep(styled_frames, partition_mapping=by_clip)],
    group_name="painting",
    code_version=FINAL_VERSION,
    automation_condition=_when_all_parts_are_there,
    kinds={"ffmpeg", "mp4"},
)
def final_video(context: AssetExecutionContext, studio: StudioResource) -> MaterializeResult:
    """Stitches the painted shards, puts the sound back and saves the result in `painted/`.

    Starts by itself as soon as all parts of a clip are there.
    """
    rules = studio.get()
    watch = Stopwatch()
    with explained(rules):
        clip = rules.clip(context.partition_key)
        place = rules.workplace(clip)
        recipe = rules.recipe(clip.style)
        path, frames, left_out = deliver(rules, place, recipe)
    stored = rules.store.head(path)
    facts = {
        "path": path,
        "frames": frames,
        "bytes": stored.size if stored else 0,
        "style": recipe.style,
        **({"left_out": "\n".join(left_out)} if left_out else {}),
        **watch.facts(frames),
    }
    return MaterializeResult(
        metadata=shown(facts),
        data_version=DataVersion(f"{place.version}-{recipe.version}"),
    )


def deliver(studio: Studio, place: Workplace, recipe: Recipe) -> tuple[str, int, tuple[str, ...]]:
    """Mux the parts of ``place`` and publish the result.

    Returns its path, its frame count and what of the upload it does not have, for people.

    Raises:
        MissingInput: a part of this version is not there.
        NotIdentical: the result is not the upload, painted; nothing is published.
    """
    store = studio.store
    manifest = studio.manifest(place)
    with ExitStack() as files:
        segments = []
        for shard in range(studio.settings.shards):
            path = place.styled(recipe.version, shard)
            part = find_part(store, path)
            if part is None:
                raise MissingInput(
                    f"Shard {shard:02d} of {place.clip.upload_path} is not painted yet in its"
                    f" present version with '{recipe.style}'. Materialise 'styled_frames'."
                )
            if part.frames:
                segments.append(files.enter_context(store.open_local(path)))
        sound = None
        sound_path = place.audio(audio_suffix(manifest))
        if (part := find_part(store, sound_path)) is None:
            raise MissingInput(
                f"The sound of {place.clip.upload_path} is not taken out yet in its present"
                " version. Materialise 'audio'."
            )
        if part.sha256:
            sound = files.enter_context(store.open_local(sound_path))
        folder = files.enter_context(store.scratch())
        result = folder / f"final{studio.final_suffix(manifest)}"
        # Leaving open_upload raises if the upload changed: an old version is never delivered.
        with studio.open_upload(place) as source:
            left_out = mux(manifest, source, segments, sound, result)
            dropped = {each.stream for each in left_out}
            if differences := compare_all(source, manifest, result, dropped):
                raise NotIdentical(place.clip, differences)
        target = place.clip.painted_path(result.suffix)
        store.publish(result, target)
    notes = dict.fromkeys((*manifest.notes, *(each.note for each in left_out)))
    return target, manifest.frame_count, tuple(notes)
