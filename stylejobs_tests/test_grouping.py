"""How the shards of a video are spread over runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stylejobs.config import Settings
from stylejobs.grouping import shard_groups
from stylejobs.media.manifest import Manifest, split_evenly
from stylejobs.media.probe import Limits, probe


@pytest.fixture
def manifest_of(clip: Callable[[str], Path]) -> Callable[[int, Settings], Manifest]:
    """A manifest as of a video of so many frames."""
    small = probe(clip("single_frame.mp4"), Limits())

    def make(frames: int, settings: Settings) -> Manifest:
        starts = split_evenly(frames, settings.shards, settings.min_shard_frames)
        return small.model_copy(update={"pts": tuple(range(frames)), "shard_starts": starts})

    return make


def sizes(groups: list[range]) -> list[int]:
    assert [shard for group in groups for shard in group] == list(range(groups[-1].stop))
    return [len(group) for group in groups]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (100_000, [4, 4, 4, 4]),  # evenly over the machines
        (7_000, [8, 8]),  # two starts are worth it, four are not
        (1_000, [16]),  # 8 filled shards, and the empty ones with them
        (1, [16]),
    ],
)
def test_a_video_is_spread_over_the_machines_as_far_as_starts_are_worth_it(
    manifest_of: Callable[[int, Settings], Manifest], frames: int, expected: list[int]
) -> None:
    settings = Settings(shards=16, shards_per_run=16, scoring_machines=4, frames_per_run=3000)
    assert sizes(shard_groups(settings, manifest_of(frames, settings))) == expected


def test_no_run_has_more_shards_than_it_may(
    manifest_of: Callable[[int, Settings], Manifest],
) -> None:
    settings = Settings(shards=8, shards_per_run=3)
    assert sizes(shard_groups(settings, manifest_of(10_000, settings))) == [3, 3, 2]
    assert sizes(shard_groups(settings, None)) == [3, 3, 2]


def test_unless_told_otherwise_one_run_paints_all() -> None:
    assert sizes(shard_groups(Settings(), None)) == [8]
