"""`stylejobs doctor` finds what is wrong, says what to do, and passes what is right."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from dagster import DagsterInstance

from stylejobs.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation whose daemon never ran."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(ROOT / "dagster.yaml", home / "dagster.yaml")
    (tmp_path / "store").mkdir()
    monkeypatch.setenv("STYLEJOBS_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return tmp_path


def findings(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, str]]]:
    status = main(["doctor", "--json"])
    return status, {each["about"]: each for each in json.loads(capsys.readouterr().out)}


def test_a_good_installation_passes_but_for_the_daemon_that_is_not_running(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = findings(capsys)
    assert status == 1
    faults = [about for about, each in found.items() if each["state"] == "fault"]
    assert faults == ["dagster daemon"]
    assert "make dev" in found["dagster daemon"]["remedy"]
    assert found["store painted/"]["found"] == "list, write, read, delete"
    assert [f for f in (installation / "store").rglob("*") if f.is_file()] == []
    with DagsterInstance.get() as instance:
        assert instance.get_runs_count() == 0


def test_what_is_wrong_is_said_with_what_to_do(
    installation: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (installation / "store" / "painted").write_text("a file where a folder should be")
    styles = installation / "store" / "styles"
    styles.mkdir()
    (styles / "broken.safetensors").write_bytes(b"no tensors")
    monkeypatch.setenv("STYLEJOBS_DEVICE", "cuda")
    monkeypatch.delenv("DAGSTER_HOME")
    assert main(["doctor"]) == 1
    text = capsys.readouterr().out
    for words in ("store painted/", "style broken", "STYLEJOBS_DEVICE=auto", "DAGSTER_HOME"):
        assert words in text
    assert "→" in text


def test_a_setting_that_does_not_fit_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEJOBS_CODEC", "realvideo")
    status, found = findings(capsys)
    assert status == 1
    assert "codec" in found["settings"]["found"]
