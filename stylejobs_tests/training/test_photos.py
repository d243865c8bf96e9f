"""The crops that are learned from."""

from __future__ import annotations

import random
from itertools import islice

import numpy as np
import torch

from stylejobs.training.photos import photo_crops

_SIDE = 32


def test_crops_of_one_photo_show_more_or_less_of_it() -> None:
    ramp = np.linspace(0, 255, 240, dtype=np.uint8)
    photo = np.repeat(np.broadcast_to(ramp, (160, 240))[..., None], 3, axis=2)
    crops = list(islice(photo_crops([photo], _SIDE, random.Random(0)), 20))
    assert {crop.shape for crop in crops} == {(3, _SIDE, _SIDE)}
    shown = [float(crop.max() - crop.min()) for crop in crops]
    assert min(shown) < 255 * 160 / 240 / 2 < max(shown)
    assert any(bool(crop[0, 0, 0] > crop[0, 0, -1]) for crop in crops)  # mirrored


def test_a_crop_of_one_colour_is_not_learned_from() -> None:
    photo = np.zeros((100, 400, 3), np.uint8)
    photo[:, :100] = np.random.default_rng(0).integers(0, 255, (100, 100, 3))
    for crop in islice(photo_crops([photo], _SIDE, random.Random(0)), 20):
        assert torch.std(crop) > 1
