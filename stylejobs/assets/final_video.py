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
# Dagster's any_deps_updated() and its like also look for what other conditions ask for: there is
# nothing of the kind, and a tick costs time for each node of a condition.
_parts = AssetSelection.assets(audio, styled_frames)
_newly_made = AutomationCondition.newly_updated()
_a_part_has_changed = (
    AutomationCondition.any_deps_match(_newly_made).allow(_parts).with_label("a part has changed")
)
_a_part_is_not_ready = (
    AutomationCondition.any_deps_match(
        AutomationCondition.missing() | AutomationCondition.in_progress()
    )
    .allow(_parts)
    .with_label("a part is missing or in work")
)
_a_shard_is_older_than_its_frames = (
    AutomationCondition.any_deps_match(
        AutomationCondition.any_deps_match(_newly_made)
        .allow(AssetSelection.assets(frames))
        .since(_newly_made)
    )
    .allow(AssetSelection.assets(styled_frames))
    .with_label("a shard is older than its frames")
)
_when_all_parts_are_there = (
    _a_part_has_changed.since_last_handled()
    & ~_a_part_is_not_ready
    & ~_a_shard_is_older_than_its_frames
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
