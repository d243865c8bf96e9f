"""The sensor that reports what ended since its last tick: one reader of the event log.

So runs carry no exporter: nothing slows them, and nothing is lost when their process dies.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from dagster import (
    AssetRecordsFilter,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRecord,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from pydantic import BaseModel

from stylejobs import assets
from stylejobs.assets.labels import UPLOAD
from stylejobs.config import Settings
from stylejobs.telemetry import EndedRun, Stage, Telemetry

_AT_ONCE = 100
_ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


class Reported(BaseModel):
    """Up to when ended runs, and up to which entry of the log refused uploads, were reported."""

    runs: float
    refused: int


@sensor(
    minimum_interval_seconds=10,
    default_status=DefaultSensorStatus.STOPPED
    if Settings.from_environment().telemetry == "off"
    else DefaultSensorStatus.RUNNING,
    description="Sends metrics and traces of what ended, by OpenTelemetry.",
)
def telemetry(context: SensorEvaluationContext) -> SensorResult | SkipReason:
    target = Settings.from_environment().telemetry
    if target == "off":
        return SkipReason("Set STYLEJOBS_TELEMETRY to send metrics and traces.")
    instance = context.instance
    if not context.cursor:
        newest = instance.event_log_storage.get_maximum_record_id() or 0
        return SensorResult(cursor=Reported(runs=time.time(), refused=newest).model_dump_json())
    reported = Reported.model_validate_json(context.cursor)
    sender = Telemetry.to(target)
    report_runs(instance, sender, reported)
    report_refused(instance, sender, reported)
    sender.flush()
    return SensorResult(cursor=reported.model_dump_json())


def report_runs(instance: DagsterInstance, sender: Telemetry, reported: Reported) -> None:
    since = RunsFilter(statuses=_ENDED, updated_after=datetime.fromtimestamp(reported.runs, UTC))
    records = instance.get_run_records(
        since, limit=_AT_ONCE, order_by="update_timestamp", ascending=True
    )
    for record in records:
        sender.run_ended(_ended(instance, record))
        reported.runs = max(reported.runs, record.update_timestamp.timestamp())


def report_refused(instance: DagsterInstance, sender: Telemetry, reported: Reported) -> None:
    observations = AssetRecordsFilter(
        asset_key=assets.upload.key, after_storage_id=reported.refused
    )
    found = instance.fetch_observations(observations, limit=_AT_ONCE, ascending=True)
    for record in found.records:
        reported.refused = record.storage_id
        observation = record.asset_observation
        if observation and "refused_because" in observation.metadata:
            sender.upload_refused()


def _ended(instance: DagsterInstance, record: RunRecord) -> EndedRun:
    run = record.dagster_run
    created = record.create_timestamp.timestamp()
    events = instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
    made = [entry.asset_materialization for entry in events]
    return EndedRun(
        job=run.job_name if not run.job_name.startswith("__") else "assets",
        status=run.status.value.lower(),
        upload=run.tags.get(UPLOAD, ""),
        created=created,
        started=record.start_time,
        ended=record.end_time or record.update_timestamp.timestamp(),
        stages=[
            Stage(
                each.asset_key.to_user_string(),
                each.partition or "",
                {name: value.value for name, value in each.metadata.items()},
            )
            for each in made
            if each
        ],
    )
