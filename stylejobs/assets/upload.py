"""The upload: a video that somebody dropped in the inbox. The sensor reports its versions."""

from dagster import AssetSpec

from stylejobs.assets.pictures import flow
from stylejobs.partitions import clips
from stylejobs.storage.clips import INBOX

upload = AssetSpec(
    "upload",
    partitions_def=clips,
    group_name=INBOX,
    description=(
        "A video that somebody dropped in `inbox/<style>/`. All that follows starts by itself,"
        f" and the result comes to `painted/<style>/`.\n\n{flow()}"
    ),
    kinds={"file"},
)
