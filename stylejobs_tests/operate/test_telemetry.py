"""Metrics and traces of what ended, received as OpenTelemetry sends them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stylejobs.telemetry import METRICS, EndedRun, Metric, Stage, Telemetry
from stylejobs_tests.operate.receiver import receiving

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "stylejobs.json"
_UNITS = {"s": "_seconds", "By": "_bytes", "{frame}/s": "_per_second"}

PAINTED = Stage(
    "styled_frames",
    "mosaic--a.mp4|00",
    {
        "style": "mosaic",
        "device": "CPU",
        "frames": 48,
        "bytes": 1000,
        "frames_per_second": 12.0,
        "busy_seconds": 4.0,
        "cost": 0.001,
        "gpu_use": 0.75,
        "started_at": 1002.0,
        "ended_at": 1006.0,
    },
)
KEPT = Stage("styled_frames", "mosaic--a.mp4|01", {**PAINTED.facts, "reused": True})
RUN = EndedRun("paint", "success", "inbox/mosaic/a.mp4", 1000.0, 1001.5, 1007.0, [PAINTED, KEPT])


def prometheus_name(metric: Metric) -> str:
    """The name that Prometheus gives to a metric that comes by OTLP."""
    name = metric.name.replace(".", "_") + _UNITS.get(metric.unit, "")
    return f"{name}_total" if metric.kind == "counter" else name


def test_a_run_arrives_as_metrics_and_as_one_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        Telemetry.to.cache_clear()
        telemetry = Telemetry.to("otlp")
        telemetry.run_ended(RUN)
        telemetry.upload_refused()
        telemetry.flush()
        telemetry.close()
        posts = list(receiver.posts)
    metrics = {}
    spans = []
    for path, body in posts:
        if path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for each in resource.scope_metrics[0].metrics:
                    metrics[each.name] = each
        else:
            assert path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                spans += resource.scope_spans[0].spans
    expected = {metric.name for metric in METRICS} - {"stylejobs.delivery.age"}
    assert metrics.keys() == expected
    (frames,) = metrics["stylejobs.stage.frames"].sum.data_points
    assert frames.as_int == 48  # those of the kept shard are of another run
    labels = {label.key: label.value.string_value for label in frames.attributes}
    assert labels == {"stage": "styled_frames", "style": "mosaic", "device": "CPU"}
    (wait,) = metrics["stylejobs.run.wait"].histogram.data_points
    assert wait.sum == 1.5
    assert [span.name for span in spans] == ["wait", "styled_frames", "paint"]
    assert len({span.trace_id for span in spans}) == 1
    root = spans[-1]
    assert {span.parent_span_id for span in spans[:-1]} == {root.span_id}
    assert (root.end_time_unix_nano - root.start_time_unix_nano) / 1e9 == 7.0


def test_nothing_of_it_is_imported_unless_it_is_wanted() -> None:
    code = "import sys, stylejobs.definitions; sys.exit('opentelemetry.sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", ())]
    shown = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for query in queries
        for name in re.findall(r"stylejobs_\w+", query)
    }
    assert shown == {prometheus_name(metric) for metric in METRICS}
