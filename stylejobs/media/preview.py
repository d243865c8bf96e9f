"""Small pictures of a video for the UI: before above after, side by side in time."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

_MOST_COLUMNS = 6
_GAP = 4  # pixels
# Tried in this order: quality is given up before size.
_CELL_WIDTHS = (240, 160, 96, 48, 16)
_QUALITIES = (85, 70, 50, 30)


def contact_sheet(columns: Sequence[Sequence[np.ndarray]], max_bytes: int = 60_000) -> bytes:
    """A JPEG with one column for each moment.

    Args:
        columns: pictures from top to bottom, (H, W, 3) uint8 RGB of one size: ``(before,
            after)``, or ``(picture,)`` for a single row. Of more than six, six are taken, evenly
            spaced.
        max_bytes: what the JPEG stays below, at the cost of quality and size.

    Raises:
        ValueError: there is no picture, or ``max_bytes`` is too small for any sheet.
    """
    if not columns:
        raise ValueError("A contact sheet needs a picture.")
    chosen = _evenly(columns)
    for width, quality in product(_CELL_WIDTHS, _QUALITIES):
        out = io.BytesIO()
        _sheet(chosen, width).save(out, "JPEG", quality=quality, optimize=True)
        if out.tell() < max_bytes:
            return out.getvalue()
    raise ValueError(f"No contact sheet fits into {max_bytes} bytes.")


def as_markdown(jpeg: bytes, alt: str) -> str:
    """The picture as Markdown that needs no other file."""
    plain = "".join(" " if c in "[]\\\n" else c for c in alt)
    return f"![{plain}](data:image/jpeg;base64,{base64.b64encode(jpeg).decode()})"


def _evenly(columns: Sequence[Sequence[np.ndarray]]) -> list[Sequence[np.ndarray]]:
    count = min(len(columns), _MOST_COLUMNS)
    return [columns[(2 * n + 1) * len(columns) // (2 * count)] for n in range(count)]


def _sheet(columns: Sequence[Sequence[np.ndarray]], cell_width: int) -> Image.Image:
    from PIL import Image

    height, width = columns[0][0].shape[:2]
    cell_width = min(cell_width, width)
    cell = (cell_width, max(1, round(height * cell_width / width)))
    step = (cell[0] + _GAP, cell[1] + _GAP)
    rows = max(map(len, columns))
    sheet = Image.new("RGB", (len(columns) * step[0] - _GAP, rows * step[1] - _GAP), "white")
    for x, column in enumerate(columns):
        for y, picture in enumerate(column):
            small = Image.fromarray(picture).resize(cell, Image.Resampling.BOX)
            sheet.paste(small, (x * step[0], y * step[1]))
    return sheet
