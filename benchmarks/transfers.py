"""How fast the store is against azure-storage-blob alone: ``python -m benchmarks.transfers``.

The same bytes go to an emulated account and come back, in turns, with the SDK alone (with one
connection, its default, and with as many as the store uses) and through the store. The medians of
all rounds count.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from stylejobs.azurite import ACCOUNT, ACCOUNT_KEY, azurite_running, make_certificate

MIB = 2**20
CONNECTIONS = 4
Speeds = dict[str, dict[str, float]]  # direction and way to MiB a second


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--https", action="store_true", help="with a certificate made for it")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stylejobs-transfers-"))
        certificate = make_certificate(Path(folder)) if arguments.https else None
        if certificate:
            os.environ["REQUESTS_CA_BUNDLE"] = str(certificate[0])
        endpoints = stack.enter_context(
            azurite_running(Path(folder) / "data", certificate=certificate)
        )
        url = f"{endpoints.blob}/{ACCOUNT}"
        speeds = measure(url, Path(folder), arguments.mib, arguments.rounds)
    print(f"{arguments.mib} MiB, medians of {arguments.rounds} rounds, MiB/s")
    for direction, ways in speeds.items():
        shown = ", ".join(f"{way} {speed:.0f}" for way, speed in ways.items())
        print(f"{direction}: {shown}; the store has {share(ways):.2f} x the faster SDK")
    return 0


def share(ways: dict[str, float]) -> float:
    """The store's speed in that of the SDK at its best; streaming counts as the store's."""
    bare = max(speed for way, speed in ways.items() if way.startswith("SDK"))
    return min(speed for way, speed in ways.items() if not way.startswith("SDK")) / bare


def measure(url: str, folder: Path, mib: int, rounds: int) -> Speeds:
    """Transfer ``mib`` MiB ``rounds`` times in each way, in a container that is made for it."""
    from azure.storage.blob import BlobServiceClient

    from stylejobs.storage.account import client_options
    from stylejobs.storage.blobs import AzureStore

    original = folder / "original"
    original.write_bytes(os.urandom(mib * MIB))
    times: dict[str, dict[str, list[float]]] = {"upload": {}, "download": {}}
    with (
        BlobServiceClient(url, credential=ACCOUNT_KEY) as plain,
        BlobServiceClient(url, credential=ACCOUNT_KEY, **client_options()) as service,
    ):
        bare = plain.create_container(f"transfers-{time.time_ns()}")
        store = AzureStore(service, {"work": bare.container_name}, transfers=CONNECTIONS)

        def sdk_upload(connections: int) -> None:
            with original.open("rb") as content:
                bare.upload_blob("bare", content, overwrite=True, max_concurrency=connections)

        def sdk_download(connections: int) -> None:
            with (folder / "bare").open("wb") as out:
                bare.download_blob("bare", max_concurrency=connections).readinto(out)

        def stream() -> None:
            with store.open_ranged("work/ours") as file, file.open("rb") as content:
                while content.read(MIB):
                    pass

        for _ in range(rounds):
            for connections in (1, CONNECTIONS):
                with _timed(times["upload"], f"SDK x{connections}"):
                    sdk_upload(connections)
            finished = folder / "ours"
            os.link(original, finished)  # publishing takes the file away
            with _timed(times["upload"], "store"):
                store.publish(finished, "work/ours")
            for connections in (1, CONNECTIONS):
                with _timed(times["download"], f"SDK x{connections}"):
                    sdk_download(connections)
            # A new version each round, so neither comes out of the copies of the last one.
            with _timed(times["download"], "store"), store.open_local("work/ours"):
                pass
            with _timed(times["download"], "store, streaming"):
                stream()
        bare.delete_container()
    return {
        direction: {way: mib / median(seconds) for way, seconds in ways.items()}
        for direction, ways in times.items()
    }


@contextmanager
def _timed(times: dict[str, list[float]], way: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    times.setdefault(way, []).append(time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
