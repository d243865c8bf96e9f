"""The whole way through the media code: what comes out has the source's frames and sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stylejobs.media.colour import to_rgb
from stylejobs.media.errors import FramesMismatch
from stylejobs.media.mux import mux
from stylejobs.media.normalise import normalised_frames
from stylejobs.media.probe import Limits, probe
from stylejobs.media.verify import compare

CLIPS = [
    "cfr.mp4",
    "ntsc.mp4",
    "vfr.mp4",
    "b_frames.mp4",
    "open_gop.mp4",
    "late_video.mp4",
    "late_audio.mp4",
    "two_languages.mp4",
    "single_frame.mp4",
    "silent.mp4",
    "opus.mkv",
    "vorbis.mkv",
    "wavpack.mkv",
    "mpeg_sound.ts",
    "odd.mp4",
    "wide_pixels.mp4",
    "matroska.mkv",
    "matroska_vfr.mkv",
    "stream.ts",
    "open_gop.ts",
    "late_audio.ts",
]

Clip = Callable[[str], Path]
Paint = Callable[[Path, Path, int], Path]


def pictures(path: Path) -> list[np.ndarray]:
    manifest = probe(path, Limits())
    frames = normalised_frames(path, manifest, manifest.pts)
    return [to_rgb(frame, manifest.video.colour).astype(np.int16) for frame in frames]


@pytest.mark.parametrize("name", CLIPS)
def test_a_painted_clip_equals_its_source(
    name: str, clip: Clip, paint_clip: Paint, tmp_path: Path
) -> None:
    painted = paint_clip(clip(name), tmp_path, 7)
    assert compare(clip(name), painted) == []


@pytest.mark.parametrize("shards", [1, 2, 5, 11, 48, 60])
def test_the_number_of_shards_changes_no_frame(
    shards: int, clip: Clip, paint_clip: Paint, tmp_path: Path
) -> None:
    source = clip("b_frames.mp4")
    painted = paint_clip(source, tmp_path, shards)
    assert compare(source, painted) == []


@pytest.mark.parametrize("name", ["b_frames.mp4", "open_gop.ts", "matroska_vfr.mkv"])
def test_each_picture_stands_at_its_own_time(
    name: str, clip: Clip, paint_clip: Paint, tmp_path: Path
) -> None:
    before = pictures(clip(name))
    after = pictures(paint_clip(clip(name), tmp_path, 5))
    assert len(after) == len(before)
    for n, picture in enumerate(after):
        near = range(max(0, n - 1), min(len(before), n + 2))
        distance = {k: float(np.abs(before[k] - picture).mean()) for k in near}
        assert min(distance, key=distance.__getitem__) == n


def test_painting_twice_gives_the_same_bytes(clip: Clip, paint_clip: Paint, tmp_path: Path) -> None:
    results = []
    for run in ("first", "second"):
        (tmp_path / run).mkdir()
        results.append(paint_clip(clip("late_audio.mp4"), tmp_path / run, 3).read_bytes())
    assert results[0] == results[1]


def test_a_missing_segment_is_noticed(clip: Clip, paint_clip: Paint, tmp_path: Path) -> None:
    source = clip("silent.mp4")
    paint_clip(source, tmp_path, 3)
    manifest = probe(source, Limits(shards=3, min_shard_frames=1))
    with pytest.raises(FramesMismatch, match="32 frames, the source 48"):
        mux(
            manifest,
            source,
            [tmp_path / "styled0.mp4", tmp_path / "styled1.mp4"],
            None,
            tmp_path / "x.mp4",
        )


def test_segments_of_uneven_frames_in_the_wrong_order_are_noticed(
    clip: Clip, paint_clip: Paint, tmp_path: Path
) -> None:
    source = clip("vfr.mp4")
    paint_clip(source, tmp_path, 5)
    manifest = probe(source, Limits(shards=5, min_shard_frames=1))
    swapped = [tmp_path / f"styled{n}.mp4" for n in (1, 0, 2, 3, 4)]
    with pytest.raises(FramesMismatch, match="not where the source has it"):
        mux(manifest, source, swapped, None, tmp_path / "x.mp4")
