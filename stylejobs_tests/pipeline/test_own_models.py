"""Models of the operator's: named in the settings, used like styles, brought by no uploader."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import ExecuteInProcessResult

from examples import light, posterise
from stylejobs.media.verify import compare
from stylejobs.scoring.records import read_records
from stylejobs.studio import Studio
from stylejobs_tests.pipeline.desk import STYLE, Desk, studio_of_environment

Clips = Callable[[str], Path]
# A model knows nothing of stores.
pytestmark = pytest.mark.usefixtures("studio_root")
PENCIL = "examples.edges:create"


@pytest.fixture
def set_models(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Studio]:
    def set_them(**models: str) -> Studio:
        monkeypatch.setenv("STYLEJOBS_MODELS", json.dumps(models))
        return studio_of_environment()

    return set_them


SetModels = Callable[..., Studio]


def failure(result: ExecuteInProcessResult) -> str:
    (event,) = [e for e in result.all_events if e.is_step_failure]
    data = event.step_failure_data.user_failure_data
    assert data is not None
    return str(data.description)


def test_an_upload_in_the_folder_of_a_model_is_painted_with_it(
    desk: Desk, clip: Clips, set_models: SetModels, studio_root: Path
) -> None:
    set_models(pencil=PENCIL)
    desk.tick()
    assert (studio_root / "inbox" / "pencil").is_dir()
    video = desk.drop(clip("late_audio.mp4"), style="pencil")
    desk.tick()
    painted = desk.paint(video)
    assert desk.names("painted") == [video.painted_path(".mp4")]
    assert compare(clip("late_audio.mp4"), painted) == []
    checks = desk.run("finish", video).get_asset_check_evaluations()
    assert [check.passed for check in checks] == [True] * 3


def test_another_file_of_a_model_is_reported_and_paints_other_frames(
    desk: Desk, clip: Clips, set_models: SetModels, tmp_path: Path
) -> None:
    program = tmp_path / "poster.pt2"
    posterise.export(program)
    studio = set_models(poster=str(program))
    desk.drop(clip("single_frame.mp4"), style="poster")
    desk.tick()
    before = studio.recipe("poster")
    program.write_bytes(b"another model")
    changed = {event.asset_key.to_user_string() for event in desk.tick().asset_events}
    assert changed == {"recipe"}
    assert studio.recipe("poster").version != before.version


def test_a_model_that_fails_on_its_first_frame_fails_the_run_with_a_sentence(
    desk: Desk,
    clip: Clips,
    set_models: SetModels,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "fragile.py").write_text(
        "class Fragile:\n"
        "    device, batch_size, workers = 'CPU', 1, 1\n"
        "    def __call__(self, pictures):\n"
        "        return pictures[7]\n"
        "def create(height, width):\n"
        "    return Fragile()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    set_models(fragile="fragile:create")
    video = desk.drop(clip("single_frame.mp4"), style="fragile")
    desk.tick()
    said = failure(desk.run("paint", video, (0, 0), raises=False))
    assert said.startswith("fragile:create failed on frames of 160×96. IndexError")
    assert said.endswith("(fragile.py, line 4)")


def test_an_upload_for_a_model_that_is_not_there_gets_a_letter(
    desk: Desk, clip: Clips, set_models: SetModels, tmp_path: Path
) -> None:
    set_models(gone=str(tmp_path / "gone.onnx"))
    video = desk.drop(clip("single_frame.mp4"), style="gone")
    desk.tick()
    letter = desk.studio.store.read(video.rejection_path).decode()
    assert "'gone' cannot be used." in letter
    assert "gone.onnx is not there" in letter
    assert desk.requests == []


def test_who_may_upload_cannot_bring_or_replace_a_model(
    desk: Desk, clip: Clips, set_models: SetModels, studio_root: Path, tmp_path: Path
) -> None:
    posterise.export(tmp_path / "poster.pt2")
    for name in ("mine.pt2", "mine.onnx", "mine.py", "mine.ts"):
        shutil.copyfile(tmp_path / "poster.pt2", studio_root / "styles" / name)
    shutil.copyfile(
        studio_root / "styles" / f"{STYLE}.safetensors", studio_root / "styles" / "pencil.pth"
    )
    studio = set_models(pencil=PENCIL)
    assert "mine" not in studio.styles()
    assert str(studio.recipe("pencil").weights) == PENCIL


def test_an_upload_for_a_model_that_makes_data_comes_back_as_a_table(
    desk: Desk, clip: Clips, set_models: SetModels, tmp_path: Path
) -> None:
    light.build(tmp_path / "light.onnx")
    set_models(light=str(tmp_path / "light.onnx"))
    video = desk.drop(clip("b_frames.mp4"), style="light")
    desk.tick()
    table = desk.paint(video)
    assert table.name == "b_frames.mp4.jsonl"
    lines = list(read_records(table))
    assert [line["frame"] for line in lines] == list(range(48))
    assert all(0 < line["brightness"] < 1 and len(line["colour"]) == 3 for line in lines)
    checks = desk.run("finish", video).get_asset_check_evaluations()
    assert [check.passed for check in checks] == [True] * 3


def test_a_model_that_makes_pictures_and_data_gives_a_video_and_a_table(
    desk: Desk,
    clip: Clips,
    set_models: SetModels,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    studio_root: Path,
) -> None:
    (tmp_path / "negative.py").write_text(
        "from stylejobs.scoring.scorer import Scores\n"
        "class Negative:\n"
        "    device, batch_size, workers = 'CPU', 5, 2\n"
        "    def __call__(self, pictures):\n"
        "        records = [{'mean': float(picture.mean())} for picture in pictures]\n"
        "        return Scores(255 - pictures, records)\n"
        "def create(height, width):\n"
        "    return Negative()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("STYLEJOBS_SEGMENT_SECONDS", "0.2")
    set_models(negative="negative:create")
    desk = Desk(studio_of_environment(), desk.instance, desk.folder)
    video = desk.drop(clip("b_frames.mp4"), style="negative")
    desk.tick()
    desk.run("prepare", video)
    desk.run("paint", video, (0, 7))
    checks = desk.run("finish", video).get_asset_check_evaluations()
    assert [check.passed for check in checks] == [True] * 3
    painted, table = sorted((studio_root / "painted" / "negative").iterdir())
    assert compare(clip("b_frames.mp4"), painted) == []
    assert [line["frame"] for line in read_records(table)] == list(range(48))
