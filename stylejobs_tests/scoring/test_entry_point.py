"""Models that are Python: what a factory may get wrong is said in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stylejobs.scoring.entry_point import (
    entry_point_version,
    is_entry_point,
    load_entry_point,
)
from stylejobs.scoring.errors import UnusableModel

SCORER = """
from stylejobs.scoring.scorer import Scores

class Scorer:
    device, batch_size, workers = "CPU", 2, 1

    def __call__(self, pictures):
        return {result}

def create(height, width):
    return Scorer()
"""
BLACK = np.zeros((2, 4, 6, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to import from; what was imported is forgotten."""
    monkeypatch.syspath_prepend(str(tmp_path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def refusal(entry_point: str, *, call: bool = False) -> str:
    with pytest.raises(UnusableModel) as caught:
        scorer = load_entry_point(entry_point, 4, 6)
        if call:
            scorer(BLACK)
    return str(caught.value)


@pytest.mark.parametrize("text", ["a:b", "package.module:factory", "a.b.c:D.make", "é:x"])
def test_a_module_and_a_name_are_an_entry_point(text: str) -> None:
    assert is_entry_point(text)


@pytest.mark.parametrize("text", ["a", "a:", ":b", "a/b:c", "a b:c", "C:\\x", "1a:b", "a:b:c", ""])
def test_other_text_is_none(text: str) -> None:
    assert not is_entry_point(text)


def test_a_factory_gets_the_frames_size_and_gives_the_scorer(folder: Path) -> None:
    result = "Scores(pictures + 1, [{'size': pictures.shape[2]}] * len(pictures))"
    (folder / "mine.py").write_text(SCORER.format(result=result))
    scorer = load_entry_point("mine:create", 4, 6)
    assert (scorer.device, scorer.batch_size, scorer.workers) == ("CPU", 2, 1)
    scores = scorer(BLACK)
    assert scores.pictures is not None
    assert scores.pictures.max() == 1
    assert scores.records == [{"size": 6}] * 2


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "There is no module 'mine'"),
        ("import surely_not_installed", "mine cannot be imported. ModuleNotFoundError: No module"),
        ("x = 1 +", "mine cannot be imported. SyntaxError"),
        ("", "mine has no function 'create'"),
        ("create = 3", "mine has no function 'create'"),
        ("def create(height): ...", "mine:create failed for frames of 6×4. TypeError"),
        ("def create(h, w):\n    1 / 0", "ZeroDivisionError: division by zero (mine.py, line 2)"),
        ("def create(h, w): ...", "gives a NoneType, which is no scorer: it cannot be called"),
        ("def create(h, w): return print", "it has no text 'device'"),
        (SCORER.replace("2, 1", "0, 1"), "it has no 'batch_size' of 1 or more"),
    ],
)
def test_a_factory_that_cannot_be_used_is_explained(
    source: str | None, words: str, folder: Path
) -> None:
    if source is not None:
        (folder / "mine.py").write_text(source)
    assert words in refusal("mine:create")


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("1 / 0", "mine:create failed on frames of 6×4. ZeroDivisionError: division by zero"),
        ("1 / 0", "(mine.py, line 8)"),
        ("pictures", "mine:create gives a ndarray, not Scores"),
        ("Scores()", "gives neither pictures nor records"),
        ("Scores(pictures[:1])", "pictures of (1, 4, 6, 3) uint8, not (2, 4, 6, 3) uint8"),
        ("Scores(pictures * 1.0)", "pictures of (2, 4, 6, 3) float64, not"),
        ("Scores([1, 2])", "gives pictures of None None"),
        ("Scores(records=[{}])", "gives 1 records for 2 frames"),
    ],
)
def test_scores_that_do_not_fit_are_explained(result: str, words: str, folder: Path) -> None:
    (folder / "mine.py").write_text(SCORER.format(result=result))
    assert words in refusal("mine:create", call=True)


def test_a_model_does_not_change_between_pictures_and_records(folder: Path) -> None:
    result = "Scores(pictures) if pictures.any() else Scores(records=[{}, {}])"
    (folder / "mine.py").write_text(SCORER.format(result=result))
    scorer = load_entry_point("mine:create", 4, 6)
    scorer(BLACK)
    with pytest.raises(UnusableModel, match="pictures for some frames and only records"):
        scorer(BLACK + 1)


def test_what_the_machine_fails_in_is_not_the_models_fault(folder: Path) -> None:
    (folder / "mine.py").write_text("def create(h, w): open('/nowhere/weights')")
    with pytest.raises(FileNotFoundError):
        load_entry_point("mine:create", 4, 6)


def test_the_version_changes_with_the_source_and_imports_no_model(folder: Path) -> None:
    package = folder / "mine"
    package.mkdir()
    (package / "__init__.py").touch()
    model = package / "model.py"
    model.write_text("raise ValueError('imported')")
    first = entry_point_version("mine.model:create")
    assert entry_point_version("mine.model:create") == first
    assert entry_point_version("mine.model:other") != first
    model.write_text("raise ValueError('imported again')")
    assert entry_point_version("mine.model:create") != first


def test_a_missing_module_has_no_version() -> None:
    for name in ("nowhere:create", "nowhere.at_all:create"):
        with pytest.raises(UnusableModel, match="nowhere"):
            entry_point_version(name)
