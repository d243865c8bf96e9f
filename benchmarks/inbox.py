"""How long a tick of the inbox sensor takes over a full inbox: ``python -m benchmarks.inbox``.

100,000 blobs in an emulated account, all of them painted long ago. Azurite cannot be filled over
HTTP in reasonable time, nor can Dagster's event log: both databases are multiplied from one entry.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from stylejobs.azurite import ACCOUNT, ACCOUNT_KEY, azurite_running


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blobs", type=int, default=100_000)
    parser.add_argument("--ticks", type=int, default=12)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="stylejobs-inbox-"))
    os.environ["DAGSTER_HOME"] = str(folder / "home")
    (folder / "home").mkdir()
    names = [f"starry_night/{number:06d}.mp4" for number in range(arguments.blobs)]
    etag = _fill_account(folder / "data", names)
    _fill_event_log(folder / "home", names, etag)
    with azurite_running(folder / "data") as endpoints:
        os.environ["STYLEJOBS_STORE"] = f"{endpoints.blob}/{ACCOUNT}"
        os.environ["STYLEJOBS_ACCOUNT_KEY"] = ACCOUNT_KEY
        # In a process of its own, so that its memory is that of a tick.
        work = multiprocessing.get_context("spawn").Process(
            target=_measure, args=(len(names), arguments.ticks)
        )
        work.start()
        work.join()
    return work.exitcode or 0


def _measure(blobs: int, ticks: int) -> None:
    from stylejobs.resources import StudioResource

    StudioResource().get()  # imports, as Dagster's code server does before the first tick
    _ticks(ticks)
    _bare_listing(blobs)


def _fill_account(data: Path, names: list[str]) -> str:
    from azure.storage.blob import BlobServiceClient

    with azurite_running(data) as endpoints:
        url = f"{endpoints.blob}/{ACCOUNT}"
        with BlobServiceClient(url, credential=ACCOUNT_KEY) as service:
            for name in ("inbox", "work", "painted", "rejected", "styles"):
                service.create_container(name)
            blob = service.get_blob_client("inbox", names[0])
            etag = str(blob.upload_blob(b"x")["etag"]).strip('"')
        time.sleep(8)  # Azurite saves every five seconds
    file = data / "__azurite_db_blob__.json"
    database = json.loads(file.read_text())
    for collection in database["collections"]:
        if collection["name"] == "$BLOBS_COLLECTION$":
            (one,) = collection["data"]
            collection["data"] = [
                {**one, "name": name, "$loki": number} for number, name in enumerate(names, 1)
            ]
            collection["maxId"] = len(names)
            for index in collection["binaryIndices"].values():
                index.update(values=list(range(len(names))), dirty=True)
    file.write_text(json.dumps(database))
    return etag


def _fill_event_log(home: Path, names: list[str], etag: str) -> None:
    from dagster import AssetMaterialization, AssetObservation, DagsterInstance

    from stylejobs.storage.clips import Clip

    tags = {"dagster/data_version": etag}
    with DagsterInstance.get() as instance:
        for kind in (AssetObservation, AssetMaterialization):
            instance.report_runless_asset_event(kind("upload", partition="x", tags=tags))
    keys = [Clip.of_upload(f"inbox/{name}").key for name in names]
    with sqlite3.connect(home / "history/runs/index.db") as database:
        for table, fields in (
            ("event_logs", "run_id, event, dagster_event_type, timestamp, step_key, asset_key"),
            ("asset_event_tags", "asset_key, key, value, event_timestamp"),
        ):
            own, column = ("partition", "?") if table == "event_logs" else ("event_id", "?")
            for first in (1, 2):
                statement = (
                    f"insert into {table} (id, {fields}, {own})"
                    f" select ?, {fields}, {column} from {table} where id = {first}"
                )
                start = first * 10_000_000
                rows = (
                    (start + n, key if own == "partition" else start + n)
                    for n, key in enumerate(keys)
                )
                database.executemany(statement, rows)


def _bare_listing(expected: int) -> None:
    from stylejobs.resources import StudioResource

    store = StudioResource().get().store
    started, cpu = time.monotonic(), time.process_time()
    count = sum(len(page.objects) for page in store.pages("inbox"))
    assert count == expected
    print(
        f"listing alone: {count} blobs in {time.monotonic() - started:.1f} s,"
        f" of which {time.process_time() - cpu:.1f} s are CPU of ours"
    )


def _peak_bytes() -> int:
    """The most memory that this process has had; getrusage counts its parent's before exec, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) * 1024


def _ticks(count: int) -> None:
    from dagster import DagsterInstance, build_sensor_context

    from stylejobs.resources import StudioResource
    from stylejobs.sensors import inbox

    cursor = None
    with DagsterInstance.get() as instance:
        for number in range(count):
            started, cpu = time.monotonic(), time.process_time()
            context = build_sensor_context(
                instance=instance, cursor=cursor, resources={"studio": StudioResource()}
            )
            result = inbox(context)
            cursor = result.cursor
            assert not result.run_requests
            assert not result.asset_events
            memory = _peak_bytes() / 2**20
            print(
                f"tick {number}: {time.monotonic() - started:.2f} s,"
                f" {time.process_time() - cpu:.2f} s CPU, at most {memory:.0f} MB so far,"
                f" goes on at {json.loads(cursor)['page']}"
            )


if __name__ == "__main__":
    sys.exit(main())
