"""A file that lies elsewhere and is read in pieces, as if it were open here."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER = 256 * 2**10


@dataclass(frozen=True)
class RangedFile:
    """A file of ``size`` bytes whose content does not change.

    Attributes:
        name: without folders; its suffix matters.
        read_at: at most so many bytes (second) from a position in the file (first) on; at least
            one before the file's end.
    """

    name: str
    size: int
    read_at: Callable[[int, int], bytes]

    def open(self, mode: Literal["rb"] = "rb") -> BinaryIO:
        """A reader with a position of its own."""
        del mode  # as Path.open has it
        return cast(BinaryIO, io.BufferedReader(_Reader(self), _BUFFER))


class _Reader(io.RawIOBase):
    def __init__(self, file: RangedFile) -> None:
        self.name = file.name
        self._file = file
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}
        self._position = max(0, start[whence] + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        target = memoryview(buffer).cast("B")
        wanted = min(len(target), max(0, self._file.size - self._position))
        if not wanted:
            return 0
        content = self._file.read_at(self._position, wanted)
        target[: len(content)] = content
        self._position += len(content)
        return len(content)
