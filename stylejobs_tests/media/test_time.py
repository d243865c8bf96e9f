"""Every frame stands at its own time, whatever a container makes of times."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import ffmpeg
import numpy as np
import pytest

from stylejobs.media.colour import to_rgb
from stylejobs.media.errors import UnusableMedia
from stylejobs.media.normalise import normalised_frames
from stylejobs.media.probe import Limits, probe
from stylejobs.media.verify import compare
from stylejobs_tests.conftest import pattern, run_ffmpeg, tone

Paint = Callable[..., Path]
H264: dict[str, Any] = {"vcodec": "libx264", "preset": "ultrafast", "pix_fmt": "yuv420p"}


def times(path: Path) -> list[Fraction]:
    """When each frame is shown, by its packets alone; the first at zero."""
    with av.open(path) as container:
        packets = [p for p in container.demux(video=0) if p.size and not p.is_discard]
    shown = sorted(p.pts * p.time_base for p in packets)
    return [time - shown[0] for time in shown]


def pictures(path: Path) -> list[np.ndarray]:
    manifest = probe(path, Limits())
    frames = normalised_frames(path, manifest, manifest.pts)
    return [to_rgb(frame, manifest.video.colour).astype(np.int16) for frame in frames]


def assert_same_order(source: Path, result: Path) -> None:
    before, after = pictures(source), pictures(result)
    assert len(after) == len(before)
    for n, picture in enumerate(after):
        near = range(max(0, n - 2), min(len(before), n + 3))
        distance = {k: float(np.abs(before[k] - picture).mean()) for k in near}
        assert min(distance, key=distance.__getitem__) == n


def test_nothing_drifts_over_a_hundred_shards(paint_clip: Paint, tmp_path: Path) -> None:
    picture = pattern("30000/1001", 7, size="64x64")
    source = run_ffmpeg(picture, tone(7), out=tmp_path / "source.mp4", acodec="aac", bf=2, **H264)
    painted = paint_clip(source, tmp_path, 100)
    expected = [n * Fraction(1001, 30000) for n in range(210)]
    assert times(source) == times(painted) == expected
    assert compare(source, painted) == []


@pytest.mark.parametrize("rate", ["24000/1001", "60000/1001", "240", "1/10"])
def test_rates(rate: str, paint_clip: Paint, tmp_path: Path) -> None:
    seconds = 40 if rate == "1/10" else 1
    picture = pattern(rate, seconds, size="64x64")
    source = run_ffmpeg(picture, tone(1), out=tmp_path / "source.mp4", acodec="aac", bf=2, **H264)
    painted = paint_clip(source, tmp_path, 3)
    assert times(painted) == times(source)
    assert set(b - a for a, b in pairwise(times(painted))) == {1 / Fraction(rate)}
    assert compare(source, painted) == []


@pytest.mark.parametrize("seconds", [0.4, 4])
def test_sound_that_is_shorter_or_longer_than_the_pictures(
    seconds: float, paint_clip: Paint, tmp_path: Path
) -> None:
    source = run_ffmpeg(pattern(), tone(seconds), out=tmp_path / "source.mp4", acodec="aac", **H264)
    assert compare(source, paint_clip(source, tmp_path, 3)) == []


@pytest.mark.parametrize("start", [0.5, 0.52])
def test_what_an_edit_list_hides_stays_hidden(
    start: float, paint_clip: Paint, tmp_path: Path
) -> None:
    whole = run_ffmpeg(
        pattern(), tone(), out=tmp_path / "whole.mp4", acodec="aac", bf=2, g=12, **H264
    )
    # Copied from between two keyframes: an edit list hides what is only there to be decoded.
    cut = run_ffmpeg(ffmpeg.input(str(whole), ss=start), out=tmp_path / "cut.mp4", c="copy")
    with av.open(cut) as container:
        shown = sum(1 for _ in container.decode(video=0))
    assert probe(cut, Limits()).frame_count == shown
    painted = paint_clip(cut, tmp_path, 5)
    assert compare(cut, painted) == []
    assert_same_order(cut, painted)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("x264.avi", {"vcodec": "libx264", "bf": 3, "acodec": "libmp3lame"}),
        ("mpeg4.avi", {"vcodec": "mpeg4", "bf": 2, "acodec": "libmp3lame"}),
        ("bare.h264", {"vcodec": "libx264", "bf": 3}),
        ("bare.hevc", {"vcodec": "libx265", "x265-params": "bframes=3:log-level=error"}),
        ("bare.m2v", {"vcodec": "mpeg2video", "bf": 2}),
        ("bare.m4v", {"vcodec": "mpeg4", "bf": 2}),
        ("bare.ivf", {"vcodec": "libvpx", "auto-alt-ref": 1, "lag-in-frames": 16}),
        ("stream.mpg", {"vcodec": "mpeg2video", "bf": 2, "acodec": "mp2"}),
        ("palette.avi", {"vcodec": "rawvideo", "pix_fmt": "pal8"}),
    ],
)
def test_frames_whose_packets_do_not_tell_their_times(
    name: str, options: dict[str, Any], paint_clip: Paint, tmp_path: Path
) -> None:
    sounds = [tone(1)] if "acodec" in options else []
    options = {"pix_fmt": "yuv420p", "g": 8, **options}
    source = run_ffmpeg(pattern("25", 1), *sounds, out=tmp_path / name, **options)
    painted = paint_clip(source, tmp_path, 5)
    assert compare(source, painted) == []
    assert times(painted) == [n * Fraction(1, 25) for n in range(25)]
    assert_same_order(source, painted)


def test_a_clock_that_runs_over_in_the_middle(paint_clip: Paint, tmp_path: Path) -> None:
    """MPEG's 33 bits of 90 kHz are used up after 26.5 hours."""
    wrapping = {"output_ts_offset": 2**33 / 90000 - 1, "acodec": "aac", "bf": 2}
    source = run_ffmpeg(pattern(), tone(), out=tmp_path / "source.ts", **wrapping, **H264)
    painted = paint_clip(source, tmp_path, 5)
    assert compare(source, painted) == []
    assert times(painted) == [n * Fraction(1, 24) for n in range(48)]


def test_a_clock_that_jumps_back_is_refused(tmp_path: Path) -> None:
    once = run_ffmpeg(pattern(), out=tmp_path / "once.ts", bf=2, **H264)
    twice = tmp_path / "twice.ts"
    twice.write_bytes(once.read_bytes() * 2)
    with pytest.raises(UnusableMedia, match="times of the video's frames are not in order"):
        probe(twice, Limits())


@pytest.mark.parametrize("change", ["size", "pixels"])
def test_a_stream_that_changes_in_the_middle_keeps_the_form_of_its_start(
    change: str, paint_clip: Paint, tmp_path: Path
) -> None:
    larger = pattern("25", 1).filter("scale", 320, 240)
    picture = {"size": larger, "pixels": pattern("25", 1)}[change]
    pixels = {"size": "yuv420p", "pixels": "yuv422p"}[change]
    first = run_ffmpeg(pattern("25", 1), out=tmp_path / "1.ts", **H264)
    second = run_ffmpeg(
        picture,
        out=tmp_path / "2.ts",
        output_ts_offset=2,
        **{**H264, "pix_fmt": pixels},
    )
    source = tmp_path / "source.ts"
    source.write_bytes(first.read_bytes() + second.read_bytes())
    manifest = probe(source, Limits())
    assert any("changes its size" in note for note in manifest.notes) == (change == "size")
    painted = paint_clip(source, tmp_path, 3)
    assert compare(source, painted) == []
    after = pictures(painted)
    assert {picture.shape for picture in after} == {(96, 160, 3)}
    assert np.abs(after[5] - after[30]).mean() < 12  # the same pattern at the same moment
