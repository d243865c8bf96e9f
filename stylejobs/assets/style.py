"""A style trained from a painting, and how good it is."""

import time
from typing import TYPE_CHECKING

from dagster import (
    AssetExecutionContext,
    AssetObservation,
    Config,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    TableRecord,
    asset,
)
from pydantic import Field

from stylejobs import new_styles
from stylejobs.assets.failures import explained
from stylejobs.new_styles import TRAINING_VERSION
from stylejobs.partitions import styles
from stylejobs.resources import StudioResource
from stylejobs.storage.clips import STYLES
from stylejobs.training.errors import UnusablePicture
from stylejobs.training.settings import FINE_TUNING

if TYPE_CHECKING:
    from collections.abc import Callable

    from stylejobs.training.train import Progress, Training

_SECONDS_BETWEEN_REPORTS = 10.0
_PICTURES_UNDERWAY = 3
_ROWS = 20  # of the table of losses


class TrainingConfig(Config):
    iterations: int = Field(
        default=FINE_TUNING.iterations,
        ge=1,
        le=100_000,
        description="At most; it stops when it gets no better.",
    )
    painting_side: int = Field(
        default=FINE_TUNING.painting_side,
        ge=128,
        le=1024,
        description="The painting's shorter side in pixels: more makes the strokes larger.",
    )
    style_weight: float = Field(
        default=FINE_TUNING.style_weight,
        gt=0,
        description="How much the painting counts, against the photo.",
    )
    steadiness_weight: float = Field(
        default=FINE_TUNING.steadiness_weight,
        ge=0,
        description="How much it counts that a video does not flicker.",
    )
    whole_network: bool = Field(
        default=False,
        description="Train all of the network, not only what belongs to the style: slower.",
    )


@asset(
    partitions_def=styles,
    group_name=STYLES,
    code_version=TRAINING_VERSION,
    pool="scoring",
    kinds={"torch"},
)
def style(
    context: AssetExecutionContext, config: TrainingConfig, studio: StudioResource
) -> MaterializeResult:
    """A style made from a painting in `styles/`. Drop a picture there, and this starts by itself.

    The run's log says how the losses fall; pictures of its progress are in the events of the
    partition. When it is done, the inbox has a folder of its name.
    """
    rules = studio.get()
    started = time.monotonic()
    options = config.model_dump(exclude={"whole_network"})
    with explained(rules):
        painting = new_styles.painting_of(rules, context.partition_key)
        show = _shown(context, new_styles.progress_picture(rules), config.iterations)
        try:
            made = new_styles.make_style(rules, painting, options, config.whole_network, show)
        except UnusablePicture as error:
            letter = new_styles.refuse(rules, painting, str(error))
            raise UnusablePicture(f"{error} See {letter}.") from None
        rules.prepare_inbox()
    context.log.info("drop videos in inbox/%s/", painting.style)
    return MaterializeResult(
        data_version=DataVersion(painting.version),
        metadata={
            "path": made.path,
            "painting": painting.found.path,
            "began_as": made.new.began_as,
            "iterations": made.new.progress.step,
            "seconds": round(time.monotonic() - started, 1),
            **made.scores.facts(),
            "losses": _losses(made.new.progress),
            "preview": _picture(made.sheet),
        },
    )


@asset(
    partitions_def=styles,
    deps=[style],
    group_name=STYLES,
    pool="scoring",
    kinds={"torch"},
)
def style_scores(context: AssetExecutionContext, studio: StudioResource) -> MaterializeResult:
    """How near a style is to its painting, how still it holds in a video, and how sharp it is."""
    rules = studio.get()
    with explained(rules):
        scores, sheet = new_styles.measure_style(rules, context.partition_key)
    return MaterializeResult(metadata={**scores.facts(), "preview": _picture(sheet)})


def _shown(
    context: AssetExecutionContext,
    picture: "Callable[[Training], bytes]",
    iterations: int,
) -> "Callable[[Progress, Training], None]":
    """Logs how far a training is, now and then, and reports a few pictures on the way."""
    last = begun = time.monotonic()
    first: int | None = None
    every = max(1, iterations // (_PICTURES_UNDERWAY + 1))

    def show(progress: "Progress", training: "Training") -> None:
        nonlocal last, first
        first = progress.step - 1 if first is None else first
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_REPORTS:
            last = now
            left = (iterations - progress.step) * (now - begun) / (progress.step - first)
            losses = ", ".join(f"{k} {v:.3g}" for k, v in progress.recent(50).items())
            context.log.info(
                "iteration %d of at most %d, %.0f s left: %s",
                *(progress.step, iterations, left, losses),
            )
        if progress.step % every == 0 and progress.step < iterations:
            context.log_event(
                AssetObservation(
                    context.asset_key,
                    partition=context.partition_key,
                    description=f"after {progress.step} iterations",
                    metadata={"preview": _picture(picture(training))},
                )
            )

    return show


def _losses(progress: "Progress") -> MetadataValue:
    """The losses over the training, as a table."""
    length = max(1, progress.step // _ROWS)
    rows = []
    for first in range(0, progress.step, length):
        means = {
            name: sum(part) / len(part)
            for name, values in progress.losses.items()
            if (part := values[first : first + length])
        }
        rows.append(TableRecord({"iteration": first, **{k: float(v) for k, v in means.items()}}))
    return MetadataValue.table(rows)


def _picture(sheet: bytes) -> MetadataValue:
    from stylejobs.media.preview import as_markdown

    return MetadataValue.md(as_markdown(sheet, "photos above, painted below"))
