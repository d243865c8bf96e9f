"""The pictures to learn from: random crops of a folder of photos, and paintings."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
# Of a photo's shorter side to a crop's: from nearly all of the scene to a part of it.
_ZOOM = (1.15, 2.2)
# The gradient through a stack of instance norms overflows on a crop of one single colour.
_FLATTEST_CROP = 4.0
_SMALLEST_SIDE = 128
_LARGEST_SIDE = 640  # of a photo's shorter side: sharper than any crop


class UnusablePicture(Exception):
    """A file is no picture to learn from. The message is for people."""


def load_photos(folder: Path) -> list[np.ndarray]:
    """The photos of a folder, each (H, W, 3) uint8 RGB, none larger than the training needs.

    Raises:
        FileNotFoundError: there are none.
    """
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in PICTURE_SUFFIXES)
    if not files:
        raise FileNotFoundError(f"{folder} holds no photos (*.jpg, *.png, *.webp).")
    return [load_picture(file, _LARGEST_SIDE) for file in files]


def film_frames(clip: Path, count: int) -> list[np.ndarray]:
    """``count`` frames of a video, evenly spread, each (H, W, 3) uint8 RGB."""
    from stylejobs.media.colour import to_rgb
    from stylejobs.media.normalise import normalised_frames
    from stylejobs.media.probe import Limits, probe

    manifest = probe(clip, Limits())
    step = max(1, manifest.frame_count // count)
    frames = normalised_frames(clip, manifest, manifest.pts[::step][:count])
    return [to_rgb(frame, manifest.video.colour) for frame in frames]


def load_picture(file: Path, largest_side: int) -> np.ndarray:
    """A picture whose shorter side is at most ``largest_side`` pixels, (H, W, 3) uint8 RGB.

    Raises:
        UnusablePicture: it cannot be read, or is no picture.
    """
    try:
        with Image.open(file) as opened:
            if min(opened.size) < _SMALLEST_SIDE:
                raise UnusablePicture(
                    f"{file.name} is {opened.width}×{opened.height} pixels; at least"
                    f" {_SMALLEST_SIDE} are needed on either side."
                )
            opened.draft("RGB", (2 * largest_side, 2 * largest_side))  # JPEG: no more than needed
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise UnusablePicture(f"{file.name} is no readable picture ({error}).") from None
    pixels = np.asarray(picture)
    return scaled_to(pixels, largest_side) if min(picture.size) > largest_side else pixels


def scaled_to(picture: np.ndarray, shorter_side: int) -> np.ndarray:
    """``picture``, (H, W, 3) uint8, scaled to a shorter side of so many pixels."""
    height, width = picture.shape[:2]
    scale = shorter_side / min(height, width)
    size = (max(shorter_side, round(width * scale)), max(shorter_side, round(height * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def to_tensor(pixels: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 to (3, H, W) float, 0 to 255."""
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)


def photo_crops(
    photos: Sequence[np.ndarray], side: int, choose: random.Random
) -> Iterator[Tensor]:
    """Endless random square crops, (3, side, side) float RGB 0 to 255, mirrored half the time."""
    scaled = [scaled_to(photo, round(side * choose.uniform(*_ZOOM))) for photo in photos]
    while True:
        photo = choose.choice(scaled)
        top = choose.randint(0, photo.shape[0] - side)
        left = choose.randint(0, photo.shape[1] - side)
        crop = photo[top : top + side, left : left + side]
        if crop.std() < _FLATTEST_CROP:
            continue
        if choose.random() < 0.5:
            crop = crop[:, ::-1]
        yield to_tensor(crop)
