"""The studio as a Dagster resource."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from dagster import ConfigurableResource

from stylejobs.config import Settings
from stylejobs.storage.folder import FolderStore
from stylejobs.storage.store import Store, StoreError
from stylejobs.studio import Studio

if TYPE_CHECKING:
    from stylejobs.storage.inbox_events import EventQueue


class StudioResource(ConfigurableResource):
    """Gives assets and sensors the media store and the settings of this deployment.

    It has no fields: what Dagster knows of a resource, its UI shows.
    """

    def get(self) -> Studio:
        settings = Settings.from_environment()
        return Studio(settings, _store(settings))

    def events(self) -> EventQueue:
        """The queue with messages about new uploads.

        Raises:
            StoreError: the store is no storage account, or must not be used like this.
        """
        return _events(Settings.from_environment())


@lru_cache(maxsize=4)
def _events(settings: Settings) -> EventQueue:
    if not settings.is_account:
        raise StoreError("STYLEJOBS_TRIGGER=queue needs a storage account in STYLEJOBS_STORE.")
    from stylejobs.azure_resource import event_queue

    return event_queue(settings)


@lru_cache(maxsize=4)
def _store(settings: Settings) -> Store:
    """The store of these settings; one for all ticks of a process, as it keeps connections."""
    if not settings.is_account:
        return FolderStore(Path(settings.store))
    # Half a second of imports that a folder does not need.
    from stylejobs.azure_resource import account_store

    return account_store(settings)
