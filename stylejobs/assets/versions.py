"""Data versions of runs that hold several partitions."""

from __future__ import annotations

from collections.abc import Mapping

from dagster import DataVersion


def common_version(versions: Mapping[str, str]) -> DataVersion | None:
    """The data version of all partitions of a run, if they are of one clip.

    Dagster keeps one data version for all partitions of a run. Where a backfill puts several
    clips in a run, None lets it derive one from the versions of the inputs.
    """
    return DataVersion(next(iter(versions.values()))) if len(versions) == 1 else None
