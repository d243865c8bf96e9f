"""Decode, score and encode at the same time, one frame behind the other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stylejobs.media.colour import from_rgb, to_rgb
from stylejobs.media.encode import SegmentWriter
from stylejobs.media.manifest import Colour
from stylejobs.scoring.scorer import Scorer

if TYPE_CHECKING:
    import av
    import numpy as np

# Frames waiting on either side of the scorer: enough to smooth, few enough for 4K.
_DEPTH = 4


@dataclass
class Busy:
    """Seconds that each stage worked, and the frames done."""

    frames: int = 0
    decode: float = 0.0
    score: float = 0.0
    encode: float = 0.0


def paint(
    frames: Iterable[av.VideoFrame],
    scorer: Scorer,
    writer: SegmentWriter,
    colour: Colour,
    on_frame: Callable[[Busy, np.ndarray, np.ndarray], None] = lambda *_: None,
) -> Busy:
    """Score each of ``frames`` and write the result; memory does not grow with their number.

    Decoding and encoding run on a thread each beside the scorer. The first error of any stage
    is raised here, after the frames in flight.

    Args:
        on_frame: called after each frame with the figures so far, the source and the painted
            picture, (H, W, 3) uint8 RGB.
    """
    busy = Busy()
    source = iter(frames)

    def decode() -> np.ndarray | None:
        started = time.perf_counter()
        frame = next(source, None)
        picture = None if frame is None else to_rgb(frame, colour)
        busy.decode += time.perf_counter() - started
        return picture

    def encode(picture: np.ndarray) -> None:
        started = time.perf_counter()
        writer.write(from_rgb(picture, colour, writer.pixel_format))
        busy.encode += time.perf_counter() - started

    with ThreadPoolExecutor(1, "decode") as decoder, ThreadPoolExecutor(1, "encode") as encoder:
        ahead = deque(decoder.submit(decode) for _ in range(_DEPTH))
        behind: deque[Future[None]] = deque()
        while (picture := ahead.popleft().result()) is not None:
            ahead.append(decoder.submit(decode))
            started = time.perf_counter()
            painted = scorer(picture)
            busy.score += time.perf_counter() - started
            behind.append(encoder.submit(encode, painted))
            if len(behind) > _DEPTH:
                behind.popleft().result()
            busy.frames += 1
            on_frame(busy, picture, painted)
        for write in behind:
            write.result()
    return busy
