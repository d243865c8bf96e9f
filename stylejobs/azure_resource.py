"""The media store in a storage account, through dagster-azure's resource and credentials.

Imports dagster-azure: to be imported only where the store is an account.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeAlias

from azure.storage.blob import BlobServiceClient
from dagster_azure.blob import (
    AzureBlobStorageDefaultCredential,
    AzureBlobStorageKeyCredential,
    AzureBlobStorageResource,
    AzureBlobStorageSASTokenCredential,
)

from stylejobs.config import Settings
from stylejobs.storage.account import check_account, client_options
from stylejobs.storage.blobs import AzureStore

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
            self.account_url, credential=self._raw_credential(), **client_options()
        )
        with service:
            yield service


def account_store(settings: Settings) -> AzureStore:
    """The store in the account that the settings name.

    Raises:
        UnsafeAccount: it must not be used like this.
    """
    credential = credential_of(settings)
    uses_key = isinstance(credential, AzureBlobStorageKeyCredential)
    check_account(settings.store, uses_key, settings.allow_account_key)
    account = MediaAccount(account_url=settings.store, credential=credential)
    return AzureStore(
        _open_for_good.enter_context(account.get_client()),
        settings.containers,
        sas=settings.sas.get_secret_value() if settings.sas else None,
        copies_bytes=settings.local_copies_bytes,
    )


def credential_of(settings: Settings) -> Credential:
    """The credential that the settings name: a SAS token, a key, or else the identity."""
    if settings.sas:
        return AzureBlobStorageSASTokenCredential(token=settings.sas.get_secret_value())
    if settings.account_key:
        return AzureBlobStorageKeyCredential(key=settings.account_key.get_secret_value())
    return AzureBlobStorageDefaultCredential()
