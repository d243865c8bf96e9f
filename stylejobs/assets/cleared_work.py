"""The end of a clip's work: its parts are removed once its video is delivered and checked."""

import time

from dagster import (
    AssetExecutionContext,
    AssetRecordsFilter,
    AutomationCondition,
    DagsterEventType,
    DagsterInstance,
    MaterializeResult,
    RunsFilter,
    asset,
)
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from stylejobs.assets.failures import explained
from stylejobs.assets.final_video import final_video
from stylejobs.cleaning import Freed, clear, sweep
from stylejobs.config import Settings
from stylejobs.partitions import clips, shards_by_clip
from stylejobs.resources import StudioResource

# The checks run after the delivery, in the same run: they may take as long as decoding does.
_SECONDS_FOR_CHECKS = 600.0
# In a run of its own: any_deps_updated() would put it in the run of the final video, whose checks
# it waits for.
_by_itself = (
    AutomationCondition.any_deps_match(AutomationCondition.newly_updated()).since_last_handled()
    & ~AutomationCondition.any_deps_in_progress()
    & ~AutomationCondition.in_progress()
)


@asset(
    partitions_def=clips,
    deps=[final_video],
    group_name="upkeep",
    automation_condition=_by_itself if Settings.from_environment().clean_work else None,
    kinds={"file"},
)
def cleared_work(context: AssetExecutionContext, studio: StudioResource) -> MaterializeResult:
    """Removes the frames, the sound and the painted shards of a clip that is delivered.

    Nothing is removed while a run works on the clip, before its final video has passed its checks,
    or when that is of another version. Starts by itself where the setting `CLEAN_WORK` says so.
    """
    rules = studio.get()
    key = context.partition_key
    freed, kept_because = Freed(), None
    with explained(rules):
        place = rules.workplace(rules.clip(key))
        version = f"{place.version}-{rules.recipe_of(place.clip).version}"
        kept_because = _objection(context.instance, key, version, context.run.run_id)
        if kept_because is None:
            freed = clear(rules, place)
    return MaterializeResult(
        metadata={**_freed(freed), **({"kept_because": kept_because} if kept_because else {})}
    )


@asset(group_name="upkeep", kinds={"file"})
def swept_work(context: AssetExecutionContext, studio: StudioResource) -> MaterializeResult:
    """Removes what lies in `work/` and belongs to no upload, or to a replaced version of one."""
    rules = studio.get()
    with explained(rules):
        busy = busy_clips(context.instance, context.run.run_id)
        freed = sweep(rules, busy, rules.settings.orphan_days)
    return MaterializeResult(metadata={**_freed(freed), "clips": len(freed.clips)})


def busy_clips(instance: DagsterInstance, but: str) -> set[str]:
    """Keys of the clips that a run works on, or will; the run ``but`` does not count."""
    found: set[str] = set()
    for run in instance.get_runs(RunsFilter(statuses=NOT_FINISHED_STATUSES)):
        if run.run_id != but:
            found |= shards_by_clip(instance, run.tags).keys()
            names = ("dagster/partition", "dagster/partition/clip")
            found |= {run.tags[name].partition("|")[0] for name in names if name in run.tags}
    return found


def _objection(instance: DagsterInstance, key: str, version: str, this_run: str) -> str | None:
    """Why the clip's parts are still needed."""
    records = instance.fetch_materializations(
        AssetRecordsFilter(asset_key=final_video.key, asset_partitions=[key]), limit=1
    ).records
    if not records or records[0].asset_materialization is None:
        return "There is no final video yet."
    if (records[0].asset_materialization.tags or {}).get("dagster/data_version") != version:
        return "The final video is not of the present version of the upload and its style."
    run_id = records[0].run_id
    if run_id == this_run:
        return "The checks of the final video are made in the same run; clear in another one."
    if not _wait_for(instance, run_id):
        return "The checks of the final video are not finished."
    checks = [
        entry.dagster_event.asset_check_evaluation_data
        for entry in instance.all_logs(run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
        if entry.dagster_event
    ]
    mine = [c for c in checks if "clip" in c.metadata and c.metadata["clip"].value == key]
    failed = [check.check_name for check in mine if not check.passed]
    if not mine or failed:
        return f"The final video did not pass its checks: {', '.join(failed) or 'none was made'}."
    if key in busy_clips(instance, this_run):
        return "A run works on the clip."
    return None


def _wait_for(instance: DagsterInstance, run_id: str) -> bool:
    deadline = time.monotonic() + _SECONDS_FOR_CHECKS
    while time.monotonic() < deadline:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return True
        time.sleep(1)
    return False


def _freed(freed: Freed) -> dict[str, int]:
    return {"freed_bytes": freed.size, "freed_objects": freed.objects}
