"""Asset checks: what a viewer would notice, compared after every delivery."""

from collections.abc import Callable
from pathlib import Path

from dagster import AssetCheckExecutionContext, AssetCheckResult, asset_check

from stylejobs.assets.failures import explained
from stylejobs.assets.final_video import final_video
from stylejobs.delivery import delivered
from stylejobs.media.container import MediaFile
from stylejobs.media.manifest import Manifest
from stylejobs.media.verify import compare_audio, compare_duration, compare_frames
from stylejobs.painting import TABLE_SUFFIX
from stylejobs.partitions import clips
from stylejobs.resources import StudioResource
from stylejobs.scoring.records import compare_table

_Compare = Callable[[MediaFile, Manifest, Path], list[str]]


@asset_check(asset=final_video, partitions_def=clips)
def frames_and_times(
    context: AssetCheckExecutionContext, studio: StudioResource
) -> AssetCheckResult:
    """The final video has every frame of the upload, each at the same time."""
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
    compare: _Compare,
    compare_rows: _Compare | None = None,
) -> AssetCheckResult:
    """Compare what was delivered with the upload: each video, and each table if that is asked."""
    rules = studio.get()
    differences: list[str] = []
    compared: list[str] = []
    with explained(rules):
        clip = rules.clip(context.partition_key)
        place = rules.workplace(clip)
        manifest = rules.manifest(place)
        delivery = delivered(rules, place, rules.recipe_of(clip))
        with rules.open_upload(place) as source:
            for path in delivery.files:
                how = compare_rows if path.endswith(TABLE_SUFFIX) else compare
                if how:
                    compared.append(path)
                    with rules.store.open_local(path) as result:
                        differences += how(source, manifest, result)
    fine = "Identical to the upload." if compared else "A table of records has none to compare."
    return AssetCheckResult(
        passed=not differences,
        description="\n".join(differences) or fine,
        metadata={
            "clip": clip.key,
            "path": ", ".join(delivery.files),
            "frames": manifest.frame_count,
        },
    )
