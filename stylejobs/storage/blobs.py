"""A media store in Azure Blob Storage, or its emulator: each container of the store is one there.

Imports azure-storage-blob: to be imported only where the store is an account.
"""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import shutil
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import quote
from uuid import uuid4

from azure.core import MatchConditions
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobProperties,
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
)

from stylejobs.ranged_file import RangedFile
from stylejobs.storage.account import CHUNK, WHOLE
from stylejobs.storage.blob_errors import ObjectChanged, ObjectGone, explained_for
from stylejobs.storage.blob_listing import blob_pages
from stylejobs.storage.block_cache import BlockCache
from stylejobs.storage.clips import INBOX, PAINTED, REJECTED, STYLES, WORK
from stylejobs.storage.local_copies import LocalCopies, new_folder
from stylejobs.storage.store import Page, StoredObject, StoreError

_CONTAINERS = (INBOX, WORK, PAINTED, REJECTED, STYLES)
_LONGEST_NAME = 1024
# What the system's own table of types lacks on a bare machine.
_TYPES = {".mkv": "video/x-matroska", ".ts": "video/mp2t", ".mka": "audio/x-matroska"}


class AzureStore:
    """The media store in an account.

    Args:
        service: client of the account; it retries.
        containers: names of the containers in the account, where they are not the store's own.
        sas: the SAS token that the client uses, if it does; only to tell when it expired.
        copies_bytes: how much of what was read is kept in local files.
        transfers: how many blocks of one object travel at a time.
    """

    def __init__(
        self,
        service: BlobServiceClient,
        containers: Mapping[str, str] | None = None,
        sas: str | None = None,
        copies_bytes: int = 2 * 2**30,
        transfers: int = 4,
    ) -> None:
        self.account = str(service.account_name)
        self._names = dict.fromkeys(_CONTAINERS, "") | dict(containers or {})
        self._clients: dict[str, ContainerClient] = {
            name: service.get_container_client(self._names[name] or name) for name in _CONTAINERS
        }
        self._sas = sas
        self._copies = LocalCopies(copies_bytes)
        self._blocks = BlockCache()
        self._transfers = transfers

    @property
    def reads_in_place(self) -> bool:
        return False

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every blob under the folder ``prefix``.

        Raises:
            StoreError: it cannot be listed.
        """
        for page in self.pages(prefix):
            yield from page.objects

    def pages(self, prefix: str, start: str | None = None) -> Iterator[Page]:
        """The listing of ``prefix`` page by page, from the page that starts at ``start``.

        Raises:
            StoreError: it cannot be listed.
        """
        container, _, folder = prefix.partition("/")
        client = self._client(container, prefix)
        pages = blob_pages(client, container, f"{folder}/" if folder else "", start)
        while True:
            with self._explained(prefix, "list"):
                page = next(pages, None)
            if page is None:
                return
            yield page

    def head(self, path: str) -> StoredObject | None:
        """The blob at ``path``, or None.

        Raises:
            StoreError: the account does not say.
        """
        client, blob = self._blob(path)
        try:
            with self._explained(path, "read"):
                facts = client.get_blob_client(blob).get_blob_properties()
        except ObjectGone:
            return None
        return _described(path, facts)

    def read(self, path: str) -> bytes:
        """The content of ``path``.

        Raises:
            StoreError: there is no such blob, or it cannot be read.
        """
        client, blob = self._blob(path)
        with self._explained(path, "read"):
            return client.download_blob(blob).readall()

    @contextmanager
    def open_local(self, path: str) -> Iterator[Path]:
        """A local copy of ``path``, to read only, while the context lasts.

        Raises:
            StoreError: there is no such blob, or it cannot be read.
        """
        for tries_left in (2, 1, 0):
            found = self.head(path)
            if found is None:
                raise ObjectGone(f"{path} is not in the account '{self.account}'.")
            copy = self._copy(path, found)
            try:
                file = copy.__enter__()
            except ObjectChanged:
                if not tries_left:
                    raise
                continue  # replaced between the two requests: read the new one
            break
        try:
            yield file
        finally:
            copy.__exit__(None, None, None)

    def _copy(self, path: str, found: StoredObject) -> AbstractContextManager[Path]:
        def fetch(file: Path) -> None:
            client, blob = self._blob(path)
            with self._explained(path, "read"), file.open("wb") as out:
                # Every range is asked for with the same etag: two versions never mix.
                client.download_blob(
                    blob,
                    max_concurrency=self._transfers,
                    etag=found.etag,
                    match_condition=MatchConditions.IfNotModified,
                ).readinto(out)

        return self._copies.open(path, found.etag, found.size, fetch)

    @contextmanager
    def open_ranged(self, path: str) -> Iterator[RangedFile]:
        """The blob at ``path`` as it is now, read by ranges, while the context lasts.

        Raises:
            StoreError: there is no such blob; on reading and on leaving, when it could not be read
                or was replaced meanwhile.
        """
        found = self.head(path)
        if found is None:
            raise ObjectGone(f"{path} is not in the account '{self.account}'.")
        client, blob = self._blob(path)
        failures: list[StoreError] = []

        def fetch(position: int, length: int) -> bytes:
            with self._explained(path, "read"):
                return client.download_blob(
                    blob,
                    position,
                    length,
                    etag=found.etag,
                    match_condition=MatchConditions.IfNotModified,
                ).readall()

        cached = self._blocks.reader(path, found.etag, found.size, fetch)

        def read_at(position: int, length: int) -> bytes:
            if failures:
                raise failures[0]  # no waiting for the same again
            try:
                return cached(position, length)
            except StoreError as error:
                failures.append(error)
                raise

        try:
            yield RangedFile(PurePosixPath(path).name, found.size, read_at)
        finally:
            if failures:
                raise failures[0] from None

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty local folder, removed with all in it afterwards."""
        folder = new_folder("scratch-")
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def write(self, path: str, content: bytes) -> None:
        """Put ``content`` at ``path``, in place of what was there, at once.

        Raises:
            StoreError: it cannot be written.
        """
        client, blob = self._blob(path)
        settings = _content(path, hashlib.md5(content, usedforsecurity=False).digest())
        with self._explained(path, "write"):
            client.upload_blob(blob, content, overwrite=True, content_settings=settings)

    def publish(self, file: Path, path: str, metadata: Mapping[str, str] | None = None) -> None:
        """Upload a finished local ``file`` to ``path``, in place of what was there, at once.

        A small one takes one request. Of a larger one, the blocks are staged side by side and
        committed in one request; until then nobody sees any of them, and the service forgets them
        within a week.

        Raises:
            StoreError: it cannot be written.
        """
        client, blob = self._blob(path)
        said = {name: quote(value) for name, value in (metadata or {}).items()}
        if (size := file.stat().st_size) <= WHOLE:
            with self._explained(path, "write"), file.open("rb") as content:
                settings = _content(path, hashlib.file_digest(content, "md5").digest())
                content.seek(0)
                client.upload_blob(
                    blob,
                    content,
                    length=size,
                    overwrite=True,
                    content_settings=settings,
                    metadata=said,
                )
        else:
            with self._explained(path, "write"), file.open("rb") as content:
                self._publish_blocks(client.get_blob_client(blob), content, path, said)
        with suppress(OSError):
            file.unlink()

    def _publish_blocks(
        self, target: BlobClient, content: BinaryIO, path: str, metadata: dict[str, str]
    ) -> None:
        digest = hashlib.md5(usedforsecurity=False)
        blocks: list[str] = []
        slots = threading.Semaphore(self._transfers)  # bounds what waits in memory
        sent: list[Future[None]] = []

        def stage(name: str, chunk: bytes) -> None:
            try:
                target.stage_block(name, chunk, length=len(chunk))
            finally:
                slots.release()

        with ThreadPoolExecutor(self._transfers) as pool:
            run = uuid4().hex[:16]  # blocks of two uploads to one path never mix
            while chunk := content.read(CHUNK):
                slots.acquire()
                blocks.append(base64.b64encode(f"{run}-{len(blocks):06d}".encode()).decode())
                sent.append(pool.submit(stage, blocks[-1], chunk))
                digest.update(chunk)
            for each in sent:
                each.result()
            target.commit_block_list(
                [BlobBlock(name) for name in blocks],
                content_settings=_content(path, digest.digest()),
                metadata=metadata,
            )

    def make_folder(self, path: str) -> None:
        """Nothing: a container has no folders."""

    def delete(self, path: str) -> None:
        """Remove ``path`` if it is there.

        Raises:
            StoreError: it cannot be removed.
        """
        client, blob = self._blob(path)
        with suppress(ObjectGone), self._explained(path, "delete"):
            client.delete_blob(blob, delete_snapshots="include")

    def _blob(self, path: str) -> tuple[ContainerClient, str]:
        """The container's client and the blob's name, which is taken as it is."""
        container, _, blob = path.partition("/")
        # Azure reads a backslash as a slash.
        odd = "\\" in blob or {"", ".", ".."} & set(blob.split("/"))
        if odd or len(blob) > _LONGEST_NAME:
            raise StoreError(f"{path!r} is no path in the store.")
        return self._client(container, path), blob

    def _client(self, container: str, path: str) -> ContainerClient:
        if container not in self._clients:
            raise StoreError(f"{path!r} is no path in the store.")
        return self._clients[container]

    def _explained(self, path: str, action: str) -> AbstractContextManager[None]:
        container = self._names.get(name := path.partition("/")[0]) or name
        place = f"container '{container}'"
        return explained_for(self.account, place, path, action, self._sas)


def _described(path: str, facts: BlobProperties) -> StoredObject:
    return StoredObject(
        path=path,
        size=facts.size,
        etag=str(facts.etag).strip('"'),
        changed=facts.last_modified.timestamp(),
        is_whole=facts.blob_type == "BlockBlob" and facts.size > 0,
        metadata={name.lower(): value for name, value in (facts.metadata or {}).items()},
    )


def _content(path: str, md5: bytes) -> ContentSettings:
    suffix = Path(path).suffix.lower()
    kind = _TYPES.get(suffix) or mimetypes.types_map.get(suffix) or "application/octet-stream"
    return ContentSettings(content_type=kind, content_md5=bytearray(md5))
