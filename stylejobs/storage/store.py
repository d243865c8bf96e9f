"""What a media store does, wherever it lies.

Paths have slashes; their first part is the container (``inbox``, ``work``, …). Names come from
strangers: they are never interpreted. An object appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from stylejobs.ranged_file import RangedFile


class StoreError(Exception):
    """The store could not do what was asked. The message names the object and the cause."""


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing shows it.

    Attributes:
        path: from the store's root, with slashes.
        etag: changes whenever the content may have changed.
        changed: when content or name changed last, seconds since the epoch.
        is_link: a symbolic link or a special file: listed, but never opened.
        is_whole: it became visible when it was complete, so there is no need to wait for more.
        metadata: what its uploader said of it; names in lower case.
    """

    path: str
    size: int
    etag: str
    changed: float
    is_link: bool = False
    is_whole: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Some of a listing's objects.

    Attributes:
        following: where the next page starts; None at the end.
    """

    objects: Sequence[StoredObject]
    following: str | None


class Store(Protocol):
    """A media store. Every method raises `StoreError` when the store does not do its part."""

    def __hash__(self) -> int: ...

    @property
    def reads_in_place(self) -> bool:
        """Whether ``open_local`` costs nothing, however large the object."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object under ``prefix``, in no order; what vanishes meanwhile is left out."""

    def pages(self, prefix: str, start: str | None = None) -> Iterator[Page]:
        """The listing of ``prefix`` page by page, from the page that starts at ``start``."""

    def head(self, path: str) -> StoredObject | None:
        """The object at ``path``, or None."""

    def read(self, path: str) -> bytes:
        """The content of ``path``."""

    def open_local(self, path: str) -> AbstractContextManager[Path]:
        """A local file with the content of ``path``, to read only, while the context lasts."""

    def open_ranged(self, path: str) -> AbstractContextManager[Path | RangedFile]:
        """The content of ``path``, to read here and there or once, while the context lasts.

        There is no local copy, whatever the size. What could not be read raises `StoreError`
        when the context ends, too: a demuxer may have taken it for the end of the file.
        """

    def scratch(self) -> AbstractContextManager[Path]:
        """An empty local folder, removed with all in it afterwards."""

    def write(self, path: str, content: bytes) -> None:
        """Put ``content`` at ``path``, in place of what was there, at once."""

    def publish(self, file: Path, path: str, metadata: Mapping[str, str] | None = None) -> None:
        """Move a finished local ``file`` to ``path``, in place of what was there, at once."""

    def make_folder(self, path: str) -> None:
        """Make an empty folder for people to drop files in, where the store has folders."""

    def delete(self, path: str) -> None:
        """Remove ``path`` if it is there."""
