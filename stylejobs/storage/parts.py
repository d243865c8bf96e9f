"""Parts: files of the work folder that are either finished, with a marker that says so, or void.

The marker is written last and names the content's hash. A killed run leaves a part without a
marker; a damaged or exchanged file does not match its marker; neither is ever used.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from stylejobs.storage.store import Store


class Part(BaseModel):
    """A finished part.

    Attributes:
        frames: frames in it; 0 means that there is no file.
        sha256: of the file, hexadecimal; empty when there is no file.
        facts: figures of its making, for people.
    """

    model_config = ConfigDict(frozen=True)

    frames: int
    size: int
    sha256: str
    facts: dict[str, Any]


def commit_part(
    store: Store, path: str, file: Path | None, frames: int, facts: dict[str, Any]
) -> Part:
    """Publish ``file`` at ``path`` and mark it finished; without a file, mark it empty."""
    store.delete(_marker(path))
    part = Part(frames=frames, size=0, sha256="", facts=facts)
    if file is not None:
        part = part.model_copy(update={"size": file.stat().st_size, "sha256": _sha256(file)})
        store.publish(file, path)
    store.write(_marker(path), part.model_dump_json(indent=1).encode())
    return part


def find_part(store: Store, path: str) -> Part | None:
    """The finished part at ``path``, its content checked against its marker; None if void."""
    if store.head(_marker(path)) is None:
        return None
    try:
        part = Part.model_validate_json(store.read(_marker(path)))
    except ValidationError:
        return None
    if not part.sha256:
        return part
    if store.head(path) is None:
        return None
    with store.open_local(path) as file:
        return part if _sha256(file) == part.sha256 else None


def _marker(path: str) -> str:
    return f"{path}.json"


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
