"""The manifest of a clip: what is in the upload, and when every frame is shown."""

from dagster import AssetExecutionContext, DataVersion, MaterializeResult, asset

from stylejobs.assets.failures import explained
from stylejobs.assets.reports import manifest_facts
from stylejobs.assets.upload import UPLOAD_ETAG, upload
from stylejobs.config import Settings
from stylejobs.partitions import clips
from stylejobs.resources import StudioResource
from stylejobs.studio import manifest_version


@asset(
    partitions_def=clips,
    deps=[upload],
    group_name="painting",
    code_version=manifest_version(Settings.from_environment()),
    kinds={"ffmpeg", "json"},
)
def manifest(context: AssetExecutionContext, studio: StudioResource) -> MaterializeResult:
    """Probe and frame index: every frame's PTS, geometry, colour, streams, shard boundaries.

    The sensor makes it for each new upload; materialise it here to make it again.
    """
    rules = studio.get()
    with explained(rules):
        clip = rules.clip(context.partition_key)
        with explained(rules, clip):
            place = rules.workplace(clip, context.run.tags.get(UPLOAD_ETAG))
            made = rules.make_manifest(place)
    return MaterializeResult(
        metadata=manifest_facts(clip, made, place.manifest),
        data_version=DataVersion(place.version),
    )
