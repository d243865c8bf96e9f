"""Sensors that tell who operates of failed, refused and late videos.

Off unless the settings name a webhook. What cannot be sent is logged, and stops nothing.
"""

import time
from collections.abc import Iterator

from dagster import (
    AssetKey,
    AssetRecordsFilter,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DefaultSensorStatus,
    RunFailureSensorContext,
    SensorEvaluationContext,
    SensorResult,
    run_failure_sensor,
    sensor,
)
from pydantic import BaseModel

from stylejobs import assets
from stylejobs.alerts import Alert, send
from stylejobs.assets.failures import SUPERSEDED
from stylejobs.assets.labels import UPLOAD
from stylejobs.config import Settings
from stylejobs.partitions import shards_by_clip
from stylejobs.resources import StudioResource
from stylejobs.storage.clips import INBOX, REJECTED, Clip
from stylejobs.studio import Studio

_AT_ONCE = 10
_ENTRIES_AT_ONCE = 200
_settings = Settings.from_environment()


def _on_if(wanted: object) -> DefaultSensorStatus:
    return DefaultSensorStatus.RUNNING if wanted else DefaultSensorStatus.STOPPED


@run_failure_sensor(
    minimum_interval_seconds=5,
    default_status=_on_if(_settings.alert_webhook),
    description="Posts each failed run to the webhook of the settings.",
)
def failure_alerts(context: RunFailureSensorContext) -> None:
    alert = failure_alert(context, Settings.from_environment())
    if alert:
        problem = send(Settings.from_environment(), alert)
        if problem:
            context.log.warning("The alert about %s was not sent: %s", alert.video, problem)


def failure_alert(context: RunFailureSensorContext, settings: Settings) -> Alert | None:
    """What to tell about a failed run.

    Nothing if it is tried again, if its upload was replaced, or if it is split into runs of single
    clips, which tell for themselves.
    """
    run = context.dagster_run
    is_split = len(shards_by_clip(context.instance, run.tags)) > 1
    if is_split or run.tags.get("dagster/will_retry") == "true":
        return None
    stage, reason = run.job_name, context.failure_event.message or "It failed."
    for event in context.get_step_failure_events():
        data = event.step_failure_data
        stage = event.step_key or stage
        if data.user_failure_data:
            if SUPERSEDED in data.user_failure_data.metadata:
                return None
            reason = data.user_failure_data.description or reason
        elif data.error:
            reason = data.error.message
    return Alert("A video could not be painted", _video(run), stage, reason, _link(settings, run))


def _video(run: DagsterRun) -> str:
    tags = run.tags
    names = (UPLOAD, "dagster/partition", "dagster/asset_partition_range_start")
    return next((tags[name] for name in names if name in tags), run.job_name)


def _link(settings: Settings, run: DagsterRun) -> str:
    return f"{settings.ui_url.rstrip('/')}/runs/{run.run_id}"


class _Watch(BaseModel):
    """What was alerted so far.

    Attributes:
        refused: the last entry of the event log that was looked at for refused uploads.
        late: clip key to version of the late uploads that were alerted.
    """

    refused: int
    late: dict[str, str] = {}


@sensor(
    minimum_interval_seconds=30,
    default_status=_on_if(_settings.alert_webhook),
    description="Posts refused uploads, and those that are not painted in time, to the webhook.",
)
def inbox_alerts(context: SensorEvaluationContext, studio: StudioResource) -> SensorResult:
    rules = studio.get()
    if not context.cursor:
        newest = context.instance.event_log_storage.get_maximum_record_id() or 0
        return SensorResult(cursor=_Watch(refused=newest).model_dump_json())
    watch = _Watch.model_validate_json(context.cursor)
    alerts = []
    for at, alert in _refused(context.instance, rules.settings, watch.refused):
        watch.refused = at
        if alert:
            alerts.append(alert)
        if len(alerts) == _AT_ONCE:
            break
    known, watch.late = watch.late, {}
    for clip, version in _late(rules, context.instance):
        is_new = known.get(clip.key) != version
        if is_new and len(alerts) == 2 * _AT_ONCE:
            continue  # it is told at another tick
        watch.late[clip.key] = version
        if is_new:
            alerts.append(_late_alert(rules.settings, clip))
    for alert in alerts:
        problem = send(rules.settings, alert)
        if problem:
            context.log.warning("The alert about %s was not sent: %s", alert.video, problem)
    return SensorResult(cursor=watch.model_dump_json())


def _refused(
    instance: DagsterInstance, settings: Settings, after: int
) -> Iterator[tuple[int, Alert | None]]:
    found = instance.fetch_observations(
        AssetRecordsFilter(asset_key=assets.upload.key, after_storage_id=after),
        limit=_ENTRIES_AT_ONCE,
        ascending=True,
    )
    for record in found.records:
        observation = record.asset_observation
        alert = None
        if observation and "refused_because" in observation.metadata:
            facts = {name: str(value.value) for name, value in observation.metadata.items()}
            video = facts["see"].removesuffix(".txt").replace(REJECTED, INBOX, 1)
            reason = f"{facts['refused_because']} {facts['remedy']}"
            link = f"{settings.ui_url.rstrip('/')}/assets/upload?view=events"
            alert = Alert("An upload was refused", video, INBOX, reason, link)
        yield record.storage_id, alert


def _late(studio: Studio, instance: DagsterInstance) -> Iterator[tuple[Clip, str]]:
    """Each upload that is not painted though it had its time, with its version."""
    minutes = studio.settings.overdue_minutes
    if minutes is None:
        return
    delivered = instance.event_log_storage.get_latest_tags_by_partition(
        AssetKey("final_video"), DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]
    )
    before = time.time() - 60 * minutes
    for upload in studio.store.list(INBOX):
        clip = Clip.of_upload(upload.path)
        if clip.is_temporary or upload.changed > before:
            continue
        version = studio.version(upload)
        last = delivered.get(clip.key, {}).get("dagster/data_version", "")
        if not last.startswith(version) and studio.store.head(clip.rejection_path) is None:
            yield clip, version


def _late_alert(settings: Settings, clip: Clip) -> Alert:
    return Alert(
        "A video is late",
        clip.upload_path,
        "final_video",
        f"It was uploaded more than {settings.overdue_minutes:g} minutes ago and is not painted.",
        f"{settings.ui_url.rstrip('/')}/assets/final_video?view=partitions&partition={clip.key}",
    )
