"""Pictures from files that strangers brought. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from stylejobs.training.errors import UnusablePicture

_FORMATS = ("JPEG", "PNG", "WEBP")
_SMALLEST_SIDE = 128
_MOST_PIXELS = 100_000_000
_FLATTEST = 2.0  # standard deviation of a picture's values, of 255
_MEASURED_AT = 640, 360


def check_picture(file: Path, name: str) -> None:
    """Look at a picture's header only.

    Raises:
        UnusablePicture: it is none, or too small or too large to learn from.
    """
    with _opened(file, name):
        pass


def load_picture(file: Path, largest_side: int) -> np.ndarray:
    """A picture whose shorter side is at most ``largest_side`` pixels, (H, W, 3) uint8 RGB.

    Raises:
        UnusablePicture: it cannot be read.
    """
    with _opened(file, file.name) as opened:
        opened.draft("RGB", (2 * largest_side, 2 * largest_side))  # JPEG: no more than needed
        pixels = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    return scaled_to(pixels, largest_side) if min(pixels.shape[:2]) > largest_side else pixels


def load_painting(file: Path, largest_side: int = 1024) -> np.ndarray:
    """As `load_picture`, of a picture that has a style.

    Raises:
        UnusablePicture: it cannot be read, or is of one colour.
    """
    painting = load_picture(file, largest_side)
    if painting.std((0, 1)).max() < _FLATTEST:
        raise UnusablePicture(f"{file.name} is of one colour.")
    return painting


@contextmanager
def _opened(file: Path, name: str) -> Iterator[Image.Image]:
    try:
        with Image.open(file, formats=_FORMATS) as opened:
            width, height = opened.size
            if min(width, height) < _SMALLEST_SIDE or width * height > _MOST_PIXELS:
                raise UnusablePicture(
                    f"{name} is {width}×{height} pixels; {_SMALLEST_SIDE} are needed on either"
                    f" side, and {_MOST_PIXELS:,} are allowed in all."
                )
            yield opened
    except (OSError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise UnusablePicture(f"{name} is no readable picture ({error}).") from None


def scaled_to(picture: np.ndarray, shorter_side: int) -> np.ndarray:
    """``picture``, (H, W, 3) uint8, scaled to a shorter side of so many pixels."""
    height, width = picture.shape[:2]
    scale = shorter_side / min(height, width)
    size = (max(shorter_side, round(width * scale)), max(shorter_side, round(height * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def fitted(picture: np.ndarray) -> np.ndarray:
    """The middle of a picture, 360 × 640: what styles are measured and shown on."""
    return np.asarray(ImageOps.fit(Image.fromarray(picture), _MEASURED_AT))
