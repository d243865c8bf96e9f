"""Small pictures of a video for the UI: before above after, side by side in time, and moving."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.media.manifest import Colour

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

_MOST_COLUMNS = 4  # as many as the dialog of the UI is wide
_GAP = 4  # pixels
# Tried in this order: quality is given up before size.
_CELL_WIDTHS = (240, 160, 96, 48, 16)
_QUALITIES = (85, 70, 50, 30)
_MOVING_SECONDS = 2.0
_MOVING_RATE = 8  # pictures a second
_MOVING_WIDTHS = (320, 240, 160, 80)
_MOVING_QUALITIES = (60, 30)


def contact_sheet(columns: Sequence[Sequence[np.ndarray]], max_bytes: int = 60_000) -> bytes:
    """A JPEG with one column for each moment.

    Args:
        columns: pictures from top to bottom, (H, W, 3) uint8 RGB of one size: ``(before,
            after)``, or ``(picture,)`` for a single row. Of more than four, four are taken, evenly
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
        # The comment says how the sheet is cut, so that sheets can be joined.
        cut = f"{len(chosen)}x{max(map(len, chosen))}"
        _sheet(chosen, width).save(out, "JPEG", quality=quality, optimize=True, comment=cut)
        if out.tell() < max_bytes:
            return out.getvalue()
    raise ValueError(f"No contact sheet fits into {max_bytes} bytes.")


def join_sheets(sheets: Sequence[bytes], max_bytes: int = 60_000) -> bytes:
    """One contact sheet for a video, out of those of its parts, in order."""
    return contact_sheet([column for sheet in sheets for column in _cut(sheet)], max_bytes)


def moving_picture(video: Path, colour: Colour, fps: float, max_bytes: int = 60_000) -> bytes:
    """The first seconds of ``video``, small, as an animated WebP that repeats for ever.

    Raises:
        ValueError: there is no picture, or ``max_bytes`` is too small for any.
    """
    import av
    from PIL import Image

    from stylejobs.media.colour import to_rgb

    step = max(1, round(fps / _MOVING_RATE))
    with av.open(str(video)) as container:
        frames = container.decode(video=0)
        shown = islice(frames, 0, max(1, round(_MOVING_SECONDS * fps)), step)
        pictures = [Image.fromarray(to_rgb(frame, colour)) for frame in shown]
    if not pictures:
        raise ValueError("A moving picture needs a frame.")
    for width, quality in product(_MOVING_WIDTHS, _MOVING_QUALITIES):
        size = _fitting(pictures[0].size, width)
        first, *others = [picture.resize(size, Image.Resampling.BOX) for picture in pictures]
        out = io.BytesIO()
        first.save(
            out,
            "WEBP",
            save_all=True,
            append_images=others,
            duration=round(1000 * step / fps),
            loop=0,
            quality=quality,
        )
        if out.tell() < max_bytes:
            return out.getvalue()
    raise ValueError(f"No moving picture fits into {max_bytes} bytes.")


def as_markdown(picture: bytes, alt: str) -> str:
    """A JPEG or WebP as Markdown that needs no other file."""
    plain = "".join(" " if c in "[]\\\n" else c for c in alt)
    kind = "webp" if picture[8:12] == b"WEBP" else "jpeg"
    return f"![{plain}](data:image/{kind};base64,{base64.b64encode(picture).decode()})"


def from_markdown(markdown: str) -> bytes:
    """The picture that ``as_markdown`` wrote."""
    return base64.b64decode(markdown.rpartition("base64,")[2].removesuffix(")"))


def _evenly(columns: Sequence[Sequence[np.ndarray]]) -> list[Sequence[np.ndarray]]:
    count = min(len(columns), _MOST_COLUMNS)
    return [columns[(2 * n + 1) * len(columns) // (2 * count)] for n in range(count)]


def _fitting(size: tuple[int, int], width: int) -> tuple[int, int]:
    """``size``, no wider than ``width``, in its own shape."""
    width = min(width, size[0])
    return width, max(1, round(size[1] * width / size[0]))


def _sheet(columns: Sequence[Sequence[np.ndarray]], cell_width: int) -> Image.Image:
    from PIL import Image

    height, width = columns[0][0].shape[:2]
    cell = _fitting((width, height), cell_width)
    step = (cell[0] + _GAP, cell[1] + _GAP)
    rows = max(map(len, columns))
    sheet = Image.new("RGB", (len(columns) * step[0] - _GAP, rows * step[1] - _GAP), "white")
    for x, column in enumerate(columns):
        for y, picture in enumerate(column):
            small = Image.fromarray(picture).resize(cell, Image.Resampling.BOX)
            sheet.paste(small, (x * step[0], y * step[1]))
    return sheet


def _cut(sheet: bytes) -> list[list[np.ndarray]]:
    """The columns of a sheet that ``contact_sheet`` made; none of one that does not say."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(sheet)) as picture:
        if "comment" not in picture.info:
            return []
        columns, rows = map(int, picture.info["comment"].split(b"x"))
        pixels = np.asarray(picture.convert("RGB"))
    height, width = (
        (n + _GAP) // m for n, m in zip(pixels.shape[:2], (rows, columns), strict=True)
    )
    return [
        [
            pixels[y * height : (y + 1) * height - _GAP, x * width : (x + 1) * width - _GAP]
            for y in range(rows)
        ]
        for x in range(columns)
    ]
