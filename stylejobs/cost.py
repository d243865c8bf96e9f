"""What a video cost: the seconds that machines were at work on it, times their prices.

Counted is the work on the parts that are there. A pod's start, an idle node, and what a lost
machine did after its last finished segment are on the bill, but of no video. Knows no Dagster.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, model_validator

from stylejobs.media.audio import audio_suffix
from stylejobs.storage.parts import Part, read_marker

if TYPE_CHECKING:
    from stylejobs.recipe import Recipe
    from stylejobs.storage.clips import Workplace
    from stylejobs.studio import Studio

Machine = Literal["cpu", "gpu"]


class Prices(BaseModel):
    """Of an hour of a machine, in any currency; in the environment, a JSON object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: NonNegativeFloat = 0.0
    gpu: NonNegativeFloat = 0.0

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, data: Any) -> Any:
        return json.loads(data) if isinstance(data, str) else data


def machine_seconds(studio: Studio, place: Workplace, recipe: Recipe) -> dict[Machine, float]:
    """Seconds of work on the parts of a clip, by kind of machine."""
    seconds: dict[Machine, float] = {"cpu": 0.0, "gpu": 0.0}
    for part in _parts(studio, place, recipe):
        seconds[_machine(part)] += part.facts.get("busy_seconds", 0.0)
    return seconds


def cost_facts(
    seconds: Mapping[Machine, float], minutes: float, prices: Prices | None
) -> dict[str, float]:
    """Figures for people of ``seconds`` of work on ``minutes`` of footage."""
    facts = {"gpu_seconds": seconds["gpu"], "node_seconds": sum(seconds.values())}
    if prices:
        cost = (seconds["cpu"] * prices.cpu + seconds["gpu"] * prices.gpu) / 3600
        facts |= {"cost": cost, "cost_per_minute": cost / minutes}
    return {name: round(value, 6) for name, value in facts.items()}


def _parts(studio: Studio, place: Workplace, recipe: Recipe) -> Iterator[Part]:
    shards = range(studio.settings.shards)
    paths = [
        place.audio(audio_suffix(studio.manifest(place))),
        *(place.frames(shard) for shard in shards),
        *(place.styled(recipe.version, shard) for shard in shards),
    ]
    for path in paths:
        if part := read_marker(studio.store, path):
            yield part


def _machine(part: Part) -> Machine:
    """By the device that scored it: whatever is no CPU is a GPU."""
    device = part.facts.get("device", "")
    return "cpu" if not device or device.lower().startswith(("cpu", "none")) else "gpu"
