"""A model that takes its time and notes when: as a GPU would, it leaves the CPU alone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from stylejobs.scoring.scorer import Scorer, Scores

SECONDS = 0.3


def create(height: int, width: int) -> Scorer:
    del height, width
    return Slow()


class Slow:
    device = "a clock"
    batch_size = 1
    workers = 1

    def __call__(self, pictures: np.ndarray) -> Scores:
        started = time.time()
        time.sleep(SECONDS)
        log = Path(os.environ["STYLEJOBS_SLOW_LOG"]) / f"{os.getpid()}.log"
        with log.open("a") as out:
            out.write(f"{started} {time.time()}\n")
        return Scores(pictures)
