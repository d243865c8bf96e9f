"""Scores: what nothing changes is nothing, and what is the painting is all of it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path

import cv2
import numpy as np
import pytest

from stylejobs.scoring.controls import Controls
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
    assert set(scores.facts()) == {"content_loss"}


def test_flicker_is_told_from_stillness(vgg: VGG16Features) -> None:
    noise = np.random.default_rng(0)

    def flicker(frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [noise.integers(0, 255, frame.shape, dtype=np.uint8) for frame in frames]

    scores = evaluate(unchanged, flicker, [photo(0)], [photo(0)] * 3, None, vgg, SIDE)
    assert scores.warping_error > 100


def moving(count: int) -> list[np.ndarray]:
    wide = np.hstack([photo(0), photo(1), photo(2)])
    return [wide[:, n : n + SIDE] for n in range(count)]


def test_steadiness_shows_in_the_scores_and_its_seams_do_not(vgg: VGG16Features) -> None:
    noise = np.random.default_rng(0)

    def flicker(frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [cv2.add(frame, noise.integers(0, 40, 3).astype(float)) for frame in frames]

    clip = moving(18)
    painted = flicker(clip)
    as_usual, steady = (
        evaluate(unchanged, lambda _: painted, [photo(0)], clip, None, vgg, SIDE, controls)
        for controls in (Controls(), Controls(steady=0.5))
    )
    assert steady.warping_error < 0.6 * as_usual.warping_error
    assert as_usual.seam_ratio == pytest.approx(1)
    assert steady.seam_ratio == pytest.approx(1, abs=0.05)


def test_a_painter_takes_frames_of_any_size(style_file: Path) -> None:
    paint = painter(load_weights(style_file), "cpu")
    sizes = [(32, 48, 3), (40, 32, 3)]
    assert [p.shape for p in paint([np.zeros(size, np.uint8) for size in sizes])] == sizes
