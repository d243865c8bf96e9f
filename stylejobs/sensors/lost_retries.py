"""Retries that Dagster announced and then lost: they are asked for once more.

Dagster's daemon may read a run's failure before the run is marked as failed and to be tried again,
and never looks at it a second time (dagster-io/dagster#33741: one in some hundred retries). Without
this, a video whose GPU node was taken away would then wait for a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunsFilter,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

# The daemon looks every 5 s.
_SECONDS_TO_START = 30
_LOOK_BACK = timedelta(days=1)
ASKED_AGAIN = "stylejobs/retry_asked_again"


@sensor(
    minimum_interval_seconds=15,
    default_status=DefaultSensorStatus.RUNNING,
    description="Asks Dagster once more for a retry that it announced and did not start.",
)
def lost_retries(context: SensorEvaluationContext) -> SkipReason:
    asked = 0
    before = datetime.now(UTC) - timedelta(seconds=_SECONDS_TO_START)
    for run in waiting_for_a_retry(context.instance, before):
        context.instance.add_run_tags(run.run_id, {ASKED_AGAIN: "true"})
        # The daemon takes up every failure that is reported, and retries a run but once.
        context.instance.report_run_failed(
            run, "Reported once more: its retry was announced, but did not start."
        )
        asked += 1
    return SkipReason(f"{asked} retries asked for again.")


def waiting_for_a_retry(instance: DagsterInstance, before: datetime) -> Iterator[DagsterRun]:
    """Runs that failed before a moment, are to be tried again, and were not; each but once."""
    failed = RunsFilter(
        statuses=[DagsterRunStatus.FAILURE],
        tags={"dagster/will_retry": "true"},
        updated_after=before - _LOOK_BACK,
        updated_before=before,
    )
    for run in instance.get_runs(failed):
        if "dagster/auto_retry_run_id" not in run.tags and ASKED_AGAIN not in run.tags:
            yield run
