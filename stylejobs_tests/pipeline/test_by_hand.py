"""Jobs that people start by hand, and the runs that follow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    DagsterEventType,
    DagsterInvalidConfigError,
    ExecuteInProcessResult,
    RunRequest,
    SensorResult,
    build_run_status_sensor_context,
)
from safetensors.numpy import save

from stylejobs.by_hand import REQUESTED_BY, start_requested
from stylejobs.definitions import defs
from stylejobs.media.verify import compare
from stylejobs.resources import StudioResource
from stylejobs.storage.clips import Clip
from stylejobs_tests.conftest import random_weights
from stylejobs_tests.pipeline.desk import STYLE, Desk

Clips = Callable[[str], Path]
AGAIN = {"ops": {name: {"config": {"again": True}} for name in ("frames", "styled_frames")}}


def ask(desk: Desk, job: str, op: str, **config: Any) -> ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(
        instance=desk.instance, run_config={"ops": {op: {"config": config}}}, raise_on_error=False
    )


def started(desk: Desk, result: ExecuteInProcessResult) -> list[RunRequest]:
    """What the sensor starts when the job has succeeded."""
    assert result.success
    event = next(e for e in result.all_events if e.event_type is DagsterEventType.RUN_SUCCESS)
    context = build_run_status_sensor_context(
        "start_requested",
        event,
        desk.instance,
        desk.instance.get_run_by_id(result.run_id),
        resources={"studio": StudioResource()},
    )
    asked = start_requested(context)
    assert isinstance(asked, SensorResult)
    for recipe in asked.asset_events or ():
        desk.instance.report_runless_asset_event(recipe)
    return list(asked.run_requests or ())


def reason(result: ExecuteInProcessResult) -> str:
    (event,) = [e for e in result.all_events if e.is_step_failure]
    data = event.step_failure_data.user_failure_data
    return str(data and data.description)


@pytest.fixture
def video(desk: Desk, clip: Clips) -> Clip:
    accepted = desk.drop(clip("single_frame.mp4"))
    desk.tick()
    return accepted


@pytest.mark.parametrize("by", ["upload_path", "key"])
def test_one_video_is_painted_by_its_path_or_its_key(desk: Desk, video: Clip, by: str) -> None:
    result = ask(desk, "paint_one_video", "find_video", video=getattr(video, by), again=True)
    prepare, paint = started(desk, result)
    assert (prepare.job_name, prepare.partition_key) == ("prepare", video.key)
    assert paint.tags["dagster/asset_partition_range_end"] == f"{video.key}|07"
    assert paint.run_config == AGAIN
    for request in (prepare, paint):
        assert request.tags["stylejobs/upload"] == video.upload_path
        assert request.tags[REQUESTED_BY] == result.run_id
        assert result.run_id in str(request.run_key)


def test_an_unknown_video_is_named(desk: Desk, video: Clip) -> None:
    result = ask(desk, "paint_one_video", "find_video", video="inbox/tiny/nothing.mp4")
    assert "Drop the video in the inbox" in reason(result)


def test_a_field_that_is_missing_is_found_before_the_run(desk: Desk) -> None:
    with pytest.raises(DagsterInvalidConfigError, match='"video"'):
        ask(desk, "paint_one_video", "find_video", again=True)


def test_another_style_paints_a_copy_and_leaves_the_first(
    desk: Desk, clip: Clips, video: Clip
) -> None:
    desk.studio.store.write("styles/other.safetensors", save(random_weights(seed=1)))
    first = desk.paint(video)
    call = ("repaint_with_another_style", "copy_upload")
    assert ask(desk, *call, video=video.key, style="other").success
    desk.tick()
    other = Clip(style="other", name=video.name)
    assert compare(clip("single_frame.mp4"), desk.paint(other)) == []
    assert first.exists()
    assert "already there" in reason(ask(desk, *call, video=video.key, style="other"))
    assert "no style 'nothing'" in reason(ask(desk, *call, video=video.key, style="nothing"))


def test_new_weights_repaint_what_is_not_painted_with_them(
    desk: Desk, clip: Clips, video: Clip
) -> None:
    call = ("repaint_with_new_weights", "find_outdated")
    desk.paint(video)
    assert started(desk, ask(desk, *call, style=STYLE)) == []
    desk.studio.store.write(f"styles/{STYLE}.safetensors", save(random_weights(seed=1)))
    requests = started(desk, ask(desk, *call, style=STYLE))
    assert [r.job_name for r in requests] == ["prepare", "paint"]
    desk.paint(video)
    assert started(desk, ask(desk, *call, style=STYLE)) == []


@pytest.mark.parametrize(
    ("job", "fields"),
    [
        ("paint_one_video", {"video"}),
        ("repaint_with_another_style", {"video", "style"}),
        ("repaint_with_new_weights", {"style"}),
    ],
)
def test_the_launchpad_opens_with_an_example_of_what_to_write(job: str, fields: set[str]) -> None:
    (op,) = (defs.resolve_job_def(job).run_config or {})["ops"].values()
    assert fields <= op["config"].keys()
