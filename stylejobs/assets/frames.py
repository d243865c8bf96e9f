"""The frames of a clip's shard: upright, 8-bit, lossless, exact in time, cheap to decode."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetDep,
    AssetExecutionContext,
    BackfillPolicy,
    Config,
    MaterializeResult,
    asset,
)
from pydantic import Field

from stylejobs.assets.failures import explained
from stylejobs.assets.labels import UPLOAD_ETAG, label_partitions
from stylejobs.assets.manifest import manifest
from stylejobs.assets.reports import Samples, Stopwatch, part_facts
from stylejobs.assets.versions import common_version
from stylejobs.media.colour import to_rgb
from stylejobs.media.encode import MEZZANINE, SegmentWriter
from stylejobs.media.normalise import normalised_frames
from stylejobs.partitions import by_clip, clip_and_shard, shard_names, shards
from stylejobs.resources import StudioResource
from stylejobs.scoring.controls import LONGEST_WARM_UP
from stylejobs.storage.clips import WORK, Workplace
from stylejobs.storage.parts import Part, commit_part, find_part
from stylejobs.studio import FRAMES_VERSION, Studio

if TYPE_CHECKING:
    import av

# A backfill puts as many shards in a run as a clip has; ranges never span clips by halves.
backfills = BackfillPolicy.multi_run(max_partitions_per_run=len(shard_names))


class FramesConfig(Config):
    again: bool = Field(
        default=False, description="Cut the shard again even where a finished part is there."
    )


@asset(
    partitions_def=shards,
    deps=[AssetDep(manifest, partition_mapping=by_clip)],
    group_name=WORK,
    code_version=FRAMES_VERSION,
    backfill_policy=backfills,
    kinds={"ffmpeg"},
)
def frames(
    context: AssetExecutionContext, config: FramesConfig, studio: StudioResource
) -> MaterializeResult:
    """The frames of one shard of a video, upright and lossless, with a few of them as a picture.

    A video is cut into shards of whole frames, so that many can be painted side by side. A short
    video fills the first few; the others are empty.
    """
    rules = studio.get()
    versions = {}
    label_partitions(context, rules)
    for key in context.partition_keys:
        clip_key, shard = clip_and_shard(key)
        with explained(rules):
            clip = rules.clip(clip_key)
            with explained(rules, clip):
                place = rules.workplace(clip, context.run.tags.get(UPLOAD_ETAG))
                found = None if config.again else find_part(rules.store, place.frames(shard))
                part = found or cut(rules, place, shard)
                if rules.controls(clip).steady:
                    lead_in(rules, place, shard, config.again)
        versions[clip_key] = place.version
        context.log.info("%s shard %02d: %d frames", clip_key, shard, part.frames)
        context.add_asset_metadata(
            part_facts(part, place.frames(shard), reused=found is not None), partition_key=key
        )
    return MaterializeResult(data_version=common_version(versions))


def cut(studio: Studio, place: Workplace, shard: int) -> Part:
    """Make the frames part of one shard of ``place``."""
    manifest = studio.manifest(place)
    pts = manifest.shard_pts(shard)
    samples = Samples(len(pts))

    def on_frame(index: int, frame: "av.VideoFrame") -> None:
        if samples.wants(index):
            samples.add(to_rgb(frame, manifest.video.colour))

    return _write(studio, place, pts, place.frames(shard), on_frame, samples.preview)


def lead_in(studio: Studio, place: Workplace, shard: int, again: bool = False) -> None:
    """Make the frames before a shard a part of their own, where a blend warms up with them.

    They are the last of the shard before, but that may be in work elsewhere, or not there yet.
    """
    manifest = studio.manifest(place)
    first = manifest.shard_starts[shard]
    path = place.lead_in(shard)
    if manifest.shard_pts(shard) and first and (again or not find_part(studio.store, path)):
        _write(studio, place, manifest.pts[max(0, first - LONGEST_WARM_UP) : first], path)


def _write(
    studio: Studio,
    place: Workplace,
    pts: Sequence[int],
    path: str,
    on_frame: Callable[[int, "av.VideoFrame"], None] = lambda *_: None,
    more_facts: Callable[[], Mapping[str, Any]] = dict,
) -> Part:
    """Cut the frames at ``pts`` out of the upload, as the part at ``path``."""
    watch = Stopwatch()
    manifest = studio.manifest(place)
    if not pts:
        return commit_part(studio.store, path, None, 0, watch.facts(0, manifest.video))
    with studio.store.scratch() as folder:
        file = folder / "frames.mp4"
        with (
            studio.open_upload(place) as source,
            SegmentWriter(file, manifest.video, pts, MEZZANINE) as writer,
        ):
            repair = studio.settings.repair_damage
            for index, frame in enumerate(normalised_frames(source, manifest, pts, repair)):
                on_frame(index, frame)
                writer.write(frame)
        facts = {**watch.facts(len(pts), manifest.video), **more_facts()}
        return commit_part(studio.store, path, file, len(pts), facts)
