"""The final video of a clip, in ``painted/``; a table, where the model makes no pictures."""

import time

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
from stylejobs.assets.frames import frames
from stylejobs.assets.labels import label
from stylejobs.assets.manifest import manifest
from stylejobs.assets.reports import Stopwatch, opened_at, shown
from stylejobs.assets.styled_frames import styled_frames
from stylejobs.cost import cost_facts, machine_seconds
from stylejobs.delivery import deliver
from stylejobs.partitions import by_clip, clips
from stylejobs.resources import StudioResource
from stylejobs.storage.clips import PAINTED
from stylejobs.studio import FINAL_VERSION

# When a part has changed, all are there, and none is in work. The manifest does not count: it
# changes before the parts of a new version are made. A failed part does not count either: the
# last run of a shard may be one of an upload that was replaced since. No shard may be older than
# its frames: where scoring has runs of its own, there is a moment in which none is in work.
_parts = AssetSelection.assets(audio, styled_frames)
_older_than_its_frames = (
    AutomationCondition.any_deps_updated()
    .allow(AssetSelection.assets(frames))
    .since(AutomationCondition.newly_updated())
)
_when_all_parts_are_there = (
    AutomationCondition.any_deps_updated().allow(_parts).since_last_handled()
    & ~AutomationCondition.any_deps_missing()
    & ~AutomationCondition.any_deps_in_progress()
    & ~AutomationCondition.any_deps_match(_older_than_its_frames).allow(
        AssetSelection.assets(styled_frames)
    )
    & ~AutomationCondition.in_progress()
)


@asset(
    partitions_def=clips,
    deps=[manifest, audio, AssetDep(styled_frames, partition_mapping=by_clip)],
    group_name=PAINTED,
    code_version=FINAL_VERSION,
    automation_condition=_when_all_parts_are_there,
    kinds={"ffmpeg", "mp4"},
)
def final_video(context: AssetExecutionContext, studio: StudioResource) -> MaterializeResult:
    """The painted video: shards joined, every frame at its own time, the sound put back.

    It starts by itself as soon as all parts of a video are there, is saved in `painted/<style>/`,
    and is compared with the upload by the checks.
    """
    rules = studio.get()
    settings = rules.settings
    watch = Stopwatch()
    with explained(rules):
        clip = rules.clip(context.partition_key)
        label(context, [clip])
        place = rules.workplace(clip)
        recipe = rules.recipe_of(clip)
        result = deliver(rules, place, recipe)
        video = rules.manifest(place).video
        waited = time.time() - rules.upload(clip).changed
        spent = machine_seconds(rules, place, recipe)
        minutes = rules.manifest(place).duration / 60
    watched = watch.facts(result.frames, video)
    spent["cpu"] += watched["busy_seconds"]
    facts = {
        **result.facts,
        "path": ", ".join(result.files),
        **opened_at(settings, list(result.files)),
        "frames": result.frames,
        "bytes": result.size,
        "seconds_since_upload": waited,
        **watched,
    }
    return MaterializeResult(
        metadata={**shown(facts), **cost_facts(spent, minutes, rules.settings.prices)},
        data_version=DataVersion(f"{place.version}-{recipe.version}"),
    )
