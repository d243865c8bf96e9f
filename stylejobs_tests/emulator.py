"""A storage account for the tests: a real Azurite over https, and a proxy that gets in the way."""

from __future__ import annotations

import http.client
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ResourceTypes,
    generate_account_sas,
)

from stylejobs.azurite import (
    ACCOUNT,
    ACCOUNT_KEY,
    AzuriteUnavailable,
    Endpoints,
    azurite_running,
    make_certificate,
)
from stylejobs.dev_azurite import OPS_ACCOUNT, OPS_KEY, create_places, settings_for
from stylejobs.storage.account import client_options
from stylejobs.storage.blobs import AzureStore
from stylejobs.storage.clips import INBOX, PAINTED, REJECTED, STYLES, WORK

ALL = "rwdlacup"


@dataclass
class Emulator:
    """A running Azurite with a set of containers of its own."""

    blob: str
    queue: str
    certificate: Path
    containers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.blob}/{ACCOUNT}"

    @property
    def queue_url(self) -> str:
        return f"{self.queue}/{ACCOUNT}"

    def owner(self) -> BlobServiceClient:
        """A client that may do anything."""
        return BlobServiceClient(self.url, credential=ACCOUNT_KEY)

    def sas(self, permissions: str = ALL, minutes: float = 60, services: str = "bq") -> str:
        return generate_account_sas(
            ACCOUNT,
            ACCOUNT_KEY,
            ResourceTypes(service=True, container=True, object=True),
            AccountSasPermissions.from_string(permissions),
            datetime.now(UTC) + timedelta(minutes=minutes),
            services=services,
        )

    def store(self, sas: str | None = None, url: str | None = None) -> AzureStore:
        """The media store in this account, through a SAS token."""
        sas = sas or self.sas()
        options = client_options(seconds_between_tries=0.01)
        service = BlobServiceClient(url or self.url, credential=sas, **options)
        return AzureStore(service, self.containers, sas=sas)

    def environment(self) -> dict[str, str]:
        """The settings for these containers, and for the ops account."""
        return settings_for(Endpoints(self.blob, self.queue), self.containers, self.sas())

    def with_new_containers(self) -> Emulator:
        mark = uuid4().hex[:12]
        names = {n: f"{n}-{mark}" for n in (INBOX, WORK, PAINTED, REJECTED, STYLES)}
        create_places(Endpoints(self.blob, self.queue), self.certificate, names.values())
        return Emulator(self.blob, self.queue, self.certificate, names)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One Azurite for all tests, over https with a certificate made for it."""
    folder = tmp_path_factory.mktemp("azurite")
    certificate, key = make_certificate(folder)
    accounts = {ACCOUNT: ACCOUNT_KEY, OPS_ACCOUNT: OPS_KEY}
    try:
        with azurite_running(folder / "data", (certificate, key), accounts) as endpoints:
            yield Emulator(endpoints.blob, endpoints.queue, certificate)
    except AzuriteUnavailable as error:
        if os.environ.get("STYLEJOBS_TESTS_NEED_AZURITE"):
            raise
        pytest.skip(f"NOT TESTED ON AZURE STORAGE: {error}")


@pytest.fixture
def account(azurite: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The emulator with containers that no other test has."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite.certificate))
    return azurite.with_new_containers()


class Proxy:
    """Stands between a client and the emulator on loopback, and may answer in its place.

    Attributes:
        fault: called with the method and the path of each request; it returns None to let it
            pass, a status to answer with, or "drop" to hang up in the middle of the answer.
        seen: method and path of each request.
    """

    def __init__(self, upstream: str, certificate: Path) -> None:
        self.fault: Callable[[str, str], int | str | None] = lambda method, path: None
        self.seen: list[tuple[str, str]] = []
        self._upstream = urlsplit(upstream)
        self._trust = ssl.create_default_context(cafile=str(certificate))
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                proxy.handle(self)

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_any

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/{ACCOUNT}"

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        self.seen.append((request.command, request.path))
        fault = self.fault(request.command, request.path)
        if isinstance(fault, int):
            request.send_response(fault, "Refused by the proxy")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        connection = http.client.HTTPSConnection(
            self._upstream.hostname or "", self._upstream.port, context=self._trust, timeout=30
        )
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        connection.request(request.command, request.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        request.send_response(answer.status, answer.reason)
        skipped = {"connection", "transfer-encoding", "date", "server", "keep-alive"}
        for name, value in answer.getheaders():
            if name.lower() not in skipped | {"content-length"}:
                request.send_header(name, value)
        length = answer.getheader("Content-Length") if request.command == "HEAD" else len(content)
        request.send_header("Content-Length", str(length or 0))
        request.end_headers()
        request.wfile.write(content[: len(content) // 2] if fault == "drop" else content)
        connection.close()
        if fault == "drop":
            request.close_connection = True
            request.wfile.flush()
            request.connection.close()


@contextmanager
def proxy_running(emulator: Emulator) -> Iterator[Proxy]:
    proxy = Proxy(emulator.blob, emulator.certificate)
    thread = threading.Thread(target=proxy.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.server.shutdown()
        proxy.server.server_close()


@pytest.fixture
def proxy(account: Emulator) -> Iterator[Proxy]:
    with proxy_running(account) as running:
        yield running
