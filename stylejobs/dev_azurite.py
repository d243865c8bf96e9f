"""``make dev-azurite``: Azurite on loopback, and Dagster's UI with the whole pipeline against it.

Two accounts, as on Azure: media for uploads and results, ops for what runs print.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stylejobs.azurite import (
    ACCOUNT,
    ACCOUNT_KEY,
    AzuriteUnavailable,
    Endpoints,
    azurite_running,
    make_certificate,
)
from stylejobs.config import Settings
from stylejobs.loopback_names import loopback_proxy

OPS_ACCOUNT = "stylejobsops"
# Opens the emulator's second account, which listens on loopback only.
OPS_KEY = "c3R5bGVqb2JzIG9wcyBhY2NvdW50IG9mIHRoZSBlbXVsYXRvcg=="
LOGS = "compute-logs"
_PORTS = (10000, 10001)
_TEMPLATE = Path(__file__).parents[1] / "deploy" / "dagster" / "azurite.yaml"
_DAYS = 7


def main() -> int:
    home = Path(os.environ.get("DAGSTER_HOME", ".dagster")).resolve() / "azurite"
    home.mkdir(parents=True, exist_ok=True)
    try:
        with emulated_accounts(home, _PORTS) as environment:
            print(_directions(environment), flush=True)
            command = [sys.executable, "-m", "dagster", "dev"]
            with suppress(KeyboardInterrupt):
                return subprocess.call(command, env={**os.environ, **environment})
    except AzuriteUnavailable as error:
        print(f"dev-azurite: {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def emulated_accounts(home: Path, ports: tuple[int, int] | None = None) -> Iterator[dict[str, str]]:
    """Both accounts in an Azurite, and a DAGSTER_HOME for them in ``home``.

    Gives the environment in which the pipeline uses them.

    Raises:
        AzuriteUnavailable: it is not installed or did not start.
    """
    shutil.copyfile(_TEMPLATE, home / "dagster.yaml")
    certificate, key = make_certificate(home)
    accounts = {ACCOUNT: ACCOUNT_KEY, OPS_ACCOUNT: OPS_KEY}
    with (
        azurite_running(home / "data", (certificate, key), accounts, ports) as endpoints,
        loopback_proxy() as proxy,
    ):
        containers = Settings().containers
        create_places(endpoints, certificate, containers.values())
        yield {
            "DAGSTER_HOME": str(home),
            "REQUESTS_CA_BUNDLE": str(certificate),
            **proxy,
            **settings_for(endpoints, containers, _account_sas()),
            "STYLEJOBS_OPS_LOCAL_DIR": str(home / "logs"),
        }


def create_places(endpoints: Endpoints, certificate: Path, containers: Iterable[str]) -> None:
    """Create the containers, the queues and the container for logs, where they are missing."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import BlobServiceClient
    from azure.storage.queue import QueueServiceClient

    trust = str(certificate)
    for account, key, wanted in (
        (ACCOUNT, ACCOUNT_KEY, containers),
        (OPS_ACCOUNT, OPS_KEY, [LOGS]),
    ):
        url = f"{endpoints.blob}/{account}"
        with BlobServiceClient(url, credential=key, connection_verify=trust) as service:
            for name in wanted:
                with suppress(ResourceExistsError):
                    service.create_container(name)
    url = f"{endpoints.queue}/{ACCOUNT}"
    with QueueServiceClient(url, credential=ACCOUNT_KEY, connection_verify=trust) as queues:
        for name in (Settings().events_queue, Settings().poison_queue):
            with suppress(ResourceExistsError):
                queues.create_queue(name)


def settings_for(endpoints: Endpoints, containers: Mapping[str, str], sas: str) -> dict[str, str]:
    """The environment in which the pipeline uses both accounts."""
    return {
        "STYLEJOBS_STORE": f"{endpoints.blob}/{ACCOUNT}",
        "STYLEJOBS_QUEUE_SERVICE": f"{endpoints.queue}/{ACCOUNT}",
        "STYLEJOBS_SAS": sas,
        **{f"STYLEJOBS_{name.upper()}_CONTAINER": c for name, c in containers.items()},
        "STYLEJOBS_OPS_ACCOUNT": OPS_ACCOUNT,
        "STYLEJOBS_OPS_KEY": OPS_KEY,
        "STYLEJOBS_OPS_ENDPOINT_SUFFIX": f"core.localhost:{endpoints.blob.rpartition(':')[2]}",
    }


def _account_sas() -> str:
    from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

    return generate_account_sas(
        ACCOUNT,
        ACCOUNT_KEY,
        ResourceTypes(container=True, object=True),
        AccountSasPermissions.from_string("rwdlacup"),
        datetime.now(UTC) + timedelta(days=_DAYS),
        services="bq",
    )


def _directions(environment: Mapping[str, str]) -> str:
    """How to upload and to read: what people outside get, a SAS for one container and one use."""
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    def sas(container: str, permissions: str) -> str:
        return generate_container_sas(
            ACCOUNT,
            container,
            account_key=ACCOUNT_KEY,
            permission=ContainerSasPermissions.from_string(permissions),
            expiry=datetime.now(UTC) + timedelta(days=_DAYS),
        )

    curl = f"curl --cacert {environment['REQUESTS_CA_BUNDLE']}"
    store = environment["STYLEJOBS_STORE"]
    blob = "starry_night/video.mp4"
    return (
        "Upload a video (a token that can only create, only in the inbox):\n"
        f"  {curl} -T video.mp4 -H 'x-ms-blob-type: BlockBlob' '{store}/inbox/{blob}"
        f"?{sas('inbox', 'c')}'\n"
        "Fetch the result (a token that can only read, only what is painted):\n"
        f"  {curl} -O '{store}/painted/{blob}?{sas('painted', 'r')}'\n"
    )


if __name__ == "__main__":
    sys.exit(main())
