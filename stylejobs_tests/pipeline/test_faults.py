"""Processes that are killed and disks that are full: nothing false is delivered, all heals."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import AssetKey

from stylejobs.media.verify import compare
from stylejobs.storage.clips import Clip
from stylejobs.storage.folder import FolderStore
from stylejobs.storage.parts import find_part
from stylejobs.storage.store import StoredObject
from stylejobs.studio import Studio
from stylejobs_tests.pipeline.desk import STYLE, Desk, studio_of_environment

STYLED = AssetKey("styled_frames")
Clips = Callable[[str], Path]
# What is kept of a part does not depend on the store.
in_a_folder = pytest.mark.usefixtures("studio_root")


def start(job: str, clip: Clip, max_file_bytes: int | None = None) -> subprocess.Popen[str]:
    """Run ``job`` for ``clip`` in a process; no file that it writes can outgrow the limit."""

    def limit() -> None:
        if max_file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))

    return subprocess.Popen(
        [sys.executable, "-m", "stylejobs_tests.pipeline.run_job", job, clip.style, clip.name],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ.copy(),
        preexec_fn=limit,
    )


def scratch_files(studio: Studio) -> list[Path]:
    # os.walk, because folders vanish meanwhile.
    """What runs are writing or have left on the local disk; copies of blobs do not count."""
    if isinstance(studio.store, FolderStore):
        folders = [studio.store.root / ".partial"]
    else:
        folders = list(Path(os.environ["TMPDIR"]).glob("stylejobs/scratch-*"))
    found = (entry for folder in folders for entry in os.walk(folder))
    return [Path(folder) / name for folder, _, names in found for name in names]


def kill_while_writing(studio: Studio, process: subprocess.Popen[str], name: str) -> None:
    """SIGKILL ``process`` as soon as it has begun to write a file called ``name``."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(p.name.startswith(name) for p in scratch_files(studio)):
            process.send_signal(signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL, "it ended before it could be killed"
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.002)
    pytest.fail(f"nothing called {name} was written")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("job", "file"),
    [("prepare", "audio"), ("paint", "frames"), ("paint", "styled"), ("finish", "final")],
)
def test_a_run_killed_in_any_stage_and_run_again_gives_the_same_video(
    desk: Desk, clip: Clips, job: str, file: str
) -> None:
    untouched = desk.drop(clip("large.mp4"), "untouched.mp4")
    killed = desk.drop(clip("large.mp4"), "killed.mp4")
    desk.tick()
    expected = sha256(desk.paint(untouched))
    for earlier in ("prepare", "paint"):
        if earlier != job and job != "prepare":
            desk.run(earlier, killed, (0, 7) if earlier == "paint" else None)
    kill_while_writing(desk.studio, start(job, killed), file)
    assert desk.names("painted") == [untouched.painted_path(".mp4")]
    assert sha256(desk.paint(killed)) == expected


@in_a_folder
def test_a_killed_run_leaves_its_finished_shards_for_the_next_one(desk: Desk, clip: Clips) -> None:
    video = desk.drop(clip("large.mp4"))
    desk.tick()
    place = desk.studio.workplace(video)
    styled = [place.styled(desk.studio.recipe(STYLE).version, n) for n in range(8)]
    process = start("paint", video)
    while find_part(desk.studio.store, styled[0]) is None:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    process.kill()
    process.wait(10)
    finished = desk.studio.store.head(styled[0])
    assert find_part(desk.studio.store, styled[-1]) is None, "it ended before it could be killed"
    assert compare(clip("large.mp4"), desk.paint(video)) == []
    assert desk.studio.store.head(styled[0]) == finished


@in_a_folder
def test_a_killed_run_leaves_the_finished_segments_of_its_shard_for_the_next_one(
    desk: Desk, clip: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEJOBS_MIN_SHARD_FRAMES", "96")
    monkeypatch.setenv("STYLEJOBS_SEGMENT_SECONDS", "0.5")
    desk = Desk(studio_of_environment(), desk.instance, desk.folder)
    store = desk.studio.store
    video = desk.drop(clip("large.mp4"))
    desk.tick()
    shard = desk.studio.workplace(video).styled(desk.studio.recipe(STYLE).version, 0)

    def segments() -> dict[str, StoredObject]:
        return {o.path: o for o in store.list(shard) if o.path.endswith(".json")}

    process = start("paint", video)
    while len(segments()) < 3:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.002)
    process.kill()
    process.wait(10)
    kept = segments()
    assert 3 <= len(kept) < 8, "it ended before it could be killed"
    result = desk.run("paint", video, (0, 7))
    assert {path: segments()[path] for path in kept} == kept
    (event,) = [
        e
        for e in result.get_asset_materialization_events()
        if e.asset_key == STYLED and e.partition == f"{video.key}|00"
    ]
    assert event.materialization.metadata["frames_kept"].value == 12 * len(kept)
    desk.run("prepare", video)
    desk.run("finish", video)
    assert compare(clip("large.mp4"), desk.painted(video)) == []


@in_a_folder
def test_only_the_damaged_segment_of_a_shard_is_scored_again(
    desk: Desk, clip: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEJOBS_SEGMENT_SECONDS", "0.2")
    desk = Desk(studio_of_environment(), desk.instance, desk.folder)
    store = desk.studio.store
    video = desk.drop(clip("b_frames.mp4"))
    desk.tick()
    expected = sha256(desk.paint(video))
    shard = desk.studio.workplace(video).styled(desk.studio.recipe(STYLE).version, 1)
    before = {o.path: o for o in store.list(shard) if o.path.endswith(".mp4")}
    damaged = sorted(before)[1]
    assert len(before) > 3
    store.write(damaged, b"no video")
    desk.run("paint", video, (0, 7))
    after = {o.path: o for o in store.list(shard) if o.path.endswith(".mp4")}
    assert {path for path in before if after[path] != before[path]} == {damaged}
    desk.run("finish", video)
    assert sha256(desk.painted(video)) == expected


@pytest.mark.parametrize(
    ("job", "quota"), [("prepare", 4_000), ("paint", 20_000), ("finish", 100_000)]
)
def test_a_full_disk_fails_clearly_and_leaves_nothing_that_looks_finished(
    desk: Desk, clip: Clips, job: str, quota: int
) -> None:
    video = desk.drop(clip("large.mp4"))
    desk.tick()
    if job == "finish":
        desk.run("prepare", video)
        desk.run("paint", video, (0, 7))
    place = desk.studio.workplace(video)
    before = {o.path for o in desk.studio.store.list(place.root)}
    process = start(job, video, max_file_bytes=quota)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 1, output
    assert "File too large" in output.split("FAILURE:")[-1], output[-2000:]
    assert scratch_files(desk.studio) == []
    assert {o.path for o in desk.studio.store.list(place.root)} == before
    assert list(desk.studio.store.list("painted")) == []
    assert compare(clip("large.mp4"), desk.paint(video)) == []
