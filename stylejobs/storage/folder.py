"""A media store in a local folder.

A file appears in the store whole or not at all: it is written under a temporary name in the
store's own file system and renamed. Names come from strangers: they are never interpreted, and
nothing outside the folder is ever read or written.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path, PurePosixPath

from stylejobs.storage.store import Page, StoredObject, StoreError


class FolderStore:
    """The media store over a folder; ``path`` arguments are relative to it, with slashes."""

    _TEMPORARY = ".partial"
    _ABANDONED_SECONDS = 2 * 24 * 3600.0

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    @property
    def reads_in_place(self) -> bool:
        return True

    def pages(self, prefix: str, start: str | None = None) -> Iterator[Page]:
        """The whole listing as one page."""
        del start
        yield Page(list(self._objects(prefix)), None)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object under ``prefix``, in no order; what vanishes meanwhile is left out."""
        return self._objects(prefix)

    def _objects(self, prefix: str) -> Iterator[StoredObject]:
        folders = [self._local(prefix)]
        while folders:
            try:
                entries = list(os.scandir(folders.pop()))
            except FileNotFoundError:
                continue
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                else:
                    with suppress(FileNotFoundError):
                        yield self._describe(Path(entry.path))

    def head(self, path: str) -> StoredObject | None:
        """The object at ``path``, or None."""
        file = self._local(path)
        try:
            return None if file.is_dir() and not file.is_symlink() else self._describe(file)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, path: str) -> bytes:
        """The content of ``path``.

        Raises:
            StoreError: there is no such object.
        """
        with self.open_local(path) as file:
            return file.read_bytes()

    @contextmanager
    def open_local(self, path: str) -> Iterator[Path]:
        """A local file with the content of ``path``, to read only, while the context lasts."""
        file = self._local(path)
        if not file.is_file() or file.is_symlink():
            raise StoreError(f"{path} is not in the store {self.root}.")
        yield file

    def open_ranged(self, path: str) -> AbstractContextManager[Path]:
        """The file itself."""
        return self.open_local(path)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder beside the store's content, removed with all in it afterwards."""
        parent = self.root / self._TEMPORARY
        parent.mkdir(parents=True, exist_ok=True)
        self._sweep(parent)
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            yield Path(folder)

    def _sweep(self, parent: Path) -> None:
        """Remove what killed processes left behind long ago."""
        for folder in parent.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - folder.stat().st_mtime > self._ABANDONED_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)

    def write(self, path: str, content: bytes) -> None:
        """Put ``content`` at ``path``, in place of what was there, at once."""
        with self.scratch() as folder:
            file = folder / "content"
            try:
                file.write_bytes(content)
            except OSError as error:
                raise StoreError(f"{path} could not be written: {error.strerror}.") from error
            self.publish(file, path)

    def publish(self, file: Path, path: str, metadata: Mapping[str, str] | None = None) -> None:
        """Move a finished local ``file`` to ``path``, in place of what was there, at once.

        A folder has no place for ``metadata``.
        """
        del metadata
        target = self._local(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with file.open("rb") as written:
                os.fsync(written.fileno())
            if file.stat().st_dev == target.parent.stat().st_dev:
                file.replace(target)
                return
            with self.scratch() as folder:
                copy = folder / "content"
                shutil.copyfile(file, copy)
                copy.replace(target)
        except OSError as error:
            raise StoreError(f"{path} could not be written: {error.strerror}.") from error

    def make_folder(self, path: str) -> None:
        """Make an empty folder for people to drop files in."""
        self._local(path).mkdir(parents=True, exist_ok=True)

    def delete(self, path: str) -> None:
        """Remove ``path`` if it is there."""
        self._local(path).unlink(missing_ok=True)

    def _local(self, path: str) -> Path:
        parts = PurePosixPath(path).parts
        if not parts or PurePosixPath(path).is_absolute() or ".." in parts:
            raise StoreError(f"{path!r} is no path in the store.")
        return self.root.joinpath(*parts)

    def _describe(self, file: Path) -> StoredObject:
        facts = file.lstat()
        return StoredObject(
            path=file.relative_to(self.root).as_posix(),
            size=facts.st_size,
            etag=f"{facts.st_mtime_ns:x}-{facts.st_size:x}-{facts.st_ino:x}",
            changed=max(facts.st_mtime, facts.st_ctime),
            is_link=not stat.S_ISREG(facts.st_mode),
        )
