"""The painted frames of a clip's shard, as a closed H.264 segment."""

import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from dagster import AssetDep, AssetExecutionContext, Config, MaterializeResult, asset
from pydantic import Field

from stylejobs.assets.failures import explained
from stylejobs.assets.frames import backfills, frames
from stylejobs.assets.gpu_use import GpuUse
from stylejobs.assets.labels import UPLOAD_ETAG, label_partitions
from stylejobs.assets.recipe import recipe as recipe_spec
from stylejobs.assets.reports import Samples, Stopwatch, part_facts
from stylejobs.assets.versions import common_version
from stylejobs.painting import ShardWork
from stylejobs.partitions import by_clip, clip_and_shard, shards
from stylejobs.recipe import Recipe
from stylejobs.resources import StudioResource
from stylejobs.scoring.engine import Busy
from stylejobs.scoring.scorer import Scorer
from stylejobs.storage.clips import WORK
from stylejobs.storage.parts import Part
from stylejobs.studio import PAINT_VERSION

if TYPE_CHECKING:
    import numpy as np

_SECONDS_BETWEEN_REPORTS = 5.0


class PaintConfig(Config):
    again: bool = Field(
        default=False, description="Paint the shard again even where a finished part is there."
    )


@asset(
    partitions_def=shards,
    deps=[frames, AssetDep(recipe_spec, partition_mapping=by_clip)],
    group_name=WORK,
    code_version=PAINT_VERSION,
    backfill_policy=backfills,
    pool="scoring",
    kinds={"torch", "openvino"},
)
def styled_frames(
    context: AssetExecutionContext, config: PaintConfig, studio: StudioResource
) -> MaterializeResult:
    """The frames of one shard, painted by the style's network: before above after.

    The run's log says how far it is, how fast, and how long it still takes.
    """
    rules = studio.get()
    versions = {}
    label_partitions(context, rules)

    @lru_cache(maxsize=1)
    def scorer_for(recipe: Recipe, height: int, width: int) -> Scorer:
        scorer = rules.scorer(recipe, height, width)
        context.log.info("painting with '%s' on %s", recipe.style, scorer.device)
        return scorer

    for key in context.partition_keys:
        clip_key, shard = clip_and_shard(key)
        with explained(rules):
            clip = rules.clip(clip_key)
            place = rules.workplace(clip, context.run.tags.get(UPLOAD_ETAG))
            recipe = rules.recipe_of(clip)
            work = ShardWork(rules, place, recipe, shard, scorer_for, config.again)
            found = work.find()
            part = found or paint(work, context.log.info, f"{clip_key} shard {shard:02d}")
        versions[clip_key] = f"{place.version}-{recipe.version}"
        context.add_asset_metadata(
            part_facts(part, work.path, reused=found is not None), partition_key=key
        )
    return MaterializeResult(data_version=common_version(versions))


def paint(work: ShardWork, log: Callable[..., None], what: str) -> Part:
    """Paint a shard, logging how far it is, and finish it with its figures and a preview."""
    watch = Stopwatch()
    manifest = work.studio.manifest(work.place)
    frames = len(manifest.shard_pts(work.shard))
    samples = Samples(frames)
    progress = _Progress(log, what)
    gpu = GpuUse()

    def on_frame(busy: Busy, done: int, *pictures: "np.ndarray | None") -> None:
        if samples.wants(done - 1):
            samples.add(*(each for each in pictures if each is not None))
        gpu.sample()
        progress(busy.frames, done, frames)

    painted = work.paint(on_frame)
    busy = painted.busy
    facts = {
        **watch.facts(busy.frames, manifest.video),
        "style": work.recipe.style,
        **work.recipe.controls.facts,
        "frames_kept": painted.kept,
        "device": painted.device,
        "score_seconds": busy.score,
        "decode_seconds": busy.decode,
        **({"finish_seconds": busy.finish} if busy.finish else {}),
        "encode_seconds": busy.encode,
        **gpu.facts(),
        **samples.preview(),
    }
    return work.finish(painted, facts)


class _Progress:
    """Logs how far a shard is, now and then."""

    def __init__(self, log: Callable[..., None], what: str) -> None:
        self._log = log
        self._what = what
        self._started = self._last = time.monotonic()

    def __call__(self, painted: int, done: int, frames: int) -> None:
        """Note that ``done`` of the shard's frames are finished, ``painted`` by this run."""
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN_REPORTS and done < frames:
            return
        self._last = now
        fps = painted / max(now - self._started, 1e-9)
        self._log(
            "%s: %d of %d frames (%.0f %%), %.1f fps, %.0f s left",
            *(self._what, done, frames, 100 * done / frames, fps, (frames - done) / fps),
        )
