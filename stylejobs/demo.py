"""``make demo``: the whole pipeline on the sample clip, without the UI.

Starts the Dagster daemon with the code location, drops the clip in the inbox, and follows what
Dagster reports until the painted video is delivered and checked.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from stylejobs.dead_time import account, materializations
from stylejobs.sample import SAMPLE
from stylejobs.scoring.weights import shipped_styles
from stylejobs.storage.clips import INBOX, Clip

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

_FOLDER = Path("demo")
_START_SECONDS = 120.0
_JOB_SECONDS = 900.0
_WORKING_ASSETS = ("audio", "frames", "styled_frames", "final_video")
_PROGRESS = re.compile(r"shard \d+: (\d+) of \d+ frames")


class DemoFailed(Exception):
    """The demo did not end with a painted video; the message says where to look."""


def main() -> int:
    home, store = _FOLDER / "dagster", _FOLDER / "store"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile("dagster.yaml", home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home.resolve())
    os.environ["STYLEJOBS_STORE"] = str(store.resolve())
    log = home / "daemon.log"
    from dagster import DagsterInstance

    try:
        with DagsterInstance.get() as instance, daemon_running(log) as daemon:
            _wait_for_sensor(instance, daemon)
            print(_paint(instance, daemon, store))
    except DemoFailed as error:
        print(f"demo: {error}\nDagster's log: {log}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: stopped", file=sys.stderr)
        return 130
    return 0


def daemon_running(log: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Dagster's daemon and the code server that it starts."""
    return dagster_running(log, "dagster._daemon", "run")


@contextmanager
def dagster_running(log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program of Dagster with all that it starts, in a process group of their own."""
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            [sys.executable, "-m", *command, "-w", "workspace.yaml"],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield daemon
        finally:
            os.killpg(daemon.pid, signal.SIGTERM)
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(daemon.pid, signal.SIGKILL)


def _wait_for_sensor(instance: DagsterInstance, daemon: subprocess.Popen[bytes]) -> None:
    """Return when the inbox sensor has looked into the inbox for the first time."""
    started = time.time()
    with tqdm(bar_format="{desc} {elapsed}", desc="starting Dagster") as bar:
        for _ in _polls(daemon, _START_SECONDS, "Dagster did not start"):
            bar.refresh()
            for state in instance.all_instigator_state():
                ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
                if state.name == "inbox" and ticks and ticks[0].timestamp > started:
                    return


def _paint(instance: DagsterInstance, daemon: subprocess.Popen[bytes], store: Path) -> str:
    style = next(iter(shipped_styles()))
    clip = Clip(style=style, name=SAMPLE.name)
    upload = store / INBOX / style / clip.name
    upload.parent.mkdir(parents=True, exist_ok=True)
    partial = upload.with_name(f".{upload.name}")
    shutil.copyfile(SAMPLE, partial)
    dropped = time.time()
    partial.replace(upload)
    frames = 0
    with tqdm(unit="frame", desc=f"painting {clip.name} as {style}") as bar:
        for _ in _polls(daemon, _JOB_SECONDS, "The video was not painted"):
            letter = store / clip.rejection_path
            if letter.exists():
                raise DemoFailed(letter.read_text())
            runs = _runs(instance, dropped)
            for run in runs:
                if run.is_failure:
                    raise DemoFailed(_failure(instance, run))
            if not bar.total:
                bar.total = frames = _frame_count(instance, clip, dropped)
            bar.update(_painted(instance, runs) - bar.n)
            final = materializations(instance, "final_video", clip.key, dropped)
            if final and all(run.is_finished for run in runs):
                bar.update(frames - bar.n)
                break
    _require_checks(instance, runs)
    published = float(final[0].metadata["ended_at"].value)  # type: ignore[arg-type]
    seconds = published - dropped
    busy = _busy_seconds(instance, clip.key, dropped)
    path = store / str(final[0].metadata["path"].value)
    waits = "".join(
        f"\n  {wait:5.1f} s  {what}" for what, wait in account(instance, clip.key, dropped)
    )
    return (
        f"{path}\n{frames} frames in {seconds:.1f} s: {frames / seconds:.1f} fps,"
        f" dead time {seconds - busy:.1f} s{waits}"
    )


def _polls(daemon: subprocess.Popen[bytes], seconds: float, complaint: str) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if daemon.poll() is not None:
            raise DemoFailed(f"{complaint}: Dagster's daemon ended.")
        yield
        time.sleep(0.5)
    raise DemoFailed(f"{complaint} within {seconds:.0f} s.")


def _runs(instance: DagsterInstance, since: float) -> list[DagsterRun]:
    from datetime import datetime

    from dagster import RunsFilter

    after = datetime.fromtimestamp(since, UTC)
    return list(instance.get_runs(RunsFilter(created_after=after)))


def _failure(instance: DagsterInstance, run: DagsterRun) -> str:
    from dagster import DagsterEventType

    for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        if event and event.step_failure_data.error:
            return f"{event.step_key} failed: {event.step_failure_data.error.message}"
    return f"run {run.run_id} failed"


def _painted(instance: DagsterInstance, runs: list[DagsterRun]) -> int:
    """Frames painted so far, from the progress that the runs log."""
    best: dict[str, int] = {}
    for run in runs:
        for entry in instance.all_logs(run.run_id):
            if found := _PROGRESS.search(entry.user_message):
                best[found[0].partition(":")[0]] = int(found[1])
    return sum(best.values())


def _frame_count(instance: DagsterInstance, clip: Clip, since: float) -> int:
    made = materializations(instance, "manifest", clip.key, since)
    return int(made[0].metadata["frames"].value) if made else 0  # type: ignore[arg-type]


def _require_checks(instance: DagsterInstance, runs: list[DagsterRun]) -> None:
    from dagster import DagsterEventType

    kind = DagsterEventType.ASSET_CHECK_EVALUATION
    evaluations = [
        entry.dagster_event.asset_check_evaluation_data
        for run in runs
        for entry in instance.all_logs(run.run_id, of_type=kind)
        if entry.dagster_event
    ]
    failed = [f"{e.check_name}: {e.description}" for e in evaluations if not e.passed]
    if failed or not evaluations:
        raise DemoFailed("\n".join(failed) or "The painted video was not checked.")


def _busy_seconds(instance: DagsterInstance, clip_key: str, since: float) -> float:
    """How long at least one stage was at work on the clip."""
    stretches = sorted(
        (float(m.metadata["started_at"].value), float(m.metadata["ended_at"].value))  # type: ignore[arg-type]
        for asset in _WORKING_ASSETS
        for m in materializations(instance, asset, clip_key, since)
    )
    busy, reached = 0.0, 0.0
    for start, end in stretches:
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return busy


if __name__ == "__main__":
    sys.exit(main())
