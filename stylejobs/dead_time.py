"""Where the time goes in which no stage is at work: an account of a clip's way through Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import AssetMaterialization, DagsterInstance, RunRecord

_PARTS = ("audio", "frames", "styled_frames")


def account(
    instance: DagsterInstance, clip_key: str, dropped: float
) -> Iterator[tuple[str, float]]:
    """Each wait with its seconds, from the upload to the start of the last stage."""
    painting = _run(instance, "styled_frames", clip_key, dropped)
    finishing = _run(instance, "final_video", clip_key, dropped)
    if painting is None or finishing is None:
        return
    parts = [m for asset in _PARTS for m in materializations(instance, asset, clip_key, dropped)]
    finals = materializations(instance, "final_video", clip_key, dropped)
    first_work = min(_time(part, "started_at") for part in parts)
    last_work = max(_time(part, "ended_at") for part in parts)
    asked = painting.create_timestamp.timestamp()
    asked_last = finishing.create_timestamp.timestamp()
    yield "until the sensor asks for runs (settling, its tick, probing)", asked - dropped
    yield from _start(painting, "first", first_work)
    yield "from the last part to the request for the final video", asked_last - last_work
    yield from _start(finishing, "last", _time(finals[0], "started_at"))


def _start(run: RunRecord, which: str, work: float) -> Iterator[tuple[str, float]]:
    created = run.create_timestamp.timestamp()
    started = run.start_time or created
    yield f"the {which} run in the queue, and the start of its process", started - created
    yield f"the {which} run, from there to its first stage", work - started


def _run(instance: DagsterInstance, asset: str, clip_key: str, since: float) -> RunRecord | None:
    """The run that made the first part of ``asset``."""
    from dagster import AssetKey, AssetRecordsFilter

    wanted = AssetRecordsFilter(asset_key=AssetKey(asset), after_timestamp=since)
    for record in instance.fetch_materializations(wanted, limit=100, ascending=True).records:
        if (record.partition_key or "").startswith(clip_key):
            return instance.get_run_record_by_id(record.event_log_entry.run_id)
    return None


def materializations(
    instance: DagsterInstance, asset: str, clip_key: str, since: float
) -> list[AssetMaterialization]:
    """What was reported of ``asset`` for a clip since then, the newest first."""
    from dagster import AssetKey, AssetRecordsFilter

    wanted = AssetRecordsFilter(asset_key=AssetKey(asset), after_timestamp=since)
    records = instance.fetch_materializations(wanted, limit=100).records
    found = [record.asset_materialization for record in records]
    return [m for m in found if m and (m.partition or "").startswith(clip_key)]


def _time(made: AssetMaterialization, name: str) -> float:
    return float(made.metadata[name].value)  # type: ignore[arg-type]
