"""Pictures that strangers bring: taken, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylejobs.training.errors import UnusablePicture
from stylejobs.training.pictures import check_picture, load_painting, load_picture


def save(path: Path, size: tuple[int, int] = (200, 160), **options: object) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_pictures_of_the_usual_kinds_are_read(suffix: str, tmp_path: Path) -> None:
    assert load_picture(save(tmp_path / f"x{suffix}"), 1000).shape == (160, 200, 3)


def test_a_large_picture_is_made_smaller(tmp_path: Path) -> None:
    assert load_picture(save(tmp_path / "x.png", (400, 300)), 150).shape == (150, 200, 3)


def test_a_picture_taken_sideways_is_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90° clockwise
    assert load_picture(save(tmp_path / "x.jpg", exif=exif), 1000).shape == (200, 160, 3)


@pytest.mark.parametrize("name", ["text", "cut", "tiny", "flat", "format"])
def test_what_is_no_painting_is_refused_by_name(name: str, tmp_path: Path) -> None:
    file = tmp_path / "odd.png"
    if name == "text":
        file.write_text("not a picture")
    elif name == "cut":
        save(file)
        file.write_bytes(file.read_bytes()[:20_000])
    elif name == "tiny":
        save(file, (90, 300))
    elif name == "flat":
        Image.new("RGB", (200, 200), "red").save(file)
    else:
        save(tmp_path / "x.gif").rename(file)
    with pytest.raises(UnusablePicture, match=r"odd\.png"):
        load_painting(file)


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    file = tmp_path / "bomb.png"
    Image.new("1", (11_000, 10_000)).save(file)
    with pytest.raises(UnusablePicture, match="11000×10000"):
        check_picture(file, "bomb.png")
