"""Tags that say which upload a run works on, however it was started."""

from __future__ import annotations

from collections.abc import Sequence

from dagster import AssetExecutionContext

from stylejobs.partitions import clip_and_shard
from stylejobs.storage.clips import Clip
from stylejobs.studio import MissingInput, Studio

# The version of the upload that the run was started for. It stops where that is replaced, and
# leaves the new version to the runs that were started for it.
UPLOAD_ETAG = "stylejobs/etag"
UPLOAD, STYLE = "stylejobs/upload", "stylejobs/style"


def labels(clip: Clip) -> dict[str, str]:
    """Tags to find the runs of a clip by."""
    return {UPLOAD: clip.upload_path, STYLE: clip.style}


def label(context: AssetExecutionContext, clips: Sequence[Clip]) -> None:
    """Tag a run that came without: from the UI, a backfill or the automation."""
    if UPLOAD not in context.run.tags and len(clips) == 1:
        context.instance.add_run_tags(context.run.run_id, labels(clips[0]))


def label_partitions(context: AssetExecutionContext, studio: Studio) -> None:
    """Tag a run of shards, if they are of one clip."""
    keys = {clip_and_shard(key)[0] for key in context.partition_keys}
    if UPLOAD in context.run.tags or len(keys) > 1:
        return
    try:
        label(context, [studio.clip(key) for key in keys])
    except MissingInput:
        return  # the asset says so
