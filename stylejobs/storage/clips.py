"""Clips: an upload under the key that Dagster's partitions and the store's work folder use."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field

INBOX, WORK, PAINTED, REJECTED, STYLES = "inbox", "work", "painted", "rejected", "styles"

# What a key may hold as it is: Dagster's keys break on "|", "," and "...", file systems on more.
PLAIN = re.compile(r"[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*")
_LONGEST_PLAIN = 100
# What an upload's metadata may say of its painting, beside the style.
CONTROLS = ("strength", "colours", "lines", "steady")
_TEMPORARY = (".part", ".partial", ".tmp", ".crdownload", ".filepart")


def clip_key(style: str, name: str) -> str:
    """A readable key for the upload ``inbox/<style>/<name>``; no two uploads share one.

    Plain names stay as they are (``mosaic--beach.mp4``). Any other is spelled with the allowed
    characters and gets a hash, after a ``~`` that no plain name has.
    """
    if _is_plain(style) and _is_plain(name):
        return f"{style}--{name}"
    digest = hashlib.sha256(f"{style}/{name}".encode(errors="surrogateescape")).hexdigest()
    return f"{_slug(style)}--{_slug(name)}~{digest[:10]}"


def _is_plain(text: str) -> bool:
    return len(text) <= _LONGEST_PLAIN and PLAIN.fullmatch(text) is not None


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:_LONGEST_PLAIN] or "x"


class Clip(BaseModel):
    """One upload.

    Attributes:
        style: which style to paint it with; empty if nothing says so.
        name: the rest of the path, as the uploader wrote it.
        folder: the folder under the inbox, where that is not the style's.
        controls: how somebody asked to have it painted, by name, as they wrote it.
    """

    model_config = ConfigDict(frozen=True)

    style: str
    name: str
    folder: str | None = None
    controls: dict[str, str] = Field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.style, self.name, self.folder))

    @classmethod
    def of_upload(cls, path: str, metadata: Mapping[str, str] | None = None) -> Clip:
        """The clip of an object in the inbox, painted as its metadata says.

        The style that they name goes before the folder's.
        """
        metadata = metadata or {}
        _, _, rest = path.partition("/")
        folder, _, name = rest.partition("/")
        if not folder or not name:
            folder, name = "", rest
        style = metadata.get("style", "").strip() or folder
        return cls.model_construct(
            style=style,
            name=name,
            folder=None if style == folder else folder,
            controls={name: metadata[name].strip() for name in CONTROLS if name in metadata},
        )

    def asking(self, controls: Mapping[str, str]) -> Clip:
        """The clip, to be painted with these controls."""
        return self.model_copy(update={"controls": dict(controls)})

    @property
    def is_temporary(self) -> bool:
        """Whether the name is one that programs give to what they have not finished writing."""
        hidden = any(part.startswith(".") for part in self.name.split("/"))
        return hidden or self.name.lower().endswith(_TEMPORARY)

    @property
    def is_nameable(self) -> bool:
        """Whether style and name can be shown and stored: printable, and no odd parts."""
        odd = {"", ".", ".."} & set(self.upload_path.split("/"))
        return not odd and f"{self.style}{self.upload_path}".isprintable()

    @property
    def key(self) -> str:
        return clip_key(self._folder, self.name)

    @property
    def upload_path(self) -> str:
        return self._under(INBOX, self.name)

    @property
    def card_path(self) -> str:
        """Where the key's meaning is kept: the real name cannot be read off a hashed key."""
        return f"{WORK}/{self.key}/clip.json"

    @property
    def rejection_path(self) -> str:
        if self.is_nameable:
            return self._under(REJECTED, f"{self.name}.txt")
        return f"{REJECTED}/{self.key}.txt"

    def painted_path(self, suffix: str) -> str:
        """Where the result goes: the upload's name, and ``suffix`` if that is another."""
        same = PurePosixPath(self.name).suffix.lower() == suffix
        return self._under(PAINTED, f"{self.name}{'' if same else suffix}")

    @property
    def _folder(self) -> str:
        return self.style if self.folder is None else self.folder

    def _under(self, container: str, name: str) -> str:
        return "/".join(part for part in (container, self._folder, name) if part)


@dataclass(frozen=True)
class Workplace:
    """Where one version of a clip is worked on; two versions never share a path.

    Attributes:
        version: hash of the upload's etag and of the settings that shape its parts.
    """

    clip: Clip
    version: str

    @property
    def root(self) -> str:
        return f"{WORK}/{self.clip.key}/{self.version}"

    @property
    def manifest(self) -> str:
        return f"{self.root}/manifest.json"

    def audio(self, suffix: str) -> str:
        return f"{self.root}/audio{suffix}"

    def frames(self, shard: int) -> str:
        return f"{self.root}/frames/{shard:02d}.mp4"

    def lead_in(self, shard: int) -> str:
        """The frames before a shard, for a blend to warm up with."""
        return f"{self.root}/frames/{shard:02d}-lead-in.mp4"

    def styled(self, recipe: str, shard: int) -> str:
        return f"{self.root}/styled-{recipe}/{shard:02d}"

    def styled_piece(self, recipe: str, shard: int, first: int, end: int) -> str:
        """Frames ``first`` to before ``end`` of the shard, without a suffix."""
        return f"{self.styled(recipe, shard)}/{first:07d}-{end:07d}"

    def delivery(self, recipe: str) -> str:
        return f"{self.root}/delivery-{recipe}"


def version_of(*facts: object) -> str:
    """A short hash of ``facts``, equal for equal ones."""
    return hashlib.sha256(repr(facts).encode(errors="surrogateescape")).hexdigest()[:12]
