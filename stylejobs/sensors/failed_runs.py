"""Runs that failed for good: the final video, which will not come, says why.

Dagster tries again what a lost machine broke off, a few times. A shard that takes every machine
down with it, or that cannot be painted at all, ends here. A run of several clips, as backfills make
them, is split first: each clip goes on in a run of its own, so that one holds up no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dagster import (
    AssetObservation,
    DagsterRun,
    DefaultSensorStatus,
    RunFailureSensorContext,
    RunRequest,
    SensorResult,
    SkipReason,
    run_failure_sensor,
)

from stylejobs import assets
from stylejobs.assets.labels import UPLOAD_ETAG
from stylejobs.jobs import paint
from stylejobs.partitions import RANGE, clip_and_shard, shards_by_clip
from stylejobs.resources import StudioResource
from stylejobs.storage.parts import read_marker
from stylejobs.studio import MissingInput, Studio, Superseded


@run_failure_sensor(
    name="failures",
    minimum_interval_seconds=5,
    request_jobs=[paint],
    default_status=DefaultSensorStatus.RUNNING,
    description=(
        "Notes at the final video which run gave up, at which shard, and why. Splits a run of"
        " several videos into one of each."
    ),
)
def failures(context: RunFailureSensorContext, studio: StudioResource) -> SensorResult | SkipReason:
    run = context.instance.get_run_by_id(context.dagster_run.run_id) or context.dagster_run
    if run.tags.get("dagster/will_retry") == "true":
        return SkipReason("It is tried again.")
    by_clip = shards_by_clip(context.instance, run.tags)
    if len(by_clip) > 1:
        return SensorResult(run_requests=list(_split(run, by_clip)))
    clip_key, shards = _partitions(run)
    if not clip_key:
        return SkipReason("It is no run of a clip's.")
    rules = studio.get()
    try:
        shard = _first_unfinished(rules, run, clip_key, shards)
    except (MissingInput, Superseded):
        return SkipReason("The upload has changed since; its new version has runs of its own.")
    what = f"{run.job_name}, shard {shard:02d}," if shard is not None else run.job_name
    tries = int(run.tags.get("dagster/retry_number", "0")) + 1
    given_up = f"given up after {tries} {'try' if tries == 1 else 'tries'}"
    reason = _reason(context)
    observation = AssetObservation(
        assets.final_video.key,
        partition=clip_key,
        description=f"Not delivered: {what} was {given_up}. {reason}",
        metadata={
            "failed": what.rstrip(","),
            "tries": tries,
            "reason": reason,
            "run": run.run_id,
            "remedy": "Mend the cause, then materialise what failed; finished parts are kept.",
        },
    )
    return SensorResult(asset_events=[observation])


def _split(run: DagsterRun, by_clip: Mapping[str, Sequence[str]]) -> Iterator[RunRequest]:
    """A run for each clip of ``run``, with its shards; finished ones are found, not made again."""
    for clip_key, keys in by_clip.items():
        yield RunRequest(
            run_key=f"{run.run_id}:{clip_key}",
            job_name=paint.name,
            asset_selection=sorted(run.asset_selection or ()) or None,
            run_config=run.run_config,
            tags=dict(zip(RANGE, (keys[0], keys[-1]), strict=True)),
        )


def _partitions(run: DagsterRun) -> tuple[str, range]:
    """The clip of a run, empty if it has none, and its shards."""
    first, last = (run.tags.get(name, run.tags.get("dagster/partition", "")) for name in RANGE)
    if "|" not in first:
        return first, range(0)
    (clip_key, start), (_, end) = clip_and_shard(first), clip_and_shard(last)
    return clip_key, range(start, end + 1)


def _first_unfinished(studio: Studio, run: DagsterRun, clip_key: str, shards: range) -> int | None:
    """The shard that the run failed at: it makes one after the other."""
    clip = studio.clip(clip_key)
    place = studio.workplace(clip, run.tags.get(UPLOAD_ETAG))
    recipe = studio.recipe_of(clip)
    only_cuts = run.asset_selection == {assets.frames.key}
    for shard in shards:
        path = place.frames(shard) if only_cuts else place.styled(recipe.version, shard)
        if read_marker(studio.store, path) is None:
            return shard
    return None


def _reason(context: RunFailureSensorContext) -> str:
    """What the failed step said; what Dagster noticed, where a machine took the step with it."""
    for event in context.get_step_failure_events():
        failure = event.step_failure_data
        if failure.user_failure_data and failure.user_failure_data.description:
            return failure.user_failure_data.description
        if failure.error:
            cause = failure.error.cause or failure.error
            return cause.message.strip()
    return context.failure_event.message or "Dagster did not notice why."
