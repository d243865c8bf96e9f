"""How a video's frames are split into shards."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stylejobs.media.manifest import split_evenly

FRAMES = st.integers(1, 1_000_000)
SHARDS = st.integers(1, 64)
FLOOR = st.integers(0, 1_000)


def sizes(frames: int, shards: int, floor: int) -> list[int]:
    return [b - a for a, b in pairwise(split_evenly(frames, shards, floor))]


@given(FRAMES, SHARDS, FLOOR)
def test_shards_cover_all_frames_without_gaps(frames: int, shards: int, floor: int) -> None:
    starts = split_evenly(frames, shards, floor)
    assert len(starts) == shards + 1
    assert (starts[0], starts[-1]) == (0, frames)
    assert all(a <= b for a, b in pairwise(starts))


@given(FRAMES, SHARDS, FLOOR)
def test_shards_with_frames_hold_the_floor_and_differ_by_one(
    frames: int, shards: int, floor: int
) -> None:
    filled = [size for size in sizes(frames, shards, floor) if size]
    assert filled
    assert max(filled) - min(filled) <= 1
    assert len(filled) == 1 or min(filled) >= floor


@given(FRAMES, SHARDS, FLOOR)
def test_empty_shards_come_last(frames: int, shards: int, floor: int) -> None:
    filled = [size > 0 for size in sizes(frames, shards, floor)]
    assert filled == sorted(filled, reverse=True)


def test_240_frames_in_7_shards_lose_none() -> None:
    assert sizes(240, 7, 1) == [34, 34, 34, 35, 34, 34, 35]


def test_a_short_video_is_one_shard() -> None:
    assert sizes(240, 8, 120) == [120, 120, 0, 0, 0, 0, 0, 0]
    assert sizes(1, 4, 120) == [1, 0, 0, 0]
