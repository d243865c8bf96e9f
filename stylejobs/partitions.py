"""How the work is cut: clips come and go, each clip has the same number of shards."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from dagster import (
    BetaWarning,
    DagsterInstance,
    DynamicPartitionsDefinition,
    MultiPartitionKey,
    MultiPartitionsDefinition,
    MultiToSingleDimensionPartitionMapping,
    PreviewWarning,
    StaticPartitionsDefinition,
)

from stylejobs.config import Settings

# Partition mappings, backfill policies and partitioned checks have been "beta" for years; users
# can do nothing about the warnings. This module is the first to use one.
warnings.simplefilter("ignore", BetaWarning)
warnings.simplefilter("ignore", PreviewWarning)

# Each new style, and those that are shipped.
styles = DynamicPartitionsDefinition(name="styles")

clips = DynamicPartitionsDefinition(name="clips")

shard_names = [f"{n:02d}" for n in range(Settings.from_environment().shards)]

# Dagster sorts dimensions by name: "clip" before "shard" makes a range of keys one clip's.
shards = MultiPartitionsDefinition(
    {"clip": clips, "shard": StaticPartitionsDefinition(shard_names)}
)

by_clip = MultiToSingleDimensionPartitionMapping(partition_dimension_name="clip")


def clip_and_shard(key: str) -> tuple[str, int]:
    """The clip key and shard number of a partition key of ``shards``."""
    if isinstance(key, MultiPartitionKey):
        return key.keys_by_dimension["clip"], int(key.keys_by_dimension["shard"])
    clip, _, shard = key.rpartition("|")
    return clip, int(shard)


# On a run of a range of shards: its first and its last.
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def shards_by_clip(instance: DagsterInstance, tags: Mapping[str, str]) -> dict[str, list[str]]:
    """The partition keys of a run with these tags, by clip; nothing if it has no range of shards.

    Dagster makes runs of several clips where a backfill has more clips than shards: one shard of
    many clips.
    """
    if RANGE[0] not in tags:
        return {}
    first, start = clip_and_shard(tags[RANGE[0]])
    last, end = clip_and_shard(tags.get(RANGE[1], tags[RANGE[0]]))
    found = [first]
    if first != last:
        known = list(instance.get_dynamic_partitions(str(clips.name)))
        found = known[known.index(first) : known.index(last) + 1]
    return {clip: [f"{clip}|{shard}" for shard in shard_names[start : end + 1]] for clip in found}
