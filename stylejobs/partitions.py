"""How the work is cut: clips come and go, each clip has the same number of shards."""

from __future__ import annotations

import warnings

from dagster import (
    BetaWarning,
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
