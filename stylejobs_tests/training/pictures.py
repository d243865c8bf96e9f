"""Pictures to learn from: smooth ones to paint, and one of strong strokes."""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 128


def photo(seed: int) -> np.ndarray:
    """Soft blobs of colour, (SIDE, SIDE, 3) uint8."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def painting() -> np.ndarray:
    """Blue and orange stripes, (SIDE, SIDE, 3) uint8."""
    across = np.add.outer(np.arange(SIDE), 2 * np.arange(SIDE)) // 9 % 2
    colours = np.array([[230, 140, 30], [20, 40, 160]], np.uint8)
    return colours[across]
