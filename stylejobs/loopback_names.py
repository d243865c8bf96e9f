"""Names under ``.localhost`` for programs that look them up: not every machine resolves them.

dagster-azure's log manager builds ``https://<account>.blob.<suffix>/`` and takes no other URL. A
proxy on loopback leads such names to the emulator, whatever the machine's resolver says.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def loopback_proxy() -> Iterator[dict[str, str]]:
    """A proxy for ``*.localhost`` while the context lasts; gives the environment that uses it."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Tunnel)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield {"HTTPS_PROXY": url, "NO_PROXY": "127.0.0.1"}
    finally:
        server.shutdown()
        server.server_close()


class _Tunnel(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        method, _, rest = self.rfile.readline(8192).decode("latin-1").partition(" ")
        host, _, port = rest.partition(" ")[0].rpartition(":")
        while self.rfile.readline(8192) not in (b"\r\n", b"\n", b""):
            pass
        if method != "CONNECT" or not host.endswith(".localhost") or not port.isdigit():
            self.wfile.write(b"HTTP/1.1 403 Only names under .localhost\r\n\r\n")
            return
        with suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), 10) as target:
            target.settimeout(None)
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_copy, args=(target, self.connection), daemon=True)
            back.start()
            _copy(self.connection, target)
            back.join(5)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
