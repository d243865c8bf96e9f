import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import AssetMaterialization, AssetObservation, RunRequest
from safetensors.numpy import save

from stylejobs.scoring.weights import MAX_BYTES
from stylejobs.sensors import MAX_PENDING, listing
from stylejobs.storage.clips import Clip
from stylejobs_tests.conftest import random_weights
from stylejobs_tests.pipeline.desk import STYLE, Desk

Clips = Callable[[str], Path]


def ranges(requests: list[RunRequest]) -> list[tuple[str, str]]:
    """First and last shard of the paint runs among ``requests``."""
    tags = [r.tags for r in requests if r.job_name == "paint"]
    return [
        (t["dagster/asset_partition_range_start"], t["dagster/asset_partition_range_end"])
        for t in tags
    ]


def letter(desk: Desk, clip: Clip) -> str:
    return desk.studio.store.read(clip.rejection_path).decode()


def test_a_new_video_is_prepared_and_painted_once(desk: Desk, clip: Clips) -> None:
    video = desk.drop(clip("cfr.mp4"))
    desk.tick()
    assert [r.job_name for r in desk.requests] == ["prepare", "paint"]
    assert ranges(desk.requests) == [(f"{video.key}|00", f"{video.key}|07")]
    assert desk.instance.get_dynamic_partitions("clips") == [video.key]
    desk.tick(3)
    assert len(desk.requests) == 2
    assert desk.pending() == {}


def test_its_manifest_is_there_before_its_runs(desk: Desk, clip: Clips) -> None:
    video = desk.drop(clip("cfr.mp4"))
    result = desk.tick()
    reported = {
        event.asset_key.to_user_string(): event.metadata
        for event in result.asset_events
        if isinstance(event, AssetMaterialization)
    }
    assert reported.keys() == {"upload", "recipe", "manifest"}
    assert reported["manifest"]["frames"].value == 48
    place = desk.studio.workplace(video)
    assert desk.studio.manifest(place).frame_count == 48


def test_runs_hold_as_many_shards_as_the_setting_says(
    desk: Desk, clip: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEJOBS_SHARDS_PER_RUN", "2")
    key = desk.drop(clip("cfr.mp4")).key
    desk.tick()
    # 48 frames fill three shards; the five empty ones ride with the last run.
    assert ranges(desk.requests) == [(f"{key}|00", f"{key}|01"), (f"{key}|02", f"{key}|07")]


def test_a_growing_upload_is_left_until_it_rests(
    desk: Desk, clip: Clips, studio_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEJOBS_SETTLE_SECONDS", "0.4")
    content = clip("cfr.mp4").read_bytes()
    target = studio_root / "inbox" / STYLE / "slow.mp4"
    target.parent.mkdir(parents=True)

    def write_slowly() -> None:
        with target.open("wb") as file:
            for start in range(0, len(content), len(content) // 12):
                file.write(content[start : start + len(content) // 12])
                file.flush()
                time.sleep(0.1)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    while writer.is_alive():
        desk.tick()
        if writer.is_alive():
            assert desk.requests == []
    desk.tick()
    assert len(desk.requests) == 2
    assert list(desk.studio.store.list("rejected")) == []


@pytest.mark.usefixtures("studio_root")  # a blob is visible when it is complete
def test_a_complete_upload_waits_for_one_settling_time_and_for_no_second_tick(
    desk: Desk, clip: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEJOBS_SETTLE_SECONDS", "0.5")
    desk.drop(clip("cfr.mp4"))
    started = time.monotonic()
    desk.tick()
    assert len(desk.requests) == 2
    assert time.monotonic() - started >= 0.5


def test_a_tick_without_news_goes_on_looking(
    desk: Desk, clip: Clips, studio_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LISTENING_SECONDS", 30.0)
    later = threading.Timer(0.5, desk.drop, [clip("single_frame.mp4")])
    later.start()
    desk.tick()
    later.join()
    assert {request.job_name for request in desk.requests} == {"prepare", "paint"}


def test_a_changed_upload_is_painted_again(desk: Desk, clip: Clips) -> None:
    desk.drop(clip("cfr.mp4"), "a.mp4")
    desk.tick()
    desk.drop(clip("ntsc.mp4"), "a.mp4")
    desk.tick()
    keys = [r.run_key for r in desk.requests]
    assert len(keys) == len(set(keys)) == 4


def test_a_daemon_that_dies_before_it_noted_its_runs_starts_none_twice_and_loses_none(
    desk: Desk, clip: Clips
) -> None:
    desk.drop(clip("cfr.mp4"))
    desk.tick()
    desk.drop(clip("ntsc.mp4"))
    cursor, started = desk.cursor, len(desk.requests)
    desk.tick()
    lost = [r.run_key for r in desk.requests[started:]]
    desk.requests.clear()
    desk.cursor = cursor  # the events were written; the runs and the cursor were not
    desk.tick()
    # The same run keys: Dagster starts those that it did not start before, and no other.
    assert [r.run_key for r in desk.requests] == lost
    desk.requests.clear()
    desk.tick(3)
    assert desk.requests == []


def test_a_new_instance_cursor_alone_restarts_nothing(desk: Desk, clip: Clips) -> None:
    desk.drop(clip("cfr.mp4"))
    desk.tick()
    desk.requests.clear()
    desk.cursor = None  # the sensor was reset
    desk.tick(3)
    assert desk.requests == []


def test_many_uploads_are_taken_a_few_at_a_time(
    desk: Desk, clip: Clips, studio_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAX_TICK_SECONDS", 600.0)  # however slow the machine is
    monkeypatch.setattr(listing, "MAX_UPLOADS_PER_TICK", 3)
    for number in range(5):
        desk.drop(clip("single_frame.mp4"), f"{number}.mp4")
    counts = []
    for _ in range(3):
        before = len(desk.requests)
        desk.tick()
        counts.append((len(desk.requests) - before) // 2)
    assert counts == [3, 2, 0]


def test_the_cursor_stays_small_however_full_the_inbox(desk: Desk, studio_root: Path) -> None:
    folder = studio_root / "inbox" / STYLE
    folder.mkdir(parents=True)
    for number in range(MAX_PENDING + 100):
        (folder / f"{number}.mp4").touch()
    desk.tick()
    assert len(desk.pending()) == MAX_PENDING
    assert len(desk.cursor or "") < 20_000


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty.mp4", "empty (0 bytes)"),
        ("text.mp4", "broken or no video"),
        ("sound_only.mp4", "no video track"),
        ("picture.png", "not accepted|broken or no video"),
        ("truncated.mp4", "broken"),
    ],
)
def test_what_cannot_be_painted_is_refused_once_with_a_letter(
    desk: Desk, clip: Clips, tmp_path: Path, name: str, reason: str
) -> None:
    bad = tmp_path / name
    if name == "empty.mp4":
        bad.touch()
    elif name == "text.mp4":
        bad.write_text("This is no video.\n" * 100)
    elif name == "truncated.mp4":
        bad.write_bytes(clip("cfr.mp4").read_bytes()[:20_000])
    else:
        shutil.copyfile(clip(name), bad)
    video = desk.drop(bad)
    result = desk.tick()
    text = letter(desk, video)
    assert any(part in text for part in reason.split("|"))
    assert "What to do:" in text
    (event,) = result.asset_events
    assert isinstance(event, AssetObservation)
    assert event.metadata["refused_because"].value in text
    assert desk.tick(3).asset_events == []
    assert desk.requests == []
    assert desk.instance.get_dynamic_partitions("clips") == []


def test_an_unknown_style_is_refused_and_the_known_ones_are_named(desk: Desk, clip: Clips) -> None:
    video = desk.drop(clip("cfr.mp4"), style="no_such_style")
    desk.tick()
    assert "no style 'no_such_style'" in letter(desk, video)
    assert STYLE in letter(desk, video)


def test_an_upload_for_a_style_that_is_too_large_is_refused_and_stops_nobody(
    desk: Desk, clip: Clips, studio_root: Path
) -> None:
    with (studio_root / "styles" / "huge.pth").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    video, good = desk.drop(clip("cfr.mp4"), style="huge"), desk.drop(clip("cfr.mp4"))
    desk.tick()
    assert "'huge' cannot be used. styles/huge.pth has" in letter(desk, video)
    assert desk.instance.get_dynamic_partitions("clips") == [good.key]


def test_a_file_beside_the_style_folders_is_refused(desk: Desk, clip: Clips) -> None:
    video = desk.drop(clip("cfr.mp4"), style="")
    desk.tick()
    assert "no style's folder" in letter(desk, video)


def test_an_upload_over_the_limits_is_refused(
    desk: Desk, clip: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEJOBS_MAX_FRAMES", "40")
    video = desk.drop(clip("cfr.mp4"))
    desk.tick()
    assert "more than 40 frames" in letter(desk, video)


def test_a_refused_upload_is_looked_at_again_when_it_changes(
    desk: Desk, clip: Clips, tmp_path: Path
) -> None:
    bad = tmp_path / "a.mp4"
    bad.write_text("no video")
    video = desk.drop(bad)
    desk.tick()
    assert letter(desk, video)
    desk.drop(clip("cfr.mp4"), "a.mp4")
    desk.tick()
    assert len(desk.requests) == 2
    assert desk.studio.store.head(video.rejection_path) is None


def test_links_and_unprintable_names_are_refused_and_stop_nobody(
    desk: Desk, clip: Clips, studio_root: Path
) -> None:
    good = desk.drop(clip("cfr.mp4"))
    folder = studio_root / "inbox" / STYLE
    (folder / "link.mp4").symlink_to("/etc/passwd")
    shutil.copyfile(clip("cfr.mp4"), folder / "new\nline.mp4")
    shutil.copyfile(clip("cfr.mp4"), Path(os.fsdecode(os.fsencode(folder) + b"/\xff.mp4")))
    desk.tick()
    assert desk.instance.get_dynamic_partitions("clips") == [good.key]
    letters = list(desk.studio.store.list("rejected"))
    assert len(letters) == 3
    assert desk.tick().asset_events == []


def test_files_that_programs_are_still_writing_are_not_uploads(desk: Desk, clip: Clips) -> None:
    for name in (".hidden.mp4", "a.mp4.part", "b.crdownload"):
        desk.drop(clip("cfr.mp4"), name)
    result = desk.tick(3)
    assert (result.asset_events, desk.requests) == ([], [])
    assert list(desk.studio.store.list("rejected")) == []


def test_folders_show_where_to_drop_videos(desk: Desk, studio_root: Path) -> None:
    desk.tick()
    assert (studio_root / "inbox" / STYLE).is_dir()


def test_a_changed_style_is_reported_and_starts_nothing(desk: Desk, clip: Clips) -> None:
    desk.drop(clip("cfr.mp4"))
    desk.tick()
    desk.requests.clear()
    desk.studio.store.write(f"styles/{STYLE}.safetensors", save(random_weights(seed=1)))
    changed = {event.asset_key.to_user_string() for event in desk.tick().asset_events}
    assert changed == {"recipe"}
    assert desk.tick().asset_events == []
    assert desk.requests == []
