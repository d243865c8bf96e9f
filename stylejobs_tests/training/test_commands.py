"""`stylejobs train` and `stylejobs evaluate`, as people type them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from stylejobs.cli import main
from stylejobs.scoring.weights import load_weights, shipped_styles
from stylejobs_tests.training.pictures import photo


@pytest.fixture
def photos_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(photo(1)).save(folder / "one.png")
    return folder


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("stylejobs.training.evaluate.FRAMES_TO_MEASURE", 2)


def test_a_painting_becomes_a_style_that_is_measured(
    painting_file: Path, photos_folder: Path, vgg_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = ["--photos", str(photos_folder), "--vgg", str(vgg_file), "--painting-side", "128"]
    options = ["--name", "mine", "--iterations", "1", "--artist", "Me"]
    assert main(["train", str(painting_file), *options, *shared]) == 0
    assert capsys.readouterr().out == "mine.safetensors\n"
    style = load_weights(Path("mine.safetensors"))
    assert style.about["artist"] == "Me"
    assert style.about["began_as"] in shipped_styles()
    assert sorted(p.name for p in Path().iterdir()) == ["mine.safetensors", "photos"]

    wanted = ["--painting", str(painting_file), "--out", "sheets", "--json"]
    assert main(["evaluate", "mine.safetensors", *wanted, *shared]) == 0
    (scores,) = json.loads(capsys.readouterr().out).values()
    assert scores["content_loss"] > 0
    assert scores["style_loss"] > 0
    assert Path("sheets/mine.jpg").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "nothing.jpg"], "nothing.jpg"),
        (["train", "text.jpg"], "text.jpg is no readable picture"),
        (["train", "PAINTING", "--out", "x.pth"], "let its name end in .safetensors"),
        (["train", "PAINTING", "--photos", "empty"], "holds no photos"),
        (["train", "PAINTING", "--vgg", "text.jpg"], "text.jpg cannot be read"),
        (["evaluate", "no_style", "--vgg", "VGG"], "no_style: no such style"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: list[str],
    message: str,
    painting_file: Path,
    vgg_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("text.jpg").write_text("no picture")
    Path("empty").mkdir()
    known = {"PAINTING": str(painting_file), "VGG": str(vgg_file)}
    assert main([known.get(argument, argument) for argument in arguments]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert message in errors[-1]
    assert not any("Traceback" in line for line in errors)
