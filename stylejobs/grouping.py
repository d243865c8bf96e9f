"""Which shards a run paints: enough to be worth its start, and evenly over the machines."""

from __future__ import annotations

from stylejobs.config import Settings
from stylejobs.media.manifest import Manifest


def shard_groups(settings: Settings, manifest: Manifest | None) -> list[range]:
    """The shards of each run, in order; without a manifest, as if all of them were filled.

    As many runs as there are machines, but none with too few frames to be worth a start or more
    shards than a run may have. Empty shards, at the end of a short video, ride with the last run.
    """
    filled, worth = settings.shards, settings.shards
    if manifest:
        filled = sum(bool(manifest.shard_pts(shard)) for shard in range(settings.shards))
        worth = manifest.frame_count // max(1, settings.frames_per_run)
    needed = -(-filled // settings.shards_per_run)
    runs = max(needed, min(settings.scoring_machines, filled, worth))
    starts = [-(-n * filled // runs) for n in range(runs)]
    return [range(*ends) for ends in zip(starts, [*starts[1:], settings.shards], strict=True)]
