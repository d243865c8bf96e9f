"""Scoring in runs of its own: where the machines that score must not wait for decoding.

A run that cut frames is followed by one that scores them. Off, unless the deployment's setting
``separate_scoring`` says otherwise: on one machine a second start of a run is only a delay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from dagster import (
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)

from stylejobs import assets
from stylejobs.assets.labels import STYLE, UPLOAD, UPLOAD_ETAG
from stylejobs.config import Settings
from stylejobs.jobs import paint
from stylejobs.partitions import RANGE

# On a run that only cuts frames: another run scores them.
SCORE_NEXT = "stylejobs/score_next"

_RUNS_PER_TICK = 100
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
# Runs that end in one moment may be written in another order.
_OVERLAP = timedelta(seconds=30)


@sensor(
    job=paint,
    minimum_interval_seconds=1,
    default_status=(
        DefaultSensorStatus.RUNNING
        if Settings.from_environment().separate_scoring
        else DefaultSensorStatus.STOPPED
    ),
    description="Starts the scoring of frames that are cut, where scoring has its own machines.",
)
def scoring(context: SensorEvaluationContext) -> SensorResult:
    """The cursor is the time of the last run seen; run keys keep its overlap from counting."""
    since = datetime.fromisoformat(context.cursor) if context.cursor else _BEGINNING
    cut = context.instance.get_run_records(
        RunsFilter(
            job_name=paint.name,
            statuses=[DagsterRunStatus.SUCCESS],
            tags={SCORE_NEXT: "true"},
            updated_after=since - _OVERLAP,
        ),
        limit=_RUNS_PER_TICK,
        order_by="update_timestamp",
        ascending=True,
    )
    seen = [record.update_timestamp.replace(tzinfo=UTC) for record in cut]
    return SensorResult(
        run_requests=list(_requests([record.dagster_run.tags for record in cut])),
        cursor=max([since, *seen]).isoformat(),
    )


def _requests(cut: Iterable[Mapping[str, str]]) -> Iterator[RunRequest]:
    for tags in cut:
        first, last = (tags[name] for name in RANGE)
        yield RunRequest(
            run_key=f"{first}:{last}:{tags[UPLOAD_ETAG]}",
            asset_selection=[assets.styled_frames.key],
            tags={name: tags[name] for name in (*RANGE, UPLOAD, STYLE, UPLOAD_ETAG)},
        )
