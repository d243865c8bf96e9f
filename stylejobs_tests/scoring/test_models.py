"""Which models there are: what the setting may say, and when a model counts as another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stylejobs.config import Settings
from stylejobs.scoring.errors import UnusableModel
from stylejobs.scoring.models import Model
from stylejobs.scoring.weights import shipped_styles


def settings(monkeypatch: pytest.MonkeyPatch, models: Any) -> Settings:
    text = models if isinstance(models, str) else json.dumps(models)
    monkeypatch.setenv("STYLEJOBS_MODELS", text)
    return Settings.from_environment()


def test_models_are_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    net = {"model": "/nets/net.onnx", "scale": 1, "mean": [0.485, 0.456, 0.406]}
    models = dict(settings(monkeypatch, {"pencil": "examples.edges:create", "my net": net}).models)
    assert {name: str(model) for name, model in models.items()} == {
        "pencil": "examples.edges:create",
        "my net": "/nets/net.onnx",
    }
    assert models["my net"].scale == 1
    assert models["my net"].offset == pytest.approx([123.675, 116.28, 103.53])
    assert models["my net"].divisor == [255] * 3


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ("{", "is no JSON object"),
        ("3", "Input should be a valid tuple"),
        ({"x": "weights.pth"}, "'weights.pth' is no model: give package.module:factory, or"),
        ({"x": {}}, "Field required"),
        ({"x": {"model": "a.onnx", "sclae": 1}}, "sclae"),
        ({"x": {"model": "a.onnx", "scale": 0}}, "greater than 0"),
        ({"x": {"model": "a.onnx", "std": [1, 0, 1]}}, "each std must be more than 0"),
        ({"x": {"model": "a:b", "scale": 1}}, "scale is for model files"),
        ({"x": {"model": "a.pt2", "precision": "f32"}}, "precision is for ONNX"),
        ({"a/b": "a:b"}, "cannot be the name of a folder"),
        ({".a": "a:b"}, "cannot be the name of a folder"),
        ({"": "a:b"}, "cannot be the name of a folder"),
        ({next(iter(shipped_styles())): "a:b"}, "is a shipped style"),
    ],
)
def test_a_setting_that_names_no_model_is_an_error(
    models: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(monkeypatch, models)


@pytest.mark.parametrize(
    ("model", "name"),
    [("/nets/big.net.onnx", "big.net"), ("A.PT2", "A"), ("examples.edges:create", "edges")],
)
def test_results_are_named_after_the_model(model: str, name: str) -> None:
    assert Model(model=model).name == name


def test_a_model_is_another_one_when_its_file_or_its_options_change(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(b"one")
    versions = [Model(model=str(file)).version(), Model(model=str(file), scale=1).version()]
    moved = file.rename(tmp_path / "moved.onnx")
    assert Model(model=str(moved)).version() == versions[0]
    moved.write_bytes(b"other")
    versions.append(Model(model=str(moved)).version())
    (tmp_path / "moved.onnx.data").write_bytes(b"weights")
    versions.append(Model(model=str(moved)).version())
    assert len(set(versions)) == 4


def test_a_file_that_is_not_there_has_no_version(tmp_path: Path) -> None:
    with pytest.raises(UnusableModel, match=r"net.pt2 is not there\. Put it back"):
        Model(model=str(tmp_path / "net.pt2")).version()
