"""The connection to a storage account: which URLs and credentials are accepted, what is retried.

Imports azure-storage-blob: to be imported only where the store is an account.
"""

from __future__ import annotations

import logging
import re
import time
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.storage.blob import ExponentialRetry

from stylejobs.storage.store import StoreError

EMULATOR_ACCOUNT = "devstoreaccount1"
CHUNK = 8 * 2**20
WHOLE = 64 * 2**20  # what travels in one request upwards
_SIGNATURE = re.compile(r"(?<=[?&]sig=)[^&\s\"']+")


class UnsafeAccount(StoreError):
    """The account must not be used like this. The message says what to do."""


def account_name(url: str) -> str:
    """The account that a blob or queue service's URL belongs to."""
    parts = urlsplit(url)
    path = parts.path.strip("/")
    # The emulator's accounts are folders of its host.
    return path.split("/")[0] if path else (parts.hostname or "").split(".")[0]


def check_account(url: str, uses_key: bool, key_allowed: bool) -> None:
    """Refuse what would put the media or the account's key at risk.

    Raises:
        UnsafeAccount: no https, a SAS inside the URL, or a key for a real account.
    """
    parts = urlsplit(url)
    local = _is_loopback(parts.hostname or "")
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if parts.query or parts.username:
        raise UnsafeAccount(
            f"The URL of the store, {shown}, must not hold a credential."
            " Put the SAS token in STYLEJOBS_SAS."
        )
    if parts.scheme != "https" and not local:
        raise UnsafeAccount(f"{shown} is not encrypted. Use https.")
    if uses_key and not local and account_name(url) != EMULATOR_ACCOUNT and not key_allowed:
        raise UnsafeAccount(
            f"An account key opens everything in {account_name(url)}. Use a managed identity or a"
            " SAS token; STYLEJOBS_ALLOW_ACCOUNT_KEY=true takes the key all the same."
        )


def sas_expiry(token: str) -> str | None:
    """When a SAS token ends, as it says itself."""
    return next(iter(parse_qs(token.lstrip("?")).get("se", ())), None)


def client_options(seconds_between_tries: float = 1.0) -> dict[str, Any]:
    """How clients of an account transfer and retry.

    Storage throttles with 503, gateways before it with 429; both pass. The SDK's own first wait
    is 15 seconds, more than a sensor has.
    """
    _hide_signatures()
    return {
        "retry_policy": _Retry(seconds_between_tries),
        "max_single_get_size": CHUNK,
        "max_chunk_get_size": CHUNK,
        "max_block_size": CHUNK,
        "max_single_put_size": WHOLE,
        "connection_timeout": 20,
        "read_timeout": 60,
    }


class _Retry(ExponentialRetry):
    """Exponential waits that start short, and 429 as well."""

    TRIES = 5

    def __init__(self, seconds: float) -> None:
        super().__init__(retry_total=self.TRIES)
        self.connect_retries = self.read_retries = self.status_retries = self.TRIES
        self._seconds = seconds

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        return self._seconds * float(1.8 ** settings["count"])

    def send(self, request: PipelineRequest) -> PipelineResponse:
        response = super().send(request)
        for count in range(self.TRIES):
            if response.http_response.status_code != 429:
                break
            time.sleep(self.get_backoff_time({"count": count}))
            response = super().send(request)
        return response


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _hide_signatures() -> None:
    """Keep SAS signatures out of urllib3's log, which shows the URL of every request."""
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logger = logging.getLogger(name)
        if not any(isinstance(each, _NoSignatures) for each in logger.filters):
            logger.addFilter(_NoSignatures())


class _NoSignatures(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _SIGNATURE.sub("…", record.getMessage()), ()
        return True
