"""What takes a while to make again, kept on disk for all processes of a user.

The folder is ``STYLEJOBS_CACHE``; unset, ``stylejobs`` in the user's cache folder. Deleting it, or
any file in it, is always safe. Nothing fails where it cannot be written.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

_KEPT = 64  # files; of a compiled network 7 MB each
_DIGEST_BYTES = 32
# Names are digests, so that nothing else is thrown away where the folder is shared.
_OURS = "[0-9a-f]" * 64 + ".*"


def cache_folder() -> Path | None:
    """The folder, made if need be; None where there can be none."""
    named = os.environ.get("STYLEJOBS_CACHE")
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = Path(named) if named else base / "stylejobs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # a read-only disk; a user without a home
        return None
    return folder


def load(name: str) -> bytes | None:
    """What was stored as ``name``; None if nothing was, or if the file is damaged."""
    folder = cache_folder()
    if folder is None:
        return None
    try:
        stored = (folder / name).read_bytes()
        with suppress(OSError):
            os.utime(folder / name)  # used now: the last to be thrown away
    except OSError:
        return None
    content = stored[_DIGEST_BYTES:]
    return content if hashlib.sha256(content).digest() == stored[:_DIGEST_BYTES] else None


def store(name: str, content: bytes) -> None:
    """Keep ``content`` as ``name``: the digest of what it is made from, 64 hexadecimal digits,
    and a suffix. A process that loads meanwhile gets all of it or nothing.
    """
    folder = cache_folder()
    if folder is None:
        return
    with suppress(OSError):
        handle, unfinished = tempfile.mkstemp(prefix=".", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            Path(unfinished).replace(folder / name)
        except OSError:
            Path(unfinished).unlink(missing_ok=True)
            raise
        _tidy(folder)


def _tidy(folder: Path) -> None:
    """Throw away the files that were not used for longest."""
    files = sorted((file.stat().st_mtime_ns, file) for file in folder.glob(_OURS))
    for _, file in files[:-_KEPT]:
        file.unlink(missing_ok=True)
