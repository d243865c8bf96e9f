"""What operators are told: failed, refused and late videos; figures of what ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dagster import (
    DagsterEventType,
    DagsterInstance,
    ExecuteInProcessResult,
    build_run_status_sensor_context,
    build_sensor_context,
)
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stylejobs.resources import StudioResource
from stylejobs.sensors.alerts import failure_alerts, inbox_alerts
from stylejobs.sensors.telemetry import Reported, report_refused, report_runs
from stylejobs.telemetry import Telemetry
from stylejobs_tests.operate.receiver import Receiver, receiving
from stylejobs_tests.pipeline.desk import Desk

Clips = Callable[[str], Path]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as receiver:
        monkeypatch.setenv("STYLEJOBS_ALERT_WEBHOOK", receiver.url)
        yield receiver


def alerts(webhook: Receiver) -> list[dict[str, str]]:
    found = [json.loads(body) for _, body in webhook.posts]
    webhook.posts.clear()
    return found


def tell_failure(desk: Desk, result: ExecuteInProcessResult) -> None:
    """Evaluate the sensor for a failed run, as the daemon does."""
    event = next(e for e in result.all_events if e.event_type is DagsterEventType.RUN_FAILURE)
    run = desk.instance.get_run_by_id(result.run_id)
    assert run
    context = build_run_status_sensor_context(
        "failure_alerts", event, desk.instance, run
    ).for_run_failure()
    failure_alerts(context)


def watch(desk: Desk, cursor: str | None) -> str | None:
    context = build_sensor_context(
        instance=desk.instance, cursor=cursor, resources={"studio": StudioResource()}
    )
    return inbox_alerts(context).cursor


def test_a_failed_run_is_told_with_video_stage_reason_and_link(
    desk: Desk, clip: Clips, webhook: Receiver
) -> None:
    video = desk.drop(clip("cfr.mp4"))
    desk.tick()
    result = desk.run("finish", video, raises=False)
    tell_failure(desk, result)
    (alert,) = alerts(webhook)
    assert alert["video"] == video.upload_path
    assert alert["stage"] == "final_video"
    assert "Materialise 'styled_frames'" in alert["reason"]
    assert alert["link"] == f"http://localhost:3000/runs/{result.run_id}"


def test_runs_of_a_replaced_upload_are_not_told(desk: Desk, clip: Clips, webhook: Receiver) -> None:
    video = desk.drop(clip("cfr.mp4"))
    desk.tick()
    (old,) = [r for r in desk.requests if r.job_name == "prepare"]
    desk.drop(clip("ntsc.mp4"), video.name)
    tell_failure(desk, desk.run("prepare", video, raises=False, tags=old.tags))
    assert alerts(webhook) == []


def test_a_failed_run_of_several_videos_leaves_the_telling_to_the_runs_that_follow_it(
    desk: Desk, clip: Clips, webhook: Receiver
) -> None:
    videos = [desk.drop(clip("single_frame.mp4"), f"{name}.mp4") for name in "ab"]
    desk.tick()
    first, last = desk.instance.get_dynamic_partitions("clips")
    video = next(v for v in videos if v.key == first)
    for end, told in ((last, 0), (first, 1)):
        tags = {"dagster/asset_partition_range_end": f"{end}|00"}
        no_frames = desk.run("paint", video, (0, 0), ["styled_frames"], raises=False, tags=tags)
        tell_failure(desk, no_frames)
        assert len(alerts(webhook)) == told


def test_a_refused_upload_is_told_once(
    desk: Desk, tmp_path: Path, webhook: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    cursor = watch(desk, None)
    bad = tmp_path / "a.mp4"
    bad.write_text("no video")
    video = desk.drop(bad)
    desk.tick()
    cursor = watch(desk, cursor)
    (alert,) = alerts(webhook)
    assert (alert["title"], alert["video"]) == ("An upload was refused", video.upload_path)
    assert "broken or no video" in alert["reason"]
    watch(desk, cursor)
    assert alerts(webhook) == []


def test_a_late_video_is_told_once_and_a_painted_one_never(
    desk: Desk, clip: Clips, webhook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEJOBS_OVERDUE_MINUTES", "0")
    painted = desk.drop(clip("single_frame.mp4"), "painted.mp4")
    late = desk.drop(clip("single_frame.mp4"), "late.mp4")
    cursor = watch(desk, None)
    desk.tick()
    desk.paint(painted)
    cursor = watch(desk, cursor)
    (alert,) = alerts(webhook)
    assert (alert["title"], alert["video"]) == ("A video is late", late.upload_path)
    watch(desk, cursor)
    assert alerts(webhook) == []


def test_a_webhook_that_refuses_stops_no_sensor(
    desk: Desk, clip: Clips, webhook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook.answers = (404,)
    monkeypatch.setenv("STYLEJOBS_OVERDUE_MINUTES", "0")
    desk.drop(clip("single_frame.mp4"))
    cursor = watch(desk, watch(desk, None))
    assert cursor
    assert len(webhook.posts) == 1


def test_ended_runs_and_refused_uploads_become_metrics_and_traces_once(
    desk: Desk, clip: Clips, tmp_path: Path
) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    desk.drop(tmp_path / "bad.mp4")
    video = desk.drop(clip("b_frames.mp4"))
    desk.tick()
    desk.run("paint", video, (0, 7))
    reader, spans = InMemoryMetricReader(), InMemorySpanExporter()
    telemetry = Telemetry(reader, spans)
    reported = Reported(runs=0, refused=0)
    for _ in range(2):
        report_runs(desk.instance, telemetry, reported)
        report_refused(desk.instance, telemetry, reported)
    telemetry.flush()
    data = reader.get_metrics_data()
    assert data
    metrics = {m.name: m for m in data.resource_metrics[0].scope_metrics[0].metrics}
    totals = {
        name: sum(point.value for point in metrics[name].data.data_points)
        for name in ("stylejobs.stage.frames", "stylejobs.run.ended", "stylejobs.upload.refused")
    }
    assert totals == {
        "stylejobs.stage.frames": 48 + 48,  # cut and painted
        "stylejobs.run.ended": 1,
        "stylejobs.upload.refused": 1,
    }
    names = [span.name for span in spans.get_finished_spans()]
    assert names.count("styled_frames") == 8
    assert names.count("paint") == 1
    telemetry.close()


def test_logs_are_json_where_the_instance_says_so(
    desk: Desk, clip: Clips, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    video = desk.drop(clip("single_frame.mp4"))
    desk.tick()
    (request,) = [r for r in desk.requests if r.job_name == "paint"]
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text((ROOT / "deploy" / "json-logs.yaml").read_text())
    with DagsterInstance.from_config(str(home)) as instance:
        instance.add_dynamic_partitions("clips", [video.key])
        Desk(desk.studio, instance, tmp_path).run("paint", video, (0, 0), tags=request.tags)
    lines = [json.loads(x) for x in capfd.readouterr().out.splitlines() if x.startswith("{")]
    (progress,) = [line for line in lines if "1 of 1 frames" in line["message"]]
    assert (progress["step"], progress["job"]) == ("styled_frames", "paint")
    assert progress["upload"] == video.upload_path
