"""How the instance bears many videos: ``python -m benchmarks.scale [--videos 500] [--shards 8]``.

Fills a temporary instance (SQLite, as `make dev` has it) with the events of painted videos, through
Dagster's own API; then measures the inbox sensor, the automation, and the UI's pages in Chromium.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from dagster import DagsterInstance

_ROOT = Path(__file__).parents[1]
_STYLE = "starry_night"
_TIMES = 5
_PAGES = {
    "/asset-groups": "painted",
    "/assets/upload?view=partitions": "Materialized (",
    "/assets/styled_frames?view=partitions": "Materialized (",
    "/assets/final_video?view=partitions": "Materialized (",
    "/assets/final_video?view=overview": "Latest materialization",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--videos", type=int, default=500)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--pages", action="store_true", help="measure the UI as well")
    parser.add_argument("--folder", help="to work in; /dev/shm fills faster than a disk")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        home, store = Path(folder) / "home", Path(folder) / "store"
        home.mkdir()
        shutil.copyfile(_ROOT / "dagster.yaml", home / "dagster.yaml")
        os.environ.update(
            DAGSTER_HOME=str(home), STYLEJOBS_STORE=str(store), STYLEJOBS_SHARDS=str(args.shards)
        )
        from dagster import DagsterInstance

        with DagsterInstance.get() as instance:
            started = time.perf_counter()
            fill(instance, args.videos, args.shards)
            seconds = time.perf_counter() - started
            print(f"{args.videos} videos × {args.shards} shards: filled in {seconds:.0f} s")
            sensors(instance)
        if args.pages:
            pages(Path(folder))


def fill(instance: DagsterInstance, videos: int, shards: int) -> None:
    """Uploads in the inbox, and the events of all that is made of them."""
    from dagster import AssetMaterialization

    from stylejobs.resources import StudioResource
    from stylejobs.storage.clips import Clip

    studio = StudioResource().get()
    recipe = studio.recipe(_STYLE).version
    found = [Clip(style=_STYLE, name=f"video{n:04d}.mp4") for n in range(videos)]
    instance.add_dynamic_partitions("clips", [clip.key for clip in found])

    def made(asset: str, partition: str, version: str) -> None:
        figures: dict[str, Any] = {"frames": 240, "busy_seconds": 4.0, "frames_per_second": 60.0}
        event = AssetMaterialization(
            asset, partition=partition, metadata=figures, tags={"dagster/data_version": version}
        )
        instance.report_runless_asset_event(event)

    for clip in found:
        file = studio.store.root / clip.upload_path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
        studio.accept(clip)
        upload = studio.upload(clip)
        version = studio.version(upload)
        made("upload", clip.key, upload.etag)
        made("recipe", clip.key, recipe)
        made("manifest", clip.key, version)
        made("audio", clip.key, version)
        for shard in range(shards):
            for asset in ("frames", "styled_frames"):
                made(asset, f"{clip.key}|{shard:02d}", version)
        made("final_video", clip.key, f"{version}-{recipe}")


def sensors(instance: DagsterInstance) -> None:
    from dagster import build_sensor_context, evaluate_automation_conditions

    from stylejobs.definitions import defs
    from stylejobs.resources import StudioResource
    from stylejobs.sensors import inbox, listing
    from stylejobs.sensors.alerts import inbox_alerts

    listing.LISTENING_SECONDS = 0.0  # a tick is what it does, not how long it waits for uploads

    def tick(sensor: Any) -> Callable[[], None]:
        state: dict[str, str | None] = {"cursor": None}

        def once() -> None:
            context = build_sensor_context(
                instance=instance, cursor=state["cursor"], resources={"studio": StudioResource()}
            )
            state["cursor"] = sensor(context).cursor or state["cursor"]

        return once

    state: dict[str, Any] = {"cursor": None}

    def automation() -> None:
        result = evaluate_automation_conditions(defs, instance=instance, cursor=state["cursor"])
        state["cursor"] = result.cursor
        state["asked"] = result.total_requested

    os.environ["STYLEJOBS_OVERDUE_MINUTES"] = "60"
    report("inbox sensor", tick(inbox))
    report("alert sensor", tick(inbox_alerts))
    report("automation", automation)


def report(name: str, what: Callable[[], None]) -> None:
    """Do ``what`` some times. On a machine that others use too, trust the CPU-seconds."""
    seconds, cpu = [], []
    for _ in range(_TIMES):
        started, used = time.perf_counter(), cpu_seconds()
        what()
        seconds.append(time.perf_counter() - started)
        cpu.append(cpu_seconds() - used)
    print(
        f"  {name:45} first {seconds[0]:.2f} s ({cpu[0]:.2f} of CPU),"
        f" then {statistics.median(seconds[1:]):.2f} s ({statistics.median(cpu[1:]):.2f} of CPU)"
    )


def cpu_seconds() -> float:
    """Of this process and all that it started: the server and the browser as well."""
    total = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def pages(folder: Path) -> None:
    """Open each page until what it shows is there."""
    from playwright.sync_api import sync_playwright

    from stylejobs.demo import dagster_running

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ("dagster_webserver", "-h", "127.0.0.1", "-p", str(port))
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with dagster_running(folder / "log", *server), sync_playwright() as playwright:
        wait_for(port)
        browser = shutil.which("chromium")
        page = playwright.chromium.launch(executable_path=browser, args=flags).new_page()
        page.set_default_timeout(120_000)
        for path, text in _PAGES.items():

            def show(path: str = path, text: str = text) -> None:
                page.goto(f"http://127.0.0.1:{port}{path}")
                page.get_by_text(text).first.wait_for()

            report(path, show)


def wait_for(port: int) -> None:
    for _ in _seconds(180):
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)


def _seconds(limit: float) -> Iterator[None]:
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        yield


if __name__ == "__main__":
    main()
