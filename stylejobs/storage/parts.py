"""Parts: files of the work folder that are either finished, with a marker that says so, or void.

The marker is written last and names each file's hash. A killed run leaves a part without a
marker; a damaged or exchanged file does not match its marker; neither is ever used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from stylejobs.storage.store import Store


class Part(BaseModel):
    """A finished part.

    Attributes:
        frames: frames in it; 0 means that there is no file.
        size: of all its files, in bytes.
        files: the SHA-256 of each, hexadecimal, by its path in the store, in order.
        facts: figures of its making, for people.
    """

    model_config = ConfigDict(frozen=True)

    frames: int
    size: int
    files: dict[str, str]
    facts: dict[str, Any]

    @property
    def sha256(self) -> str:
        """Of its file, or of its files' hashes; empty when there is none."""
        digests = list(self.files.values())
        if len(digests) > 1:
            return hashlib.sha256("".join(digests).encode()).hexdigest()
        return "".join(digests)

    def paths(self, suffix: str) -> list[str]:
        """Its files of one kind, in order."""
        return [path for path in self.files if path.endswith(suffix)]


def commit_part(
    store: Store, path: str, file: Path | None, frames: int, facts: dict[str, Any]
) -> Part:
    """Publish ``file`` at ``path`` and mark it finished; without a file, mark it empty."""
    return commit_files(store, path, {} if file is None else {path: file}, frames, facts)


def commit_files(
    store: Store, path: str, files: Mapping[str, Path], frames: int, facts: dict[str, Any]
) -> Part:
    """Publish each of ``files`` at its path and mark them finished together, at ``path``."""
    store.delete(_marker(path))
    part = Part(
        frames=frames,
        size=sum(file.stat().st_size for file in files.values()),
        files={target: _sha256(file) for target, file in files.items()},
        facts=facts,
    )
    for target, file in files.items():
        store.publish(file, target)
    return _mark(store, path, part)


def commit_group(store: Store, path: str, members: Iterable[Part], facts: dict[str, Any]) -> Part:
    """Mark a part finished that is made of other finished parts, in order."""
    members = list(members)
    part = Part(
        frames=sum(member.frames for member in members),
        size=sum(member.size for member in members),
        files={file: digest for member in members for file, digest in member.files.items()},
        facts=facts,
    )
    return _mark(store, path, part)


def find_part(store: Store, path: str) -> Part | None:
    """The finished part at ``path``, its content checked against its marker; None if void."""
    part = read_marker(store, path)
    if part is None:
        return None
    for name, digest in part.files.items():
        if store.head(name) is None:
            return None
        with store.open_local(name) as file:
            if _sha256(file) != digest:
                return None
    return part


def read_marker(store: Store, path: str) -> Part | None:
    """The part at ``path`` as its marker describes it, its content not looked at."""
    if store.head(_marker(path)) is None:
        return None
    try:
        return Part.model_validate_json(store.read(_marker(path)))
    except ValidationError:
        return None


def _mark(store: Store, path: str, part: Part) -> Part:
    store.write(_marker(path), part.model_dump_json(indent=1).encode())
    return part


def _marker(path: str) -> str:
    return f"{path}.json"


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
