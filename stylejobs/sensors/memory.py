"""What was taken in before: the event log knows, by the versions of each clip's `upload`."""

from collections.abc import Mapping, Sequence

from dagster import AssetKey, DagsterEventType, DagsterInstance
from pydantic import BaseModel, Field

from stylejobs import assets

DATA_VERSION = "dagster/data_version"


class Cursor(BaseModel):
    """What a completed tick leaves for the next one.

    A daemon that dies after it wrote a tick's events and before it noted the tick's runs would
    lose uploads. So events count only if the tick that wrote them left its cursor: those up to
    ``boundary``, written by earlier ticks, and those of the uploads in ``taken``. An upload that
    is taken a second time has the same run keys, and Dagster starts no run twice.

    Attributes:
        taken: clip key to etag of the uploads that the tick started or refused.
        boundary: the last entry of the event log when the tick began.
    """

    taken: dict[str, str] = Field(default_factory=dict)
    boundary: int | None = None


def present_boundary(instance: DagsterInstance) -> int:
    """The last entry of the event log."""
    return instance.event_log_storage.get_maximum_record_id() or 0


def known_versions(
    instance: DagsterInstance, last: Cursor, clip_keys: Sequence[str]
) -> Mapping[str, set[str]]:
    """The versions of each clip's upload that were started or refused last."""
    known = {key: {etag} for key, etag in last.taken.items()}
    if not clip_keys:
        return known
    for kind in (DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_OBSERVATION):
        versions = latest_versions(instance, assets.upload.key, kind, last.boundary, clip_keys)
        for key, etag in versions.items():
            known.setdefault(key, set()).add(etag)
    return known


def latest_versions(
    instance: DagsterInstance,
    asset: AssetKey,
    kind: DagsterEventType,
    boundary: int | None = None,
    partitions: Sequence[str] | None = None,
) -> dict[str, str]:
    """The latest data version of each partition, or of some, written up to ``boundary``."""
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        asset,
        kind,
        [DATA_VERSION],
        asset_partitions=partitions,
        before_cursor=None if boundary is None else boundary + 1,
    )
    return {key: found[DATA_VERSION] for key, found in tags.items()}
