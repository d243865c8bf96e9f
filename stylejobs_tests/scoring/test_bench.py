"""``stylejobs bench``: every figure there, under its name, and true as far as arithmetic goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from stylejobs.cli import main
from stylejobs.scoring.bench import BenchFailed, Case, Figures, measure, report, run_part
from stylejobs.scoring.peak import gflop_per_frame
from stylejobs.scoring.weights import StyleWeights
from stylejobs_tests.conftest import random_weights

Clip = Callable[[str], Path]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def figures(clip: Clip, style_file: Path) -> Figures:
    told: list[str] = []
    case = Case(str(clip("cfr.mp4")), str(style_file), 7, "cpu")
    figures = measure(case, reference=True, progress=told.append)
    assert len(told) == 4
    return figures


def test_every_figure_is_measured(figures: Figures) -> None:
    assert (figures.clip, figures.style) == ("cfr.mp4", "random")
    assert (figures.width, figures.height, figures.frames) == (160, 96, 7)
    assert "OpenVINO" in figures.device
    for field in fields(figures):
        value = getattr(figures, field.name)
        assert isinstance(value, str) or value > 0, field.name
    for share in (figures.decode_busy, figures.score_busy, figures.encode_busy):
        assert share <= 1
    assert 20 < figures.peak_rss_mb < 2000


def test_the_figures_fit_together(figures: Figures) -> None:
    assert figures.bound_fps == pytest.approx(figures.peak_gflops / figures.gflop_per_frame)
    cpu_seconds_at_bound = figures.cpus / figures.bound_fps
    assert figures.bare_per_bound == pytest.approx(
        cpu_seconds_at_bound / figures.bare_cpu_s_per_frame
    )
    assert figures.reference_cpu_s_per_frame is not None
    assert figures.reference_cpu_per_end_to_end == pytest.approx(
        figures.reference_cpu_s_per_frame / figures.end_to_end_cpu_s_per_frame
    )


def test_people_read_the_same_figures(figures: Figures) -> None:
    text = report(figures)
    for figure in (figures.bare_fps, figures.end_to_end_fps, figures.bound_fps):
        assert f"{figure:.2f} fps" in text
    assert "× ours" in text


def test_the_official_network_at_360p_is_what_the_papers_say() -> None:
    official = StyleWeights("official", random_weights(32), "", {})
    assert gflop_per_frame(official, 360, 640) == pytest.approx(70.9, abs=0.05)
    assert gflop_per_frame(official, 1080, 1920) == pytest.approx(637.8, abs=0.05)


def test_machines_get_json_and_people_the_progress(
    clip: Clip, style_file: Path, capsys: Capture
) -> None:
    clip_and_style = [str(clip("single_frame.mp4")), "--style", str(style_file)]
    assert main(["bench", *clip_and_style, "--device", "cpu", "--json"]) == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert list(printed) == [field.name for field in fields(Figures)]
    assert printed["frames"] == 1
    assert printed["reference_fps"] is None
    assert "from the cache" in captured.err


@pytest.mark.parametrize(
    ("source", "style", "words"),
    [
        ("nowhere.mp4", None, "nowhere.mp4"),
        (None, "nobody", "nobody: no such style"),
    ],
)
def test_what_is_missing_is_explained_in_one_line(
    source: str | None, style: str | None, words: str, capsys: Capture
) -> None:
    arguments = [*([source] if source else []), *(["--style", style] if style else [])]
    assert main(["bench", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("stylejobs: error: ")
    assert words in line


def test_a_choice_that_cannot_run_here_is_explained(
    clip: Clip, style_file: Path, capsys: Capture
) -> None:
    arguments = [str(clip("single_frame.mp4")), "--style", str(style_file)]
    assert main(["bench", *arguments, "--device", "cuda", "--backend", "openvino"]) == 1
    error = capsys.readouterr().err
    assert "runs on the CPU" in error.splitlines()[-1]
    assert "Traceback" not in error


def test_a_part_that_fails_says_why(style_file: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchFailed, match=r"nothing\.mp4"):
        run_part("ready", Case(str(tmp_path / "nothing.mp4"), str(style_file), 1))
