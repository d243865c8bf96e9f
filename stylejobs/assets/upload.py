"""The upload: a video that somebody dropped in the inbox. The sensor reports its versions."""

from dagster import AssetSpec

from stylejobs.partitions import clips

upload = AssetSpec(
    "upload",
    partitions_def=clips,
    group_name="painting",
    description="A video dropped in `inbox/<style>/<name>`. Its data version is the file's etag.",
    kinds={"file"},
)
