"""`python -m stylejobs.training`: the shipped styles of a network, and a wider one after it."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylejobs.scoring import weights as weights_module
from stylejobs.scoring.weights import load_weights, shipped_styles
from stylejobs.training import __main__ as program
from stylejobs_tests.training.pictures import photo

CARD = {"title": "Stripes", "artist": "Nobody", "year": "1913"}
Train = Callable[..., None]


@pytest.fixture
def train(
    painting_file: Path, vgg_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Train:
    """Trains a family of one painting, with a few iterations of a tiny network."""
    cards = tmp_path / "cards.json"
    cards.write_text(json.dumps({"stripes": CARD}))
    monkeypatch.setattr(program, "_CARDS", cards)
    monkeypatch.setattr(weights_module, "SHIPPED", tmp_path / "styles")
    for folder in ("paintings", "photos", "held_out"):
        (tmp_path / folder).mkdir()
        Image.fromarray(photo(len(folder))).save(tmp_path / folder / "photo.png")
    with Image.open(painting_file) as picture:
        picture.save(tmp_path / "paintings" / "stripes.jpg")

    def program_with(network: str, *more: object) -> None:
        tiny = {"crop": 32, "painting-side": 64, "iterations": 2}
        options = [word for name, value in tiny.items() for word in (f"--{name}", value)]
        arguments = [
            *(tmp_path / "paintings", "--photos", tmp_path / "photos", "--vgg", vgg_file),
            *("--out", tmp_path / "styles" / network, *options, *more),
        ]
        monkeypatch.setattr(sys, "argv", ["stylejobs.training", *map(str, arguments)])
        program.main()

    return program_with


def test_a_family_is_trained_and_measured_and_a_wide_one_begins_with_it(
    train: Train, tmp_path: Path
) -> None:
    train("lean", "--width", 4, "--held-out", tmp_path / "held_out")
    style = load_weights(shipped_styles("lean")["stripes"])
    assert style.width == 4
    assert {name: style.about[name] for name in CARD} == CARD
    assert json.loads(style.about["training"])["iterations"] == 2
    assert json.loads(style.about["scores"])["style_loss"] > 0

    larger = ("--width", 8, "--blocks", 5)
    train("full", *larger, "--start", "lean", "--norm-learning-rate", 1e-9)
    wide = load_weights(shipped_styles("full")["stripes"])
    assert (wide.width, wide.blocks) == (8, 5)
    for name in ("in1.weight", "res3.in2.bias"):
        halves = np.split(wide.tensors[name], 2)
        for half in halves:
            np.testing.assert_allclose(half, style.tensors[name], atol=1e-3)


def test_a_network_is_not_gone_on_with_in_another_shape(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    train("lean", "--width", 4)
    with pytest.raises(SystemExit):
        train("lean", "--width", 4, "--blocks", 2, "--start", "lean")
    assert "the lean network has width 4 and 4 blocks" in capsys.readouterr().err


def test_help_says_what_every_setting_is_called(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["stylejobs.training", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_module("stylejobs.training", run_name="__main__")
    shown = capsys.readouterr().out
    assert "--steadiness-weight" in shown
    assert "--held-out" in shown
