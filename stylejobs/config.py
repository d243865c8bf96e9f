"""Settings of a deployment, from environment variables ``STYLEJOBS_…``."""

from __future__ import annotations

import os
from typing import Any

from pydantic import BaseModel, ConfigDict

from stylejobs.media.encode import EncoderSettings
from stylejobs.media.probe import Limits
from stylejobs.scoring.backends import Backend, Device

_PREFIX = "STYLEJOBS_"


class Settings(BaseModel):
    """Each field can be set by the environment variable of its name in capitals.

    Attributes:
        store: folder of the media store.
        shards: into how many partitions a video is split; constant for a deployment.
        min_shard_frames: shorter videos fill fewer partitions.
        shards_per_run: how many partitions one run paints; fewer spread over more machines.
        max_bytes, max_frames, max_seconds, max_pixels: larger uploads are rejected.
        probe_seconds: how long the sensor may look at one upload.
        settle_seconds: how long an upload must have been at rest.
        crf, preset: x264's quality and speed for the painted video.
        device: ``auto``, ``cpu`` or ``cuda``.
        backend: ``auto``, ``openvino`` or ``torch``.
    """

    model_config = ConfigDict(frozen=True)

    store: str = "store"
    shards: int = 8
    min_shard_frames: int = Limits().min_shard_frames
    shards_per_run: int = 8
    max_bytes: int = Limits().max_bytes
    max_frames: int = Limits().max_frames
    max_seconds: int = Limits().max_seconds
    max_pixels: int = Limits().max_pixels
    probe_seconds: float = 30.0
    settle_seconds: float = 1.0
    crf: int = EncoderSettings().crf
    preset: str = EncoderSettings().preset
    device: Device = "auto"
    backend: Backend = "auto"

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
        return EncoderSettings(crf=self.crf, preset=self.preset)
