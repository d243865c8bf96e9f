"""Scores: what nothing changes is nothing, and what is the painting is all of it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path

import numpy as np
import pytest

from stylejobs.scoring.weights import load_weights
from stylejobs.training.evaluate import evaluate, painter
from stylejobs.training.perceptual import VGG16Features
from stylejobs_tests.training.pictures import SIDE, painting, photo


def unchanged(frames: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    return frames


def test_photos_as_they_are_have_gained_nothing(vgg: VGG16Features) -> None:
    clip = [photo(0)] * 12
    scores = evaluate(unchanged, unchanged, [photo(0)], clip, painting(), vgg, SIDE)
    assert scores.content_loss == 0
    assert scores.style_gained == 0
    assert (scores.warping_error, scores.warping_error_long) == (0, 0)
    assert scores.sharpness_kept == 1


def test_the_painting_itself_has_gained_everything(vgg: VGG16Features) -> None:
    scores = evaluate(
        lambda frames: [painting()] * len(frames), unchanged, [photo(0)], [], painting(), vgg, SIDE
    )
    assert scores.style_gained == pytest.approx(1, abs=1e-6)
    assert scores.content_loss > 0


def test_what_cannot_be_measured_is_no_number(vgg: VGG16Features) -> None:
    scores = evaluate(unchanged, unchanged, [photo(0)], [], None, vgg, SIDE)
    assert isnan(scores.style_loss)
    assert isnan(scores.warping_error)


def test_flicker_is_told_from_stillness(vgg: VGG16Features) -> None:
    noise = np.random.default_rng(0)

    def flicker(frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [noise.integers(0, 255, frame.shape, dtype=np.uint8) for frame in frames]

    scores = evaluate(unchanged, flicker, [photo(0)], [photo(0)] * 3, None, vgg, SIDE)
    assert scores.warping_error > 100


def test_a_painter_takes_frames_of_any_size(style_file: Path) -> None:
    paint = painter(load_weights(style_file), "cpu")
    sizes = [(32, 48, 3), (40, 32, 3)]
    assert [p.shape for p in paint([np.zeros(size, np.uint8) for size in sizes])] == sizes
