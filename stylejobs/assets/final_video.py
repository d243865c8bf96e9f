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
from stylejobs.assets.labels import label
from stylejobs.assets.manifest import manifest
from stylejobs.assets.reports import Stopwatch, opened_at, shown
from stylejobs.assets.styled_frames import styled_frames
from stylejobs.delivery import deliver
from stylejobs.partitions import by_clip, clips
from stylejobs.resources import StudioResource
from stylejobs.storage.clips import PAINTED
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
    watch = Stopwatch(settings.cost_per_hour)
    with explained(rules):
        clip = rules.clip(context.partition_key)
        label(context, [clip])
        place = rules.workplace(clip)
        recipe = rules.recipe(clip.style)
        result = deliver(rules, place, recipe)
        video = rules.manifest(place).video
        waited = time.time() - rules.upload(clip).changed
    facts = {
        **result.facts,
        "path": ", ".join(result.files),
        **opened_at(settings, list(result.files)),
        "frames": result.frames,
        "bytes": result.size,
        "seconds_since_upload": waited,
        **watch.facts(result.frames, video),
    }
    return MaterializeResult(
        metadata=shown(facts),
        data_version=DataVersion(f"{place.version}-{recipe.version}"),
    )
