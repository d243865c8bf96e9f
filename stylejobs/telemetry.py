"""Metrics and traces by OpenTelemetry. Knows nothing of Dagster; off unless a setting says so.

Where they go is said by OpenTelemetry's own variables (``OTEL_EXPORTER_OTLP_ENDPOINT``), or for
Azure Monitor by ``APPLICATIONINSIGHTS_CONNECTION_STRING``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader
    from opentelemetry.sdk.trace.export import SpanExporter

_NANO = 10**9
_FLUSH_MILLISECONDS = 5_000
_INTERVAL_MILLISECONDS = 30_000


@dataclass(frozen=True)
class Metric:
    """Attributes:
    fact: of a stage, that is its value; empty where the code says it otherwise.
    """

    name: str
    kind: str
    unit: str
    about: str
    fact: str = ""


METRICS = (
    Metric("stylejobs.stage.duration", "histogram", "s", "Wall time of a stage", "busy_seconds"),
    Metric("stylejobs.stage.frames", "counter", "{frame}", "Frames of finished stages", "frames"),
    Metric(
        *("stylejobs.stage.speed", "histogram", "{frame}/s", "Frames a second of a stage"),
        fact="frames_per_second",
    ),
    Metric(
        *("stylejobs.stage.gpu_use", "histogram", "1", "How busy the GPU of a stage was, 0 to 1"),
        fact="gpu_use",
    ),
    Metric("stylejobs.stage.cost", "counter", "1", "What stages cost, if a price is set", "cost"),
    Metric("stylejobs.stage.written", "counter", "By", "Bytes that stages wrote", "bytes"),
    Metric(
        *("stylejobs.delivery.age", "histogram", "s", "From the upload to its painted video"),
        fact="seconds_since_upload",
    ),
    Metric("stylejobs.run.wait", "histogram", "s", "From a run's creation to its start"),
    Metric("stylejobs.run.duration", "histogram", "s", "From a run's start to its end"),
    Metric("stylejobs.run.ended", "counter", "{run}", "Runs that ended, by status"),
    Metric("stylejobs.upload.refused", "counter", "{upload}", "Uploads that were refused"),
)
# Of a stage's facts, those that metrics and spans are told apart by.
_LABELS = ("style", "device")


@dataclass(frozen=True)
class Stage:
    """A finished piece of work: its name, the partition, and the figures that it reported."""

    name: str
    partition: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class EndedRun:
    """A run that ended; times in seconds since the epoch, ``started`` None if it never did."""

    job: str
    status: str
    upload: str
    created: float
    started: float | None
    ended: float
    stages: Sequence[Stage]


class Telemetry:
    """Sends what it is told to an exporter."""

    def __init__(self, reader: MetricReader, spans: SpanExporter) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say comes first.
        resource = Resource({"service.name": "stylejobs"}).merge(Resource.create())
        self._metrics = MeterProvider([reader], resource=resource)
        self._traces = TracerProvider(resource=resource)
        self._traces.add_span_processor(BatchSpanProcessor(spans))
        self._tracer = self._traces.get_tracer("stylejobs")
        meter = self._metrics.get_meter("stylejobs")
        self._instruments: dict[str, Any] = {
            metric.name: getattr(meter, f"create_{metric.kind}")(
                metric.name, unit=metric.unit, description=metric.about
            )
            for metric in METRICS
        }

    @classmethod
    @lru_cache(maxsize=1)
    def to(cls, target: str) -> Telemetry:
        """Telemetry to ``otlp`` (over HTTP) or ``azure`` (Azure Monitor).

        Raises:
            ImportError: its packages are not installed.
        """
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        metrics: MetricExporter
        spans: SpanExporter
        if target == "azure":
            from azure.monitor.opentelemetry.exporter import (
                AzureMonitorMetricExporter,
                AzureMonitorTraceExporter,
            )

            metrics, spans = AzureMonitorMetricExporter(), AzureMonitorTraceExporter()
        else:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            metrics, spans = OTLPMetricExporter(), OTLPSpanExporter()
        return cls(PeriodicExportingMetricReader(metrics, _INTERVAL_MILLISECONDS), spans)

    def run_ended(self, run: EndedRun) -> None:
        """Report a run, with its stages: its metrics, and one trace."""
        from opentelemetry.trace import set_span_in_context

        labels = {"job": run.job, "status": run.status}
        started = run.ended if run.started is None else run.started
        self._record("stylejobs.run.wait", started - run.created, {"job": run.job})
        self._record("stylejobs.run.duration", run.ended - started, labels)
        self._record("stylejobs.run.ended", 1, labels)
        root = self._tracer.start_span(
            run.job,
            start_time=round(run.created * _NANO),
            attributes={"stylejobs.upload": run.upload, "stylejobs.status": run.status},
        )
        inside = set_span_in_context(root)
        wait = self._tracer.start_span("wait", inside, start_time=round(run.created * _NANO))
        wait.end(round(started * _NANO))
        for stage in run.stages:
            self._stage(stage, inside)
        root.end(round(run.ended * _NANO))

    def upload_refused(self) -> None:
        self._record("stylejobs.upload.refused", 1, {})

    def flush(self) -> None:
        """Send what was reported, within a few seconds or not at all."""
        self._metrics.force_flush(_FLUSH_MILLISECONDS)
        self._traces.force_flush(_FLUSH_MILLISECONDS)

    def close(self) -> None:
        self._metrics.shutdown()
        self._traces.shutdown()

    def _stage(self, stage: Stage, inside: Any) -> None:
        facts = stage.facts
        if facts.get("reused") or "started_at" not in facts:
            return  # its figures are those of an earlier run
        labels = {name: str(facts[name]) for name in _LABELS if facts.get(name)}
        for metric in METRICS:
            if metric.fact in facts:
                self._record(metric.name, facts[metric.fact], {"stage": stage.name, **labels})
        figures = {f"stylejobs.{m.fact}": facts[m.fact] for m in METRICS if m.fact in facts}
        span = self._tracer.start_span(
            stage.name,
            inside,
            start_time=round(facts["started_at"] * _NANO),
            attributes={"stylejobs.partition": stage.partition, **labels, **figures},
        )
        span.end(round(facts["ended_at"] * _NANO))

    def _record(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        instrument = self._instruments[name]
        (instrument.add if hasattr(instrument, "add") else instrument.record)(value, labels)
