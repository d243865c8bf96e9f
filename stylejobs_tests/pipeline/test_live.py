"""The whole pipeline under Dagster's real daemon: uploads in, painted videos out."""

import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus

from stylejobs.demo import daemon_running
from stylejobs.loopback_names import loopback_proxy
from stylejobs.media.verify import compare
from stylejobs.storage.clips import Clip
from stylejobs.studio import Studio
from stylejobs_tests.patience import one_at_a_time, until
from stylejobs_tests.pipeline.desk import Desk

Clips = Callable[[str], Path]
ROOT = Path(__file__).parents[2]
# test_live_account does it on a storage account.
pytestmark = [pytest.mark.usefixtures("studio_root"), one_at_a_time]


@pytest.fixture
def live(studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk in front of a running daemon: videos dropped here are painted by themselves."""
    home = tmp_path / "home"
    home.mkdir()
    template = "local" if studio.store.reads_in_place else "azurite"
    shutil.copyfile(ROOT / f"deploy/dagster/{template}.yaml", home / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("STYLEJOBS_OPS_LOCAL_DIR", str(home / "logs"))
    monkeypatch.setenv("STYLEJOBS_SETTLE_SECONDS", "0.5")
    monkeypatch.chdir(ROOT)  # where the workspace file is
    with loopback_proxy() as proxy:
        for name, value in proxy.items():
            monkeypatch.setenv(name, value)
        with DagsterInstance.get() as instance, daemon_running(home / "daemon.log"):
            yield Desk(studio, instance, tmp_path)


def runs(desk: Desk, clip: Clip) -> list[DagsterRun]:
    return [
        r for r in desk.instance.get_runs() if r.tags.get("stylejobs/upload") == clip.upload_path
    ]


def state(desk: Desk) -> str:
    """What there is, for whoever has to find out why a video did not come."""
    found = [f"{r.job_name} {r.status.value} {dict(r.tags)}" for r in desk.instance.get_runs()]
    return "\n".join([*found, *desk.names("painted"), *desk.names("rejected")])


def worker_of(desk: Desk, run: DagsterRun) -> int | None:
    """The process of a run, once it has started to paint."""
    found = None
    painting = False
    for entry in desk.instance.all_logs(run.run_id):
        if match := re.search(r"Started process for run \(pid: (\d+)\)", entry.message):
            found = int(match[1])
        painting |= entry.step_key == "frames"
    return found if painting else None


def test_uploads_that_come_together_change_in_work_or_lose_their_process_are_all_painted(
    live: Desk, clip: Clips
) -> None:
    odd_name = live.drop(clip("vfr.mp4"), '-it\'s "a|b" ü.mp4')
    replaced = live.drop(clip("large.mp4"), "replaced.mp4")
    killed = live.drop(clip("large.mp4"), "killed.mp4")

    def paint_run(video: Clip) -> DagsterRun | None:
        found = [r for r in runs(live, video) if r.job_name == "paint"]
        return found[-1] if found else None

    def kill() -> bool:
        run = paint_run(killed)
        pid = run and worker_of(live, run)
        if not pid:
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    until(kill, "the start of the run to kill")
    until(lambda: paint_run(replaced), "the start of the run of the first version")
    live.drop(clip("ntsc.mp4"), replaced.name)

    sources = {odd_name: "vfr.mp4", replaced: "ntsc.mp4", killed: "large.mp4"}

    def delivered() -> bool:
        return set(live.names("painted")) == {v.painted_path(".mp4") for v in sources} and all(
            compare(clip(source), live.painted(video)) == [] for video, source in sources.items()
        )

    until(delivered, "the delivery of all videos", state=lambda: state(live))
    statuses = [r.status for r in runs(live, killed) if r.job_name == "paint"]
    assert statuses.count(DagsterRunStatus.SUCCESS) == 1
    assert statuses.count(DagsterRunStatus.FAILURE) == 1
    assert list(live.studio.store.list("rejected")) == []
    before = sorted((o.path, o.etag) for o in live.studio.store.list("painted"))
    time.sleep(8)  # more than one tick: nothing starts again by itself
    assert sorted((o.path, o.etag) for o in live.studio.store.list("painted")) == before
