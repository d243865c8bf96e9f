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

from stylejobs.media.verify import compare
from stylejobs.storage.clips import Clip
from stylejobs.storage.folder import FolderStore
from stylejobs.storage.parts import find_part
from stylejobs.studio import Studio
from stylejobs_tests.pipeline.desk import STYLE, Desk

Clips = Callable[[str], Path]


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
