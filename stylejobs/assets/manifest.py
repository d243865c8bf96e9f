"""The manifest of a clip: what is in the upload, and when every frame is shown."""

from dagster import AssetExecutionContext, DataVersion, MaterializeResult, asset

from stylejobs.assets.failures import explained
from stylejobs.assets.labels import UPLOAD_ETAG, label
from stylejobs.assets.reports import manifest_facts
from stylejobs.assets.upload import upload
from stylejobs.config import Settings
from stylejobs.partitions import clips
from stylejobs.resources import StudioResource
from stylejobs.storage.clips import WORK
from stylejobs.studio import manifest_version


@asset(
    partitions_def=clips,
    deps=[upload],
    group_name=WORK,
    code_version=manifest_version(Settings.from_environment()),
    kinds={"ffmpeg", "json"},
)
def manifest(context: AssetExecutionContext, studio: StudioResource) -> MaterializeResult:
    """What is in a video: when every frame is shown, its size, colours, tracks and shards.

    The sensor makes it for each new upload; materialise it here to make it again.
    """
    rules = studio.get()
    with explained(rules):
        clip = rules.clip(context.partition_key)
        with explained(rules, clip):
            place = rules.workplace(clip, context.run.tags.get(UPLOAD_ETAG))
            label(context, [clip])
            made = rules.make_manifest(place)
    return MaterializeResult(
        metadata=manifest_facts(clip, made, place.manifest),
        data_version=DataVersion(place.version),
    )
