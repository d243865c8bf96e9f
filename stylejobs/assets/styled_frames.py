"""The painted frames of a clip's shard, as a closed H.264 segment."""

import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from dagster import AssetDep, AssetExecutionContext, Config, MaterializeResult, asset
from pydantic import Field

from stylejobs.assets.failures import explained
from stylejobs.assets.frames import backfills, frames
from stylejobs.assets.recipe import recipe as recipe_spec
from stylejobs.assets.reports import Samples, Stopwatch, part_facts
from stylejobs.assets.upload import UPLOAD_ETAG
from stylejobs.assets.versions import common_version
from stylejobs.media.decode import read_frames
from stylejobs.media.encode import SegmentWriter
from stylejobs.media.probe import probe
from stylejobs.partitions import by_clip, clip_and_shard, shards
from stylejobs.resources import StudioResource
from stylejobs.scoring.engine import Busy, paint
from stylejobs.scoring.scorer import Scorer
from stylejobs.storage.clips import Workplace
from stylejobs.storage.parts import Part, commit_part, find_part
from stylejobs.studio import PAINT_VERSION, MissingInput, Recipe, Studio

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
    group_name="painting",
    code_version=PAINT_VERSION,
    backfill_policy=backfills,
    pool="scoring",
    kinds={"torch", "openvino"},
)
def styled_frames(
    context: AssetExecutionContext, config: PaintConfig, studio: StudioResource
) -> MaterializeResult:
    """Scores the frames of a shard with the style's network and compresses the result."""
    rules = studio.get()
    versions = {}

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
            recipe = rules.recipe(clip.style)
            path = place.styled(recipe.version, shard)
            found = None if config.again else find_part(rules.store, path)
            progress = _Progress(context.log.info, f"{clip_key} shard {shard:02d}")
            part = found or paint_shard(rules, place, recipe, shard, scorer_for, progress)
        versions[clip_key] = f"{place.version}-{recipe.version}"
        context.add_asset_metadata(
            part_facts(part, path, reused=found is not None), partition_key=key
        )
    return MaterializeResult(data_version=common_version(versions))


def paint_shard(
    studio: Studio,
    place: Workplace,
    recipe: Recipe,
    shard: int,
    scorer_for: Callable[[Recipe, int, int], Scorer],
    on_progress: Callable[[int, int], None],
) -> Part:
    """Make the styled part of one shard from its frames part.

    Raises:
        MissingInput: the shard's frames are not cut yet.
    """
    watch = Stopwatch()
    path = place.styled(recipe.version, shard)
    source = find_part(studio.store, place.frames(shard))
    if source is None:
        raise MissingInput(
            f"The frames of {place.clip.upload_path}, shard {shard:02d}, are not there for the"
            " present version of the upload. Materialise 'frames' first."
        )
    if source.frames == 0:
        return commit_part(studio.store, path, None, 0, watch.facts(0))
    manifest = studio.manifest(place)
    pts = manifest.shard_pts(shard)
    scorer = scorer_for(recipe, manifest.video.height, manifest.video.width)
    samples = Samples(len(pts))

    def after_frame(busy: Busy, picture: "np.ndarray", painted: "np.ndarray | None") -> None:
        if samples.wants(busy.frames - 1):
            samples.add(*(each for each in (picture, painted) if each is not None))
        on_progress(busy.frames, len(pts))

    with studio.store.scratch() as folder, studio.store.open_local(place.frames(shard)) as cut:
        file = folder / "styled.mp4"
        mezzanine = probe(cut, studio.settings.limits)
        with SegmentWriter(file, manifest.video, pts, studio.settings.encoder) as writer:
            busy = paint(
                read_frames(cut, mezzanine, mezzanine.pts),
                scorer,
                writer,
                manifest.video.colour,
                after_frame,
            )
        facts = {
            **watch.facts(busy.frames),
            "device": scorer.device,
            "style": recipe.style,
            "score_seconds": busy.score,
            "decode_seconds": busy.decode,
            "encode_seconds": busy.encode,
            **samples.preview(),
        }
        return commit_part(studio.store, path, file, busy.frames, facts)


class _Progress:
    """Logs how far a shard is, now and then."""

    def __init__(self, log: Callable[..., None], what: str) -> None:
        self._log = log
        self._what = what
        self._started = self._last = time.monotonic()

    def __call__(self, done: int, frames: int) -> None:
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN_REPORTS and done < frames:
            return
        self._last = now
        fps = done / max(now - self._started, 1e-9)
        self._log(
            "%s: %d of %d frames (%.0f %%), %.1f fps, %.0f s left",
            *(self._what, done, frames, 100 * done / frames, fps, (frames - done) / fps),
        )
