"""The upload: a video that somebody dropped in the inbox. The sensor reports its versions."""

from dagster import AssetSpec

from stylejobs.partitions import clips

# On a run: the version of the upload that it was started for. It stops where that is replaced,
# and leaves the new version to the runs that were started for it.
UPLOAD_ETAG = "stylejobs/etag"

upload = AssetSpec(
    "upload",
    partitions_def=clips,
    group_name="painting",
    description="A video dropped in `inbox/<style>/<name>`. Its data version is the file's etag.",
    kinds={"file"},
)
