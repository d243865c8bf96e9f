"""The pictures to learn from: random crops of a folder of photos, and paintings."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylejobs.training import PICTURE_SUFFIXES
from stylejobs.training.errors import UnusablePicture
from stylejobs.training.pictures import load_picture, scaled_to

# Of a photo's shorter side to a crop's: from nearly all of the scene to a part of it.
_ZOOM = (1.15, 2.5)
# The gradient through a stack of instance norms overflows on a crop of one single colour.
_FLATTEST_CROP = 4.0
LARGEST_SIDE = 640  # of a photo's shorter side: sharper than any crop


def load_photos(folder: Path) -> list[np.ndarray]:
    """The photos of a folder, each (H, W, 3) uint8 RGB, none larger than the training needs.

    Raises:
        UnusablePicture: there are none, or one cannot be read.
    """
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in PICTURE_SUFFIXES)
    if not files:
        raise UnusablePicture(f"{folder} holds no photos (*.jpg, *.png, *.webp).")
    return [load_picture(file, LARGEST_SIDE) for file in files]


def film_frames(clip: Path, count: int, consecutive: bool = False) -> list[np.ndarray]:
    """``count`` frames of a video, each (H, W, 3) uint8 RGB: evenly spread, or its first ones."""
    from stylejobs.media.colour import to_rgb
    from stylejobs.media.normalise import normalised_frames
    from stylejobs.media.probe import Limits, probe

    manifest = probe(clip, Limits())
    step = max(1, manifest.frame_count // count)
    wanted = [manifest.pts[:count]] if consecutive else [[t] for t in manifest.pts[::step][:count]]
    return [
        to_rgb(frame, manifest.video.colour)
        for pts in wanted
        for frame in normalised_frames(clip, manifest, pts)
    ]


def to_tensor(pixels: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 to (3, H, W) float, 0 to 255."""
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)


def photo_crops(photos: Sequence[np.ndarray], side: int, choose: random.Random) -> Iterator[Tensor]:
    """Endless random square crops, (3, side, side) float RGB 0 to 255, mirrored half the time."""
    while True:
        photo = choose.choice(photos)
        part = round(min(photo.shape[:2]) / choose.uniform(*_ZOOM))
        top = choose.randint(0, photo.shape[0] - part)
        left = choose.randint(0, photo.shape[1] - part)
        crop = scaled_to(photo[top : top + part, left : left + part], side)
        if crop.std() < _FLATTEST_CROP:
            continue
        if choose.random() < 0.5:
            crop = crop[:, ::-1]
        yield to_tensor(crop)
