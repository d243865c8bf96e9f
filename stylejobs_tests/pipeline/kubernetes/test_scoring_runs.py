"""Scoring in runs of its own: cut first, score next, deliver last; nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import AssetKey, SensorResult, build_sensor_context, evaluate_automation_conditions

from stylejobs.definitions import defs
from stylejobs.media.verify import compare
from stylejobs.sensors import scoring
from stylejobs.storage.clips import Clip
from stylejobs_tests.pipeline.desk import Desk, studio_of_environment

Clips = Callable[[str], Path]
ALL = (0, 7)


@pytest.fixture
def separate(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("STYLEJOBS_SEPARATE_SCORING", "true")
    desk.studio = studio_of_environment()
    return desk


def look(desk: Desk, cursor: str | None = None) -> SensorResult:
    result = scoring(build_sensor_context(instance=desk.instance, cursor=cursor))
    assert isinstance(result, SensorResult)
    return result


def cut(desk: Desk, video: Clip) -> None:
    (request,) = [r for r in desk.requests if r.job_name == "paint"]
    assert request.asset_selection == [AssetKey("frames")]
    desk.run("paint", video, ALL, ["frames"], tags=request.tags)
    desk.requests.clear()


def test_a_run_that_cut_frames_is_followed_by_one_that_scores_them(
    separate: Desk, clip: Clips
) -> None:
    video = separate.drop(clip("cfr.mp4"))
    separate.tick()
    assert look(separate).run_requests == []
    cut(separate, video)
    first = look(separate)
    (request,) = first.run_requests or ()
    assert request.asset_selection == [AssetKey("styled_frames")]
    assert request.tags["dagster/asset_partition_range_start"] == f"{video.key}|00"
    assert request.tags["dagster/asset_partition_range_end"] == f"{video.key}|07"
    separate.run("paint", video, ALL, ["styled_frames"], tags=request.tags)
    # Asked for again, under the same run key, or not at all: never a second run.
    again = look(separate, first.cursor).run_requests or ()
    assert {r.run_key for r in again} <= {request.run_key}
    separate.run("prepare", video)
    separate.run("finish", video)
    assert compare(clip("cfr.mp4"), separate.painted(video)) == []


def test_runs_started_by_people_are_not_followed(separate: Desk, clip: Clips) -> None:
    video = separate.drop(clip("cfr.mp4"))
    separate.tick()
    separate.run("paint", video, ALL, ["frames"])
    assert look(separate).run_requests == []


def test_no_final_video_is_asked_for_between_cutting_and_scoring_a_new_version(
    separate: Desk, clip: Clips
) -> None:
    cursor = None

    def requested() -> int:
        nonlocal cursor
        result = evaluate_automation_conditions(defs, separate.instance, cursor=cursor)
        cursor = result.cursor
        return result.get_num_requested(AssetKey("final_video"))

    assert requested() == 0
    for source in ("cfr.mp4", "ntsc.mp4"):
        video = separate.drop(clip(source), "video.mp4")
        separate.tick()
        cut(separate, video)
        separate.run("prepare", video)
        assert requested() == 0
        separate.run("paint", video, ALL, ["styled_frames"])
        assert requested() == 1
        separate.run("finish", video)
        assert requested() == 0
