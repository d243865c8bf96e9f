"""The shipped styles at a glance: one picture, painted in each of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

_COLUMNS = 3
_WIDTH = 320  # of a cell, pixels
_LABEL = 18  # height of the line below it


def write_sheet(styles: Mapping[str, Path], picture: np.ndarray, out: Path) -> None:
    """Write a JPEG or PNG with ``picture`` as it is, then in each style, its name below.

    Args:
        styles: their files, by name.
        picture: (H, W, 3) uint8 RGB.
    """
    from PIL import Image
    from tqdm import tqdm

    from stylejobs.scoring.weights import load_weights
    from stylejobs.training.evaluate import painter

    cells = [_cell(picture, "the video")]
    for name, file in tqdm(styles.items(), unit=" styles"):
        (painted,) = painter(load_weights(file))([picture])
        cells.append(_cell(painted, name))
    width, height = cells[0].size
    rows = -(-len(cells) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * width, rows * height), "white")
    for n, cell in enumerate(cells):
        sheet.paste(cell, (n % _COLUMNS * width, n // _COLUMNS * height))
    partial = out.with_name(f".{out.name}.partial")
    sheet.save(partial, {".png": "PNG"}.get(out.suffix.lower(), "JPEG"), quality=85)
    partial.replace(out)


def _cell(picture: np.ndarray, label: str) -> Image:
    from PIL import Image, ImageDraw

    shown = Image.fromarray(picture)
    size = _WIDTH, round(_WIDTH * shown.height / shown.width)
    cell = Image.new("RGB", (_WIDTH + 4, size[1] + _LABEL), "white")
    cell.paste(shown.resize(size, Image.Resampling.LANCZOS), (2, 2))
    ImageDraw.Draw(cell).text((4, size[1] + 4), label, "black")
    return cell
