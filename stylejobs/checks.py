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


@asset_check(asset=final_video, partitions_def=clips)
def frames_and_times(
    context: AssetCheckExecutionContext, studio: StudioResource
) -> AssetCheckResult:
    """The final video has every frame of the upload, each at the same time."""
    return _compared(context, studio, lambda _, manifest, result: compare_frames(manifest, result))


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
    compare: Callable[[Path, Manifest, Path], list[str]],
) -> AssetCheckResult:
    rules = studio.get()
    with explained(rules):
        clip = rules.clip(context.partition_key)
        place = rules.workplace(clip)
        manifest = rules.manifest(place)
        painted = clip.painted_path(rules.final_suffix(manifest))
        with rules.open_upload(place) as source, rules.store.open_local(painted) as result:
            differences = compare(source, manifest, result)
    return AssetCheckResult(
        passed=not differences,
        description="\n".join(differences) or "Identical to the upload.",
        metadata={"clip": clip.key, "path": painted, "frames": manifest.frame_count},
    )
