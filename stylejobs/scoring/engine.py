"""Decode, score, finish and write at the same time, a few frames behind each other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from stylejobs.media.colour import from_rgb, to_rgb
from stylejobs.media.manifest import Colour
from stylejobs.scoring.scorer import Record, Scorer, Scores

if TYPE_CHECKING:
    import av
    import numpy as np

# Frames waiting on either side of the scorer, at least: enough to smooth, few enough for 4K.
_DEPTH = 4


@dataclass
class Busy:
    """Seconds that each stage worked, added up over its threads, and the frames done."""

    frames: int = 0
    decode: float = 0.0
    score: float = 0.0
    finish: float = 0.0
    encode: float = 0.0


class PictureWriter(Protocol):
    """Takes consecutive frames, as ``media.encode.SegmentWriter`` does."""

    pixel_format: str

    def write(self, frame: av.VideoFrame) -> None: ...


# Called with a frame's source and scored picture, (H, W, 3) uint8 RGB, and its record.
OnFrame = Callable[[Busy, "np.ndarray", "np.ndarray | None"], None]
Write = Callable[["np.ndarray | None", "Record | None"], None]
# From a frame's source and scored picture, the picture to write; (H, W, 3) uint8 RGB each.
Finish = Callable[["np.ndarray", "np.ndarray"], "np.ndarray"]


def paint(
    frames: Iterable[av.VideoFrame],
    scorer: Scorer,
    writer: PictureWriter,
    colour: Colour,
    on_frame: OnFrame = lambda *_: None,
) -> Busy:
    """Score each of ``frames`` with a model that makes pictures, and write those.

    See `score` for the rest.

    Raises:
        ValueError: the model makes none.
    """

    def write(picture: np.ndarray | None, record: Record | None) -> None:
        if picture is None:
            raise ValueError(f"The model on {scorer.device} makes no pictures.")
        writer.write(from_rgb(picture, colour, writer.pixel_format))

    return score(frames, scorer, write, colour, on_frame)


def score(
    frames: Iterable[av.VideoFrame],
    scorer: Scorer,
    write: Write,
    colour: Colour,
    on_frame: OnFrame = lambda *_: None,
    finish: Finish | None = None,
) -> Busy:
    """Score each of ``frames``; memory does not grow with their number.

    Decoding, finishing and writing run on a thread each beside the scorer's. The first error of
    any stage is raised here, after the frames in flight.

    Args:
        write: called for each frame, in order, with its picture and its record, whichever the
            model makes.
        on_frame: called after each frame with the figures so far, the source and the finished
            picture, (H, W, 3) uint8 RGB.
        finish: called for each picture, in order; what it returns goes in the picture's place.
    """
    return _Stages(frames, scorer, write, colour, on_frame, finish).run()


@dataclass
class _Stages:
    frames: Iterable[av.VideoFrame]
    scorer: Scorer
    write: Write
    colour: Colour
    on_frame: OnFrame
    finish: Finish | None

    def __post_init__(self) -> None:
        self.source = iter(self.frames)
        self.busy = Busy()
        self.lock = Lock()

    def run(self) -> Busy:
        with ExitStack() as threads:
            workers = self.scorer.workers
            decoders, scorers, finishers, writers = (
                _Threads(threads, name, count)
                for name, count in (("decode", 1), ("score", workers), ("finish", 1), ("write", 1))
            )
            ahead = deque(decoders.submit(self._decode) for _ in range(self._batches_ahead))
            scoring: deque[tuple[list[np.ndarray], Future[Scores]]] = deque()
            writing: deque[Future[None]] = deque()

            def pass_on() -> None:
                pictures, future = scoring.popleft()
                scores = future.result()
                writing.append(writers.submit(self._write, scores, len(pictures)))
                while len(writing) > self._batches_ahead:
                    writing.popleft().result()
                for n, picture in enumerate(pictures):
                    self.busy.frames += 1
                    scored = None if scores.pictures is None else scores.pictures[n]
                    self.on_frame(self.busy, picture, scored)

            while pictures := ahead.popleft().result():
                ahead.append(decoders.submit(self._decode))
                scores = scorers.submit(self._score, pictures)
                if self.finish:
                    scores = finishers.submit(self._finish, self.finish, pictures, scores)
                scoring.append((pictures, scores))
                # One batch more than there are threads, so that none ever waits for work.
                if len(scoring) > workers + (1 if self.finish else 0):
                    pass_on()
            while scoring:
                pass_on()
            for write in writing:
                write.result()
        return self.busy

    @property
    def _batches_ahead(self) -> int:
        return max(2, _DEPTH // self.scorer.batch_size)

    def _decode(self) -> list[np.ndarray]:
        started = time.perf_counter()
        pictures: list[np.ndarray] = []
        while len(pictures) < self.scorer.batch_size:
            frame = next(self.source, None)
            if frame is None:
                break
            pictures.append(to_rgb(frame, self.colour))
        self.busy.decode += time.perf_counter() - started
        return pictures

    def _score(self, pictures: list[np.ndarray]) -> Scores:
        import numpy as np

        started = time.perf_counter()
        # One picture is not copied.
        scores = self.scorer(np.stack(pictures) if len(pictures) > 1 else pictures[0][np.newaxis])
        with self.lock:
            self.busy.score += time.perf_counter() - started
        return scores

    def _finish(self, finish: Finish, sources: list[np.ndarray], scoring: Future[Scores]) -> Scores:
        import numpy as np

        scores = scoring.result()
        if scores.pictures is None:
            return scores
        started = time.perf_counter()
        pictures = [finish(*pair) for pair in zip(sources, scores.pictures, strict=True)]
        self.busy.finish += time.perf_counter() - started
        return replace(scores, pictures=np.stack(pictures))

    def _write(self, scores: Scores, count: int) -> None:
        started = time.perf_counter()
        for n in range(count):
            self.write(
                None if scores.pictures is None else scores.pictures[n],
                None if scores.records is None else scores.records[n],
            )
        self.busy.encode += time.perf_counter() - started


class _Threads:
    """A pool that, when an error leaves ``stack``, drops the work that has not begun."""

    def __init__(self, stack: ExitStack, name: str, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, name)
        stack.callback(self._pool.shutdown, wait=True, cancel_futures=True)
        self.submit = self._pool.submit
