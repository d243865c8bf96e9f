"""Asset checks: what a viewer would notice, compared after every delivery."""

from collections.abc import Callable
from pathlib import Path

from dagster import AssetCheckExecutionContext, AssetCheckResult, asset_check

from stylejobs.assets.failures import explained
from stylejobs.assets.final_video import final_video
from stylejobs.media.manifest import Manifest
from stylejobs.media.verify import compare_audio, compare_duration, compare_frames
from stylejobs.partitions import clips
from stylejobs.resources import StudioResource
from stylejobs.scoring.records import TABLE_SUFFIX, compare_table

Compare = Callable[[Path, Manifest, Path], list[str]]


@asset_check(asset=final_video, partitions_def=clips)
def frames_and_times(
    context: AssetCheckExecutionContext, studio: StudioResource
) -> AssetCheckResult:
    """The final video has every frame of the upload, each at the same time; so has a table."""
    return _compared(
        context,
        studio,
        lambda _, manifest, result: compare_frames(manifest, result),
        lambda _, manifest, table: compare_table(manifest, table),
    )


@asset_check(asset=final_video, partitions_def=clips)
def sound(context: AssetCheckExecutionContext, studio: StudioResource) -> AssetCheckResult:
    """Every audio packet of the upload is in the final video, bit for bit, at its time."""
    return _compared(context, studio, compare_audio)


@asset_check(asset=final_video, partitions_def=clips)
def duration(context: AssetCheckExecutionContext, studio: StudioResource) -> AssetCheckResult:
    """The final video lasts as long as the upload, give or take one frame."""
    return _compared(
        context, studio, lambda _, manifest, result: compare_duration(manifest, result)
    )


def _compared(
    context: AssetCheckExecutionContext,
    studio: StudioResource,
    compare: Compare,
    compare_lines: Compare | None = None,
) -> AssetCheckResult:
    """Compare the final video with the upload; or its table, of which not all can be asked."""
    rules = studio.get()
    with explained(rules):
        clip = rules.clip(context.partition_key)
        place = rules.workplace(clip)
        manifest = rules.manifest(place)
        results: dict[str, Compare | None] = {
            clip.painted_path(rules.final_suffix(manifest)): compare,
            clip.painted_path(TABLE_SUFFIX): compare_lines,
        }
        found = [path for path in results if rules.store.head(path)] or list(results)[:1]
        differences = []
        with rules.open_upload(place) as source:
            for path in found:
                if asked := results[path]:
                    with rules.store.open_local(path) as result:
                        differences += asked(source, manifest, result)
    said = "Identical to the upload." if any(results[p] for p in found) else "It is a table."
    return AssetCheckResult(
        passed=not differences,
        description="\n".join(differences) or said,
        metadata={"clip": clip.key, "path": "\n".join(found), "frames": manifest.frame_count},
    )
