"""The final video of a clip, in ``painted/``; a table, where the model makes no pictures."""

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
from stylejobs.delivery import deliver
from stylejobs.partitions import by_clip, clips
from stylejobs.resources import StudioResource
from stylejobs.studio import FINAL_VERSION

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
        result = deliver(rules, place, recipe)
    facts = {
        **result.facts,
        "path": ", ".join(result.files),
        "frames": result.frames,
        "bytes": result.size,
        **watch.facts(result.frames),
    }
    return MaterializeResult(
        metadata=shown(facts),
        data_version=DataVersion(f"{place.version}-{recipe.version}"),
    )
