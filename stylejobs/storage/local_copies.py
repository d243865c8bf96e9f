"""Local copies of blobs: a part that is checked, then read, is fetched once."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

_ABANDONED_SECONDS = 2 * 24 * 3600.0
_LONGEST_NAME = 200


@dataclass
class _Copy:
    folder: Path
    file: Path
    size: int
    users: int = 0
    fetching: threading.Lock = field(default_factory=threading.Lock)


class LocalCopies:
    """Copies of objects by path and etag; the oldest go once they exceed ``max_bytes`` in total."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._copies: dict[tuple[str, str], _Copy] = {}
        self._lock = threading.Lock()
        self.folder = new_folder("copies-")
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    @contextmanager
    def open(
        self, path: str, etag: str, size: int, fetch: Callable[[Path], None]
    ) -> Iterator[Path]:
        """The copy of ``path``, written by ``fetch`` if it is not there yet."""
        key = (path, etag)
        with self._lock:
            copy = self._copies.pop(key, None) or self._new(path, size)
            self._copies[key] = copy  # now the youngest
            copy.users += 1
        try:
            with copy.fetching:
                if not copy.file.exists():
                    copy.folder.mkdir(parents=True, exist_ok=True)
                    partial = copy.folder / ".partial"
                    fetch(partial)
                    partial.chmod(0o444)
                    partial.rename(copy.file)
            yield copy.file
        finally:
            with self._lock:
                copy.users -= 1
                self._drop_oldest()

    def _new(self, path: str, size: int) -> _Copy:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        return _Copy(folder, folder / _file_name(path), size)

    def _drop_oldest(self) -> None:
        total = sum(copy.size for copy in self._copies.values())
        for key, copy in list(self._copies.items()):
            fetched = copy.file.exists()
            if copy.users or (fetched and total <= self._max_bytes):
                continue
            shutil.rmtree(copy.folder, ignore_errors=True)
            total -= copy.size
            del self._copies[key]


def new_folder(prefix: str) -> Path:
    """A new local folder for temporary files; what killed processes left long ago is removed."""
    parent = Path(tempfile.gettempdir()) / "stylejobs"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in parent.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))


def _file_name(path: str) -> str:
    """The object's own name, as far as a file can have it: its suffix matters."""
    name = PurePosixPath(path).name
    if len(name.encode(errors="surrogateescape")) <= _LONGEST_NAME and "\0" not in name:
        return name
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
    return f"{digest}{PurePosixPath(path).suffix[:20]}"
