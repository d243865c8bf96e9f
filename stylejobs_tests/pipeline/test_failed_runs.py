"""A shard that cannot be painted: the final video says so, once it is given up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import (
    ExecuteInProcessResult,
    SensorResult,
    SkipReason,
    build_run_status_sensor_context,
)

from stylejobs.assets.labels import UPLOAD_ETAG
from stylejobs.resources import StudioResource
from stylejobs.sensors.failed_runs import failures
from stylejobs.storage.clips import Clip
from stylejobs.storage.parts import commit_part
from stylejobs_tests.pipeline.desk import Desk

Clips = Callable[[str], Path]


@pytest.fixture
def poisoned(desk: Desk, clip: Clips, tmp_path: Path) -> Clip:
    """A clip whose second shard holds no frames that anything could read."""
    video = desk.drop(clip("cfr.mp4"))
    desk.tick()
    desk.run("paint", video, (0, 7), ["frames"])
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(b"no frames")
    path = desk.studio.workplace(video).frames(1)
    commit_part(desk.studio.store, path, junk, 16, {})
    return video


def score(desk: Desk, video: Clip, **tags: str) -> ExecuteInProcessResult:
    result = desk.run("paint", video, (0, 7), ["styled_frames"], raises=False, tags=tags)
    assert not result.success
    return result


def look(desk: Desk, failed: ExecuteInProcessResult) -> SensorResult | SkipReason:
    context = build_run_status_sensor_context(
        "failures",
        failed.get_run_failure_event(),
        desk.instance,
        failed.dagster_run,
        resources={"studio": StudioResource()},
    ).for_run_failure()
    found = failures(context)
    assert isinstance(found, SensorResult | SkipReason)
    return found


def test_the_final_video_names_the_shard_that_was_given_up_and_why(
    desk: Desk, poisoned: Clip
) -> None:
    found = look(desk, score(desk, poisoned, **{"dagster/retry_number": "3"}))
    assert isinstance(found, SensorResult)
    (said,) = found.asset_events
    assert said.asset_key.to_user_string() == "final_video"
    assert said.partition == poisoned.key
    assert said.description
    assert said.description.startswith(
        "Not delivered: paint, shard 01, was given up after 4 tries. The file is broken"
    )


def test_nothing_is_said_while_it_is_tried_again_or_once_the_upload_is_replaced(
    desk: Desk, poisoned: Clip, clip: Clips
) -> None:
    again = look(desk, score(desk, poisoned, **{"dagster/will_retry": "true"}))
    assert isinstance(again, SkipReason)
    etag = desk.studio.upload(poisoned).etag
    failed = score(desk, poisoned, **{UPLOAD_ETAG: etag})
    desk.drop(clip("ntsc.mp4"), poisoned.name)
    assert isinstance(look(desk, failed), SkipReason)


def test_a_backfill_of_several_videos_goes_on_with_each_alone_where_one_fails(
    desk: Desk, clip: Clips, tmp_path: Path
) -> None:
    videos = {v.key: v for v in [desk.drop(clip("cfr.mp4"), f"{name}.mp4") for name in "abc"]}
    desk.tick()
    first, middle, last = desk.instance.get_dynamic_partitions("clips")
    in_the_way = desk.studio.workplace(videos[middle]).frames(0)
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(b"no frames")
    commit_part(desk.studio.store, in_the_way, junk, 16, {})
    # The first shard of three videos, as Dagster groups them.
    to_the_last = {"dagster/asset_partition_range_end": f"{last}|00"}
    failed = desk.run("paint", videos[first], (0, 0), raises=False, tags=to_the_last)
    assert not failed.success

    split = look(desk, failed)
    assert isinstance(split, SensorResult)
    assert split.asset_events == []
    runs = {r.tags["dagster/asset_partition_range_start"]: r for r in split.run_requests or ()}
    assert list(runs) == [f"{key}|00" for key in (first, middle, last)]
    for key, video in videos.items():
        request = runs[f"{key}|00"]
        result = desk.run(str(request.job_name), video, (0, 0), raises=False, tags=request.tags)
        assert result.success == (key != middle)
        if key == middle:
            said = look(desk, result)
            assert isinstance(said, SensorResult)
            assert [event.partition for event in said.asset_events] == [middle]
            assert not said.run_requests
