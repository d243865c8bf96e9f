"""Clearing the work folder: what is delivered, and what nobody will use again.

Only ``work/`` is ever touched. Knows nothing of Dagster.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field

from stylejobs.storage.clips import WORK, Clip, Workplace
from stylejobs.storage.store import Store, StoredObject
from stylejobs.studio import MissingInput, Studio

_CARD = "clip.json"


@dataclass
class Freed:
    """What was removed, by clip."""

    objects: int = 0
    size: int = 0
    clips: set[str] = field(default_factory=set)

    def remove(self, store: Store, found: StoredObject) -> None:
        container, key, *_ = found.path.split("/")
        if container != WORK:
            raise ValueError(f"{found.path} is no work in progress.")
        store.delete(found.path)
        self.objects += 1
        self.size += found.size
        self.clips.add(key)


def clear(studio: Studio, place: Workplace) -> Freed:
    """Remove the parts of a clip whose video is delivered, those of older versions too.

    Its manifest, its card and the marker of its delivery stay: they are small, and the checks, the
    keys and those who look for outdated videos need them.

    Raises:
        StoreError: the store does not do its part.
    """
    kept = (place.clip.card_path, place.manifest, place.delivery(""))
    freed = Freed()
    for found in studio.store.list(f"{WORK}/{place.clip.key}"):
        if not found.path.startswith(kept):
            freed.remove(studio.store, found)
    return freed


def sweep(studio: Studio, busy: Collection[str], days: float) -> Freed:
    """Remove what belongs to no upload, or to no present version of one.

    Args:
        busy: keys of the clips that are in work, which are left alone.
        days: younger objects are left alone too.

    Raises:
        StoreError: the store does not do its part.
    """
    oldest = time.time() - days * 24 * 3600
    freed = Freed()
    wanted: tuple[str, set[str]] = "", set()
    for found in studio.store.list(WORK):
        _, key, *rest = found.path.split("/")
        if not rest or key in busy or found.changed > oldest:
            continue
        if wanted[0] != key:
            wanted = key, _wanted(studio, key)
        if rest[0] not in wanted[1]:
            freed.remove(studio.store, found)
    return freed


def _wanted(studio: Studio, key: str) -> set[str]:
    """What of a clip's work folder is still of use: its card, and its present version."""
    try:
        clip: Clip = studio.clip(key)
    except MissingInput:
        return set()
    try:
        return {_CARD, studio.workplace(clip).version}
    except MissingInput:
        return {_CARD}
