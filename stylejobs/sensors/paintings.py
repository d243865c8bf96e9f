"""Paintings in the store's ``styles/``: each new or changed one is trained."""

import json
from collections.abc import Mapping

from dagster import (
    AssetMaterialization,
    AssetObservation,
    DefaultSensorStatus,
    MetadataValue,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)
from pydantic import BaseModel, Field

from stylejobs import assets, new_styles
from stylejobs.jobs import train_a_style
from stylejobs.new_styles import Painting
from stylejobs.partitions import styles
from stylejobs.resources import StudioResource
from stylejobs.training.errors import UnusablePicture


class PaintingsCursor(BaseModel):
    """
    Attributes:
        seen: style to version of the painting that was trained or refused last.
        growing: the same of those that may not be whole yet.
        cards: shipped style to version of the weights that Dagster was told of last.
    """

    seen: dict[str, str] = Field(default_factory=dict)
    growing: dict[str, str] = Field(default_factory=dict)
    cards: dict[str, str] = Field(default_factory=dict)


@sensor(
    name="paintings",
    job=train_a_style,
    minimum_interval_seconds=5,
    default_status=DefaultSensorStatus.RUNNING,
    description="Watches `styles/` and makes a style of each picture that is dropped there.",
)
def painting_sensor(context: SensorEvaluationContext, studio: StudioResource) -> SensorResult:
    rules = studio.get()
    last = PaintingsCursor.model_validate_json(context.cursor or "{}")
    cards = new_styles.shipped_versions(rules)
    changed = [name for name, version in cards.items() if last.cards.get(name) != version]
    events: list[AssetMaterialization | AssetObservation] = [
        AssetMaterialization(assets.style.key, partition=name, metadata=_on_page(card))
        for name, card in new_styles.shipped_cards(rules, changed).items()
    ]
    now = PaintingsCursor(seen=last.seen, cards=cards)
    keys, runs = list(changed), []
    for painting in new_styles.paintings(rules):
        style, version = painting.style, painting.version
        if last.seen.get(style) == version:
            continue
        if not painting.found.is_whole and last.growing.get(style) != version:
            now.growing[style] = version  # another tick sees whether it still grows
            continue
        now.seen[style] = version
        try:
            new_styles.look_at(rules, painting)
        except UnusablePicture as error:
            new_styles.refuse(rules, painting, str(error))
            context.log.warning("refused %s: %s", painting.found.path, error)
            continue
        keys.append(style)
        runs.append(_run(painting))
    return SensorResult(
        run_requests=runs,
        asset_events=events,
        dynamic_partitions_requests=[styles.build_add_request(keys)] if keys else [],
        cursor=now.model_dump_json(),
    )


def _run(painting: Painting) -> RunRequest:
    return RunRequest(
        run_key=f"{painting.style}:{painting.version}",
        partition_key=painting.style,
        tags={"stylejobs/style": painting.style},
    )


def _on_page(card: Mapping[str, str]) -> dict[str, str | float | MetadataValue]:
    """What the file of a shipped style says, its scores by themselves, for the UI to plot."""
    plain = {name: said for name, said in card.items() if name not in ("scores", "training")}
    scores: dict[str, float] = json.loads(card.get("scores") or "{}")
    training = MetadataValue.json(json.loads(card.get("training") or "{}"))
    return {**plain, **scores, "training": training}
