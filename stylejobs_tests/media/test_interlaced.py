"""Frames of two fields become one picture each, wherever a shard starts and ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import av
import numpy as np
import pytest

from stylejobs.media.decode import read_frames
from stylejobs.media.normalise import normalised_frames
from stylejobs.media.probe import Limits, probe
from stylejobs.media.verify import compare
from stylejobs_tests.conftest import interlaced, pattern, run_ffmpeg

Clip = Callable[[str], Path]

CLIPS = ["interlaced.mp4", "interlaced.ts"]


def combing(frames: Iterable[av.VideoFrame]) -> float:
    """How much the luma of a row differs from the next row's; the bars themselves are upright."""
    steps = [
        np.abs(np.diff(frame.to_ndarray()[: frame.height].astype(float), axis=0)).mean()
        for frame in frames
    ]
    return float(np.mean(steps))


@pytest.mark.parametrize("name", CLIPS)
def test_fields_are_put_together(name: str, clip: Clip) -> None:
    manifest = probe(clip(name), Limits())
    assert manifest.video.interlaced
    assert "Interlaced: each pair of fields becomes one frame." in manifest.notes
    frames = list(normalised_frames(clip(name), manifest, manifest.pts))
    assert [frame.pts for frame in frames] == list(manifest.pts)
    assert len(frames) == 24
    woven = combing(read_frames(clip(name), manifest, manifest.pts))
    assert combing(frames) < woven / 3


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("shards", [2, 7, 24])
def test_a_frame_is_the_same_in_any_shard(name: str, shards: int, clip: Clip) -> None:
    manifest = probe(clip(name), Limits(shards=shards, min_shard_frames=1))
    whole = normalised_frames(clip(name), manifest, manifest.pts)
    parts = (
        frame
        for shard in range(shards)
        for frame in normalised_frames(clip(name), manifest, manifest.shard_pts(shard))
    )
    for want, have in zip(whole, parts, strict=True):
        assert have.pts == want.pts
        assert np.array_equal(have.to_ndarray(), want.to_ndarray())


@pytest.mark.parametrize("name", CLIPS)
def test_a_painted_clip_equals_its_source(
    name: str, clip: Clip, paint_clip: Callable[[Path, Path, int], Path], tmp_path: Path
) -> None:
    painted = paint_clip(clip(name), tmp_path, 5)
    assert compare(clip(name), painted) == []
    assert not probe(painted, Limits()).video.interlaced


def test_a_single_interlaced_frame_stays_one(tmp_path: Path) -> None:
    options = {"frames:v": 1, "x264-params": "tff=1", "flags": "+ildct+ilme"}
    source = run_ffmpeg(interlaced(), out=tmp_path / "one.mp4", vcodec="libx264", **options)
    manifest = probe(source, Limits())
    assert manifest.video.interlaced
    frames = list(normalised_frames(source, manifest, manifest.pts))
    assert [frame.pts for frame in frames] == list(manifest.pts)


def test_what_does_not_move_stays_sharp(tmp_path: Path) -> None:
    still = pattern("24", 0.5).filter("loop", loop=-1, size=1).filter("trim", end_frame=12)
    options = {"x264-params": "tff=1", "flags": "+ildct+ilme", "pix_fmt": "yuv420p", "qp": 0}
    source = run_ffmpeg(still, out=tmp_path / "still.mp4", vcodec="libx264", **options)
    manifest = probe(source, Limits())
    assert manifest.video.interlaced
    woven = read_frames(source, manifest, manifest.pts)
    whole = normalised_frames(source, manifest, manifest.pts)
    for before, after in list(zip(woven, whole, strict=True))[1:-1]:
        error = np.abs(before.to_ndarray().astype(float) - after.to_ndarray())
        assert error.mean() <= 0.5


def test_packed_pixels_are_deinterlaced_too(tmp_path: Path) -> None:
    fields = interlaced().filter("format", "uyvy422")
    source = tmp_path / "packed.mov"
    run_ffmpeg(fields, out=source, vcodec="rawvideo", flags="+ildct+ilme", field_order="tt")
    manifest = probe(source, Limits())
    assert manifest.video.interlaced
    assert combing(normalised_frames(source, manifest, manifest.pts)) < 2


def test_progressive_video_is_not_touched(clip: Clip) -> None:
    manifest = probe(clip("b_frames.mp4"), Limits())
    assert not manifest.video.interlaced
    assert manifest.notes == ()
