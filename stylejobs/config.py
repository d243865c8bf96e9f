"""Settings of a deployment, from environment variables ``STYLEJOBS_…``."""

from __future__ import annotations

import os
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from stylejobs.cost import Prices
from stylejobs.media.container import Container
from stylejobs.media.encode import Codec, EncoderSettings, PixelFormat
from stylejobs.media.probe import HdrRule, Limits
from stylejobs.scoring.backends import Backend, Device
from stylejobs.scoring.controls import Colours, Controls, Lines, Steady, Strength
from stylejobs.scoring.models import Models
from stylejobs.scoring.weights import Network
from stylejobs.storage.clips import INBOX, PAINTED, REJECTED, STYLES, WORK

_PREFIX = "STYLEJOBS_"

AlertFormat = Literal["teams", "slack", "json"]
TelemetryTarget = Literal["off", "otlp", "azure"]


class Settings(BaseModel):
    """Each field can be set by the environment variable of its name in capitals.

    Attributes:
        store: folder of the media store, or the URL of a storage account's blob service.
        sas: SAS token for the account; without it, its identity speaks for this machine or pod.
        account_key: key of the account; for the emulator.
        allow_account_key: use a key for a real account too.
        inbox_container, work_container, painted_container, rejected_container,
            styles_container: names of the containers in the account.
        local_copies_bytes: how much of the parts and styles read from the account is kept in local
            files.
        trigger: what tells of new uploads: ``listing`` the inbox, or messages in a ``queue``.
        queue_service: URL of the account's queue service; unset, that beside the blob service.
        events_queue, poison_queue: names of the queue that Event Grid writes to, and of the one
            where messages end that nobody can use.
        event_tries: how often a message is tried before it ends there.
        max_queued_runs: new uploads wait while there are more runs than this.
        clean_work: remove a clip's parts when its final video is delivered and checked.
        orphan_days: how old a part that belongs to no upload must be to be swept away.
        shards: into how many partitions a video is split; constant for a deployment.
        min_shard_frames: shorter videos fill fewer partitions.
        shards_per_run: how many partitions one run paints; fewer spread over more machines.
        frames_per_run: a run scores at least so many frames, to be worth the start of its machine.
        scoring_machines: how many machines score at once; a video is spread evenly over them.
        separate_scoring: score in runs of their own, for scoring machines that must not decode.
        segment_seconds: how much of a shard is scored at once and kept: what is lost, at most,
            when a machine goes away in mid-shard.
        prices: of an hour of a machine, as ``{"cpu": 0.1, "gpu": 1.1}``, in any currency; set, a
            final video shows what it cost.
        max_bytes, max_frames, max_seconds, max_pixels: larger uploads are rejected.
        hdr: ``tonemap`` HDR video to SDR, or ``refuse`` it.
        repair_damage: paint a damaged video all the same, with the last good frame in place of
            each that cannot be decoded.
        probe_seconds: how long the sensor may look at one upload.
        probe_bytes: a larger upload is not fetched by the sensor, but looked at by its run.
        settle_seconds: how long an upload must have been at rest.
        container: ``auto`` (MP4 unless the sound needs another), ``mp4``, ``mov`` or ``mkv``.
        codec: of the painted video: ``h264``, ``hevc`` or ``av1``.
        crf, preset: the encoder's quality and speed; unset, the codec's: 18 and veryfast for
            H.264, 20 and veryfast for HEVC, 24 and 8 for AV1.
        pixel_format: of the painted video: ``auto``, ``yuv420p``, ``yuv444p`` or ``yuv420p10le``.
        network: which of the shipped networks paints: ``lean``, for CPUs, or ``full``, of the
            published width, for GPUs. New styles are trained on the same.
        vgg: file with VGG16's weights, for training and measuring styles; unset, torchvision
            downloads them.
        device: ``auto``, ``cpu`` or ``cuda``.
        backend: ``auto``, ``openvino`` or ``torch``.
        models: models beside the styles, by the name of their folder in the inbox: a JSON object
            of names and `Model`, such as ``{"edges": "examples.edges:create"}``.
        strength: of the style: 1 is all paint, 0 is the source. This and the next three are for
            videos of which nobody says otherwise, in the launchpad or an upload's metadata.
        colours: ``style``, or ``source`` to keep a video's colours: only light and dark are
            painted.
        lines: of the picture that is painted, on its shorter side; the result has the source's
            size. Unset, and where there are no more, it is painted as it is.
        steady: against flicker: how much of the frame before, moved along with the picture, is in
            each frame: 0 (``off``) to 0.8.
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
    sas: SecretStr | None = None
    account_key: SecretStr | None = None
    allow_account_key: bool = False
    inbox_container: str = INBOX
    work_container: str = WORK
    painted_container: str = PAINTED
    rejected_container: str = REJECTED
    styles_container: str = STYLES
    local_copies_bytes: int = 2 * 2**30
    trigger: Literal["listing", "queue"] = "listing"
    queue_service: str | None = None
    events_queue: str = "inbox-events"
    poison_queue: str = "inbox-events-poison"
    event_tries: int = 5
    max_queued_runs: int = 200
    clean_work: bool = False
    orphan_days: float = 7.0
    shards: int = 8
    min_shard_frames: int = Limits().min_shard_frames
    shards_per_run: int = 8
    frames_per_run: int = 1500
    scoring_machines: int = 1
    separate_scoring: bool = False
    segment_seconds: float = 5.0
    prices: Prices | None = None
    max_bytes: int = Limits().max_bytes
    max_frames: int = Limits().max_frames
    max_seconds: int = Limits().max_seconds
    max_pixels: int = Limits().max_pixels
    hdr: HdrRule = "tonemap"
    repair_damage: bool = False
    probe_seconds: float = 30.0
    probe_bytes: int = 256 * 2**20
    settle_seconds: float = 1.0
    container: Container = "auto"
    codec: Codec = "h264"
    crf: int | None = None
    preset: str | None = None
    pixel_format: PixelFormat = "auto"
    network: Network = "lean"
    vgg: str | None = None
    device: Device = "auto"
    backend: Backend = "auto"
    models: Models = ()
    strength: Strength = 1.0
    colours: Colours = "style"
    lines: Lines = None
    steady: Steady = 0.0
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
    def is_account(self) -> bool:
        """Whether the store lies in a storage account; otherwise in a folder."""
        return "://" in self.store

    @property
    def queue_url(self) -> str:
        """The queue service of the store's account."""
        return self.queue_service or self.store.replace(".blob.", ".queue.", 1)

    @property
    def containers(self) -> dict[str, str]:
        """The account's names of the store's containers."""
        names = (INBOX, WORK, PAINTED, REJECTED, STYLES)
        return {name: getattr(self, f"{name}_container") for name in names}

    @property
    def limits(self) -> Limits:
        return Limits(**{field: getattr(self, field) for field in Limits.model_fields})

    @property
    def controls(self) -> Controls:
        return Controls(**{field: getattr(self, field) for field in Controls.model_fields})

    @property
    def encoder(self) -> EncoderSettings:
        shared = EncoderSettings.model_fields.keys() & type(self).model_fields.keys()
        return EncoderSettings(**{field: getattr(self, field) for field in shared})
