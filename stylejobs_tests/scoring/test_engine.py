"""Decoding, scoring and encoding at once: nothing lost, nothing hidden, little in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from stylejobs.media.colour import from_rgb, to_rgb
from stylejobs.media.encode import MEZZANINE, SegmentWriter
from stylejobs.media.manifest import Colour, VideoTrack
from stylejobs.scoring.engine import Busy, paint, score
from stylejobs.scoring.scorer import IdentityScorer, Record, Scores

COLOUR = Colour(matrix="bt601", full_range=False, primaries=6, transfer=6, tagged=True)
TRACK = VideoTrack(
    stream=0,
    codec="h264",
    pixel_format="yuv420p",
    width=64,
    height=48,
    sample_aspect_ratio=(1, 1),
    display_matrix=None,
    colour=COLOUR,
    time_base=(1, 24),
    frame_rate=(24, 1),
)


def grey(shade: int) -> np.ndarray:
    return np.full((48, 64, 3), shade, np.uint8)


def frames(count: int) -> Iterator[av.VideoFrame]:
    for n in range(count):
        yield from_rgb(grey(20 + 4 * n), COLOUR, "yuv420p")


def writer(path: Path, count: int) -> SegmentWriter:
    return SegmentWriter(path, TRACK, range(count), MEZZANINE)


def shades(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [int(to_rgb(frame, COLOUR).mean()) for frame in container.decode(video=0)]


class Inverting(IdentityScorer):
    def __init__(self, batch_size: int = 1, workers: int = 1) -> None:
        self.batch_size = batch_size
        self.workers = workers

    def __call__(self, pictures: np.ndarray) -> Scores:
        assert 1 <= len(pictures) <= self.batch_size
        return Scores(255 - pictures)


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 1), (4, 1), (1, 2), (8, 2), (100, 3)])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 50])
def test_every_frame_comes_out_once_and_in_order(
    count: int, batch_size: int, workers: int, tmp_path: Path
) -> None:
    with writer(tmp_path / "out.mp4", count) as out:
        busy = paint(frames(count), Inverting(batch_size, workers), out, COLOUR)
    assert busy.frames == count
    if count:
        expected = [255 - (20 + 4 * n) for n in range(count)]
        assert np.abs(np.subtract(shades(tmp_path / "out.mp4"), expected)).max() <= 1


def test_each_frame_is_reported_with_its_pictures(tmp_path: Path) -> None:
    seen = []

    def on_frame(busy: Busy, picture: np.ndarray, painted: np.ndarray) -> None:
        seen.append((busy.frames, int(picture.mean()) + int(painted.mean())))

    with writer(tmp_path / "out.mp4", 6) as out:
        busy = paint(frames(6), Inverting(), out, COLOUR, on_frame)
    assert seen == [(n, 255) for n in range(1, 7)]
    assert min(busy.decode, busy.score, busy.encode) > 0


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 1), (4, 1), (3, 2)])
def test_pictures_are_finished_one_after_the_other_with_their_sources(
    batch_size: int, workers: int
) -> None:
    seen: list[int] = []
    written: list[int] = []

    def finish(source: np.ndarray, painted: np.ndarray) -> np.ndarray:
        seen.append(int(source.mean()))
        assert int(painted.mean()) == 255 - seen[-1]
        return source // 2

    def write(picture: np.ndarray | None, _: Record | None) -> None:
        assert picture is not None
        written.append(int(picture.mean()))

    scorer = Inverting(batch_size, workers)
    busy = score(frames(50), scorer, write, COLOUR, finish=finish)
    assert np.abs(np.subtract(seen, [20 + 4 * n for n in range(50)])).max() <= 1
    assert written == [shade // 2 for shade in seen]
    assert busy.finish > 0


def test_what_makes_no_pictures_has_nothing_to_finish() -> None:
    written: list[Record | None] = []
    score(frames(7), Shade(), lambda _, it: written.append(it), COLOUR, finish=failing_finish)
    assert len(written) == 7


def failing_finish(source: np.ndarray, painted: np.ndarray) -> np.ndarray:
    raise RuntimeError("finish")


class Shade(IdentityScorer):
    """Makes records only."""

    batch_size = 3

    def __call__(self, pictures: np.ndarray) -> Scores:
        return Scores(records=[{"shade": int(picture.mean())} for picture in pictures])


def test_a_model_may_make_records_in_place_of_pictures() -> None:
    written: list[tuple[np.ndarray | None, Record | None]] = []
    busy = score(frames(7), Shade(), lambda *scores: written.append(scores), COLOUR)
    assert busy.frames == 7
    assert all(picture is None for picture, _ in written)
    shades = [record["shade"] for _, record in written if record]
    assert np.abs(np.subtract(shades, [20 + 4 * n for n in range(7)])).max() <= 1


def test_a_model_without_pictures_paints_no_video(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="makes no pictures"),
        writer(tmp_path / "out.mp4", 7) as out,
    ):
        paint(frames(7), Shade(), out, COLOUR)


class FailingScorer(IdentityScorer):
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, pictures: np.ndarray) -> Scores:
        self.calls += 1
        if self.calls == 5:
            raise RuntimeError("scorer")
        return Scores(pictures)


def failing_source(count: int) -> Iterator[av.VideoFrame]:
    yield from frames(count)
    raise RuntimeError("source")


class FailingWriter(SegmentWriter):
    def write(self, frame: av.VideoFrame) -> None:
        if self._written == 3:
            raise RuntimeError("writer")
        super().write(frame)


@pytest.mark.parametrize("stage", ["scorer", "source", "writer", "finish"])
def test_an_error_of_any_stage_is_raised_and_its_threads_end(stage: str, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    source = failing_source(7) if stage == "source" else frames(30)
    scorer = FailingScorer() if stage == "scorer" else IdentityScorer()
    kind = FailingWriter if stage == "writer" else SegmentWriter
    with (
        pytest.raises(RuntimeError, match=stage),
        kind(tmp_path / "out.mp4", TRACK, range(30), MEZZANINE) as out,
    ):
        if stage == "finish":
            score(source, scorer, lambda *_: None, COLOUR, finish=failing_finish)
        paint(source, scorer, out, COLOUR)
    assert set(threading.enumerate()) <= before


def test_an_error_stops_the_work_soon(tmp_path: Path) -> None:
    read = []

    def source() -> Iterator[av.VideoFrame]:
        for n, frame in enumerate(frames(50)):
            read.append(n)
            yield frame

    with pytest.raises(RuntimeError), writer(tmp_path / "out.mp4", 50) as out:
        paint(source(), FailingScorer(), out, COLOUR)
    assert len(read) <= 12


def test_the_source_is_read_only_a_few_frames_ahead(tmp_path: Path) -> None:
    read = 0

    def source() -> Iterator[av.VideoFrame]:
        nonlocal read
        for frame in frames(40):
            read += 1
            yield frame

    ahead = []

    class SlowScorer(IdentityScorer):
        def __init__(self) -> None:
            self.done = 0

        def __call__(self, pictures: np.ndarray) -> Scores:
            time.sleep(0.005)
            ahead.append(read - self.done)
            self.done += 1
            return Scores(pictures)

    with writer(tmp_path / "out.mp4", 40) as out:
        paint(source(), SlowScorer(), out, COLOUR)
    assert read == 40
    assert max(ahead) <= 6


def test_a_slow_encoder_holds_the_scorer_back(tmp_path: Path) -> None:
    waiting = []

    class SlowWriter(SegmentWriter):
        def write(self, frame: av.VideoFrame) -> None:
            time.sleep(0.005)
            waiting.append(scorer.done - self._written)
            super().write(frame)

    class CountingScorer(IdentityScorer):
        done = 0

        def __call__(self, pictures: np.ndarray) -> Scores:
            self.done += 1
            return Scores(pictures)

    scorer = CountingScorer()
    with SlowWriter(tmp_path / "out.mp4", TRACK, range(40), MEZZANINE) as out:
        paint(frames(40), scorer, out, COLOUR)
    assert len(waiting) == 40
    assert max(waiting) <= 7
