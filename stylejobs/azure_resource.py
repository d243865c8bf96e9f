"""The media store in a storage account, through dagster-azure's resource and credentials.

Imports dagster-azure: to be imported only where the store is an account.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient
from dagster_azure.blob import (
    AzureBlobStorageDefaultCredential,
    AzureBlobStorageKeyCredential,
    AzureBlobStorageResource,
    AzureBlobStorageSASTokenCredential,
)

from stylejobs.config import Settings
from stylejobs.storage.account import check_account, client_options
from stylejobs.storage.blobs import AzureStore
from stylejobs.storage.inbox_events import EventQueue

Credential: TypeAlias = (
    AzureBlobStorageKeyCredential
    | AzureBlobStorageSASTokenCredential
    | AzureBlobStorageDefaultCredential
)


# Clients stay open while the process lasts: a tick with its own would pay for TLS every time.
_open_for_good = ExitStack()


class MediaAccount(AzureBlobStorageResource):
    """dagster-azure's resource, with retries that fit a sensor's tick and parallel transfers."""

    @contextmanager
    def get_client(self) -> Iterator[BlobServiceClient]:
        service = BlobServiceClient(
            self.account_url, credential=self.credential_for_client(), **client_options()
        )
        with service:
            yield service

    def credential_for_client(self) -> Any:
        """The credential as the SDK's clients take it, of the queue service too."""
        return self._raw_credential()


def account_store(settings: Settings) -> AzureStore:
    """The store in the account that the settings name.

    Raises:
        UnsafeAccount: it must not be used like this.
    """
    account = _media_account(settings, settings.store)
    return AzureStore(
        _open_for_good.enter_context(account.get_client()),
        settings.containers,
        sas=_sas(settings),
        copies_bytes=settings.local_copies_bytes,
    )


def event_queue(settings: Settings) -> EventQueue:
    """The queue beside the store, opened with the same credential.

    Raises:
        UnsafeAccount: it must not be used like this.
    """
    account = _media_account(settings, settings.queue_url)
    service = QueueServiceClient(
        settings.queue_url, credential=account.credential_for_client(), **client_options()
    )
    return EventQueue(
        _open_for_good.enter_context(service),
        settings.events_queue,
        settings.poison_queue,
        sas=_sas(settings),
    )


def _media_account(settings: Settings, url: str) -> MediaAccount:
    credential = credential_of(settings)
    uses_key = isinstance(credential, AzureBlobStorageKeyCredential)
    check_account(url, uses_key, settings.allow_account_key)
    return MediaAccount(account_url=settings.store, credential=credential)


def _sas(settings: Settings) -> str | None:
    return settings.sas.get_secret_value() if settings.sas else None


def credential_of(settings: Settings) -> Credential:
    """The credential that the settings name: a SAS token, a key, or else the identity."""
    if settings.sas:
        return AzureBlobStorageSASTokenCredential(token=settings.sas.get_secret_value())
    if settings.account_key:
        return AzureBlobStorageKeyCredential(key=settings.account_key.get_secret_value())
    return AzureBlobStorageDefaultCredential()
