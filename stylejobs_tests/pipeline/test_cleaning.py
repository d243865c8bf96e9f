"""Clearing the work folder: nothing that is needed goes, and nothing but work."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from stylejobs.cleaning import sweep
from stylejobs.storage.clips import Clip
from stylejobs.storage.store import StoredObject
from stylejobs_tests.pipeline.desk import Desk

Clips = Callable[[str], Path]


def cleared(desk: Desk, video: Clip) -> dict[str, object]:
    result = desk.run("clean_up_one_video", video)
    (made,) = result.get_asset_materialization_events()
    assert made.asset_key == AssetKey("cleared_work")
    return {name: value.value for name, value in made.materialization.metadata.items()}


def outside_of_work(desk: Desk) -> list[StoredObject]:
    containers = ("inbox", "painted", "rejected", "styles")
    found = [each for name in containers for each in desk.studio.store.list(name)]
    return sorted(found, key=lambda each: each.path)


def test_the_work_of_a_delivered_and_checked_video_is_cleared(desk: Desk, clip: Clips) -> None:
    video = desk.drop(clip("b_frames.mp4"))
    desk.tick()
    desk.run("prepare", video)
    desk.run("paint", video, (0, 7))
    assert cleared(desk, video)["kept_because"] == "There is no final video yet."
    desk.run("finish", video)
    before = outside_of_work(desk)
    size = sum(each.size for each in desk.studio.store.list("work"))
    facts = cleared(desk, video)
    assert "kept_because" not in facts
    place = desk.studio.workplace(video)
    delivery = place.delivery(desk.studio.recipe(video.style).version)
    assert desk.names("work") == sorted([video.card_path, place.manifest, f"{delivery}.json"])
    kept = sum(each.size for each in desk.studio.store.list("work"))
    assert facts["freed_bytes"] == size - kept > 0
    assert outside_of_work(desk) == before
    desk.paint_all(video)  # it can be painted again at any time


def test_nothing_is_cleared_that_is_still_needed(desk: Desk, clip: Clips) -> None:
    first = desk.drop(clip("single_frame.mp4"), "first.mp4").key
    desk.tick()
    video = desk.drop(clip("single_frame.mp4"), "a.mp4")
    desk.tick()
    desk.paint_all(video)
    before = desk.names("work")
    desk.instance.add_dynamic_partitions("clips", ["last"])
    create_run_for_test(
        desk.instance,
        status=DagsterRunStatus.STARTED,
        tags={
            "dagster/asset_partition_range_start": f"{first}|00",
            "dagster/asset_partition_range_end": "last|00",
        },
    )
    assert cleared(desk, video)["kept_because"] == "A run works on the clip."
    desk.drop(clip("cfr.mp4"), "a.mp4")
    assert "not of the present version" in str(cleared(desk, video)["kept_because"])
    assert desk.names("work") == before


def test_a_video_that_failed_its_checks_is_not_cleared(
    desk: Desk, clip: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = desk.drop(clip("single_frame.mp4"))
    desk.tick()
    monkeypatch.setattr("stylejobs.checks.compare_audio", lambda *_: ["a packet is missing"])
    desk.paint_all(video)
    assert "did not pass its checks" in str(cleared(desk, video)["kept_because"])


def test_the_sweep_removes_what_belongs_to_no_upload(desk: Desk, clip: Clips) -> None:
    kept = desk.drop(clip("single_frame.mp4"), "kept.mp4")
    gone = desk.drop(clip("single_frame.mp4"), "gone.mp4")
    busy = desk.drop(clip("single_frame.mp4"), "busy.mp4")
    desk.tick()
    store = desk.studio.store
    store.write("work/nobody/0123/frames/00.mp4", b"x")
    for video in (kept, busy):
        store.write(f"work/{video.key}/an-old-version/frames/00.mp4", b"xx")
    store.delete(gone.upload_path)
    before = outside_of_work(desk)
    assert sweep(desk.studio, {busy.key}, days=1).objects == 0  # all is young
    time.sleep(1.1)  # an account's times are whole seconds
    freed = sweep(desk.studio, {busy.key}, days=0)
    assert freed.clips == {"nobody", kept.key, gone.key}
    left = desk.names("work")
    assert desk.studio.workplace(kept).manifest in left
    assert f"work/{busy.key}/an-old-version/frames/00.mp4" in left
    assert [name for name in left if gone.key in name] == [gone.card_path]
    assert not [name for name in left if "nobody" in name or f"{kept.key}/an-old" in name]
    assert outside_of_work(desk) == before


def test_the_sweep_is_a_job(desk: Desk) -> None:
    desk.studio.store.write("work/nobody/0123/frames/00.mp4", b"x")
    result = desk.run_unpartitioned("clean_up")
    (made,) = result.get_asset_materialization_events()
    assert made.materialization.metadata["freed_objects"].value == 0
