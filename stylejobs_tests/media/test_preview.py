"""Contact sheets are small JPEGs that show before above after."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylejobs.media.preview import (
    as_markdown,
    contact_sheet,
    from_markdown,
    join_sheets,
    moving_picture,
)
from stylejobs.media.probe import Limits, probe

BLACK = np.zeros((96, 160, 3), np.uint8)
WHITE = np.full((96, 160, 3), 255, np.uint8)


def opened(jpeg: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(jpeg))
    assert picture.format == "JPEG"
    return picture


def test_before_is_above_after() -> None:
    sheet = np.asarray(opened(contact_sheet([(BLACK, WHITE)] * 3)).convert("L"))
    assert sheet[10, 10] < 10
    assert sheet[-10, 10] > 245


def test_one_row_of_source_pictures_is_enough() -> None:
    sheet = opened(contact_sheet([(BLACK,), (WHITE,)]))
    assert sheet.height == 96
    assert sheet.width > 2 * 160


def test_of_many_pictures_four_are_taken_evenly() -> None:
    shades = [(np.full((96, 160, 3), shade, np.uint8),) for shade in range(0, 240, 10)]
    sheet = np.asarray(opened(contact_sheet(shades)).convert("L"))
    columns = [int(sheet[48, 80 + n * 164]) for n in range(4)]
    assert columns == sorted(columns)
    assert np.ptp(np.diff(columns)) <= 2
    assert sheet.shape[1] == 4 * 164 - 4


@pytest.mark.parametrize("max_bytes", [60_000, 20_000, 5_000])
def test_a_sheet_of_noise_stays_below_the_limit(max_bytes: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    jpeg = contact_sheet([(noise, noise)] * 6, max_bytes)
    assert len(jpeg) < max_bytes
    opened(jpeg).load()


def test_no_picture_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs a picture"):
        contact_sheet([])


def test_markdown_holds_the_picture_itself() -> None:
    jpeg = contact_sheet([(BLACK, WHITE)])
    markdown = as_markdown(jpeg, "a [clip]")
    head, _, data = markdown.removesuffix(")").partition(",")
    assert head == "![a  clip ](data:image/jpeg;base64"
    assert base64.b64decode(data) == jpeg


def test_the_sheets_of_a_videos_parts_make_one_sheet_of_the_whole_video() -> None:
    grey = np.full_like(BLACK, 128)
    parts = [contact_sheet([(BLACK, picture)] * 4) for picture in (WHITE, grey)]
    whole = np.asarray(opened(join_sheets(parts)).convert("L"))
    assert whole.shape == (2 * 96 + 4, 4 * 164 - 4)
    assert whole[10, 10] < 10
    assert whole[-10, 10] > 245
    assert 120 < whole[-10, -10] < 136


def test_a_moving_picture_shows_two_seconds_in_few_bytes(clip: Callable[[str], Path]) -> None:
    video = probe(clip("large.mp4"), Limits()).video
    picture = moving_picture(clip("large.mp4"), video.colour, float(video.fps))
    assert len(picture) < 60_000
    markdown = as_markdown(picture, "moving")
    assert markdown.startswith("![moving](data:image/webp;base64,")
    assert from_markdown(markdown) == picture
    with Image.open(io.BytesIO(picture)) as moving:
        assert moving.n_frames == 16
        first = np.asarray(moving.convert("RGB"), int)
        moving.seek(8)
        assert np.abs(np.asarray(moving.convert("RGB"), int) - first).max() > 50
