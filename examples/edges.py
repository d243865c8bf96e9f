"""A pencil drawing of every frame: a Python entry point that makes pictures.

With stylejobs installed, from this repository's root::

    stylejobs style holiday.mp4 --style examples.edges:create

or, as a folder ``inbox/pencil`` of the pipeline::

    export STYLEJOBS_MODELS='{"pencil": "examples.edges:create"}'
"""

from __future__ import annotations

import numpy as np

from stylejobs.scoring.scorer import Scorer, Scores

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_STRENGTH = 2.0


def create(height: int, width: int) -> Scorer:
    """Called once a run with the size of the frames: the place to load weights."""
    del height, width  # a drawing needs no preparation
    return Pencil()


class Pencil:
    """Dark lines where the brightness changes (Sobel), on white."""

    device = "CPU (numpy)"
    batch_size = 1
    workers = 1

    def __call__(self, pictures: np.ndarray) -> Scores:
        """Draw each of ``pictures``, (N, H, W, 3) uint8 RGB."""
        luma = np.pad(pictures @ _LUMA, ((0, 0), (1, 1), (1, 1)), "edge")
        smooth_rows = luma[:, :-2] + 2 * luma[:, 1:-1] + luma[:, 2:]
        smooth_columns = luma[:, :, :-2] + 2 * luma[:, :, 1:-1] + luma[:, :, 2:]
        across = smooth_rows[:, :, 2:] - smooth_rows[:, :, :-2]
        down = smooth_columns[:, 2:] - smooth_columns[:, :-2]
        lines = np.hypot(across, down) * (_STRENGTH / 4)
        paper = (255 - np.minimum(lines, 255)).astype(np.uint8)
        return Scores(np.repeat(paper[..., np.newaxis], 3, axis=3))
