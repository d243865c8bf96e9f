"""Settings of a deployment, from environment variables ``STYLEJOBS_…``."""

from __future__ import annotations

import os
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from stylejobs.media.container import Container
from stylejobs.media.encode import Codec, EncoderSettings, PixelFormat
from stylejobs.media.probe import HdrRule, Limits
from stylejobs.scoring.backends import Backend, Device

_PREFIX = "STYLEJOBS_"

AlertFormat = Literal["teams", "slack", "json"]
TelemetryTarget = Literal["off", "otlp", "azure"]


class Settings(BaseModel):
    """Each field can be set by the environment variable of its name in capitals.

    Attributes:
        store: folder of the media store.
        shards: into how many partitions a video is split; constant for a deployment.
        min_shard_frames: shorter videos fill fewer partitions.
        shards_per_run: how many partitions one run paints; fewer spread over more machines.
        segment_seconds: how much of a shard is scored at once and kept: what is lost, at most,
            when a machine goes away in mid-shard.
        max_bytes, max_frames, max_seconds, max_pixels: larger uploads are rejected.
        hdr: ``tonemap`` HDR video to SDR, or ``refuse`` it.
        repair_damage: paint a damaged video all the same, with the last good frame in place of
            each that cannot be decoded.
        probe_seconds: how long the sensor may look at one upload.
        settle_seconds: how long an upload must have been at rest.
        container: ``auto`` (MP4 unless the sound needs another), ``mp4``, ``mov`` or ``mkv``.
        codec: of the painted video: ``h264``, ``hevc`` or ``av1``.
        crf, preset: the encoder's quality and speed; unset, the codec's: 18 and veryfast for
            H.264, 20 and veryfast for HEVC, 24 and 8 for AV1.
        pixel_format: of the painted video: ``auto``, ``yuv420p``, ``yuv444p`` or ``yuv420p10le``.
        device: ``auto``, ``cpu`` or ``cuda``.
        backend: ``auto``, ``openvino`` or ``torch``.
        cost_per_hour: of a machine, in any currency; set, every stage shows what it cost.
        owner: who answers for the assets: an e-mail address or ``team:<name>``; shown in the UI.
        source_url: GitHub or GitLab address of this code with its branch, such as
            ``https://github.com/you/stylejobs/tree/main``: the UI links each asset to its lines.
        painted_url: address at which people open what is in ``painted/``; set, each final video
            has a link to watch it.
        ui_url: address of the Dagster UI, for links in alerts.
        alert_webhook: address that failed, refused and late videos are posted to.
        alert_format: of what is posted: ``teams`` (an Adaptive Card), ``slack`` or ``json``.
        overdue_minutes: how long after its upload a video that is not painted is late; unset,
            never.
        telemetry: send metrics and traces by OpenTelemetry: ``otlp`` or ``azure`` (Azure
            Monitor); ``off`` by default.
    """

    model_config = ConfigDict(frozen=True)

    store: str = "store"
    shards: int = 8
    min_shard_frames: int = Limits().min_shard_frames
    shards_per_run: int = 8
    segment_seconds: float = 5.0
    max_bytes: int = Limits().max_bytes
    max_frames: int = Limits().max_frames
    max_seconds: int = Limits().max_seconds
    max_pixels: int = Limits().max_pixels
    hdr: HdrRule = "tonemap"
    repair_damage: bool = False
    probe_seconds: float = 30.0
    settle_seconds: float = 1.0
    container: Container = "auto"
    codec: Codec = "h264"
    crf: int | None = None
    preset: str | None = None
    pixel_format: PixelFormat = "auto"
    device: Device = "auto"
    backend: Backend = "auto"
    cost_per_hour: float | None = None
    owner: str | None = None
    source_url: str | None = None
    painted_url: str | None = None
    ui_url: str = "http://localhost:3000"
    alert_webhook: SecretStr | None = None
    alert_format: AlertFormat = "json"
    overdue_minutes: float | None = None
    telemetry: TelemetryTarget = "off"

    @classmethod
    def from_environment(cls) -> Settings:
        """Settings with the defaults replaced by what the environment names.

        Raises:
            pydantic.ValidationError: a variable's value does not fit its field.
        """
        named: dict[str, Any] = {
            field: os.environ[_PREFIX + field.upper()]
            for field in cls.model_fields
            if _PREFIX + field.upper() in os.environ
        }
        return cls(**named)

    @property
    def limits(self) -> Limits:
        return Limits(**{field: getattr(self, field) for field in Limits.model_fields})

    @property
    def encoder(self) -> EncoderSettings:
        shared = EncoderSettings.model_fields.keys() & type(self).model_fields.keys()
        return EncoderSettings(**{field: getattr(self, field) for field in shared})
