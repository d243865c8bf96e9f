"""The rules that the sensor, the assets and their checks share.

Which version of which upload, where it is worked on, with which style; what is refused, and how
its uploader is told. Knows nothing of Dagster.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from stylejobs.config import Settings
from stylejobs.media.errors import UnusableMedia
from stylejobs.media.guard import probe_guarded
from stylejobs.media.manifest import MANIFEST_FORMAT, Manifest
from stylejobs.media.mux import final_suffix
from stylejobs.ranged_file import RangedFile
from stylejobs.recipe import BLEND, Blend, Recipe
from stylejobs.scoring.backends import create_scorer
from stylejobs.scoring.blend import blend, blend_digest, parse_blend
from stylejobs.scoring.controls import Controls, ShrinkingScorer
from stylejobs.scoring.errors import UnusableModel
from stylejobs.scoring.models import Model
from stylejobs.scoring.scorer import Scorer
from stylejobs.scoring.weights import (
    SUFFIXES,
    StyleWeights,
    UnusableStyle,
    check_size,
    file_digest,
    load_weights,
    shipped_styles,
    style_digest,
)
from stylejobs.storage.clips import INBOX, STYLES, WORK, Clip, Workplace, version_of
from stylejobs.storage.store import Store, StoredObject, StoreError

# Raise these when the code makes other bytes from the same input.
FRAMES_VERSION = "3"
PAINT_VERSION = "5"
AUDIO_VERSION = "2"
FINAL_VERSION = "3"

# Where a style's weights lie: in the package, or the store; or a model of the settings.
Weights = Path | StoredObject | Model


class MissingInput(Exception):
    """Something that the work needs is not there. The message says what and what to do."""


class NotIdentical(Exception):
    """A stitched video is not its upload in everything but the paint."""

    def __init__(self, clip: Clip, differences: Sequence[str]) -> None:
        super().__init__(
            f"The video stitched for {clip.upload_path} differs from the upload, so it was not"
            f" published: {'; '.join(differences)}. Materialise 'audio', 'frames' and"
            " 'styled_frames' again."
        )


class Superseded(Exception):
    """The upload changed while it was in work."""

    def __init__(self, clip: Clip) -> None:
        super().__init__(
            f"{clip.upload_path} changed while it was in work; the new version is painted by a"
            " run of its own."
        )


class Studio:
    """The media store with the settings of this deployment."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.store = store

    # Uploads

    def clip(self, key: str) -> Clip:
        """The clip with a partition key.

        Raises:
            MissingInput: no upload with this key was ever seen.
        """
        card = f"{WORK}/{key}/clip.json"
        if self.store.head(card) is None:
            raise MissingInput(f"No upload is known as {key!r}. Drop the video in the inbox.")
        return Clip.model_validate_json(self.store.read(card))

    def upload(self, clip: Clip) -> StoredObject:
        """The clip's upload as it is now.

        Raises:
            MissingInput: it is gone.
        """
        found = self.store.head(clip.upload_path)
        if found is None:
            raise MissingInput(f"{clip.upload_path} is gone. Upload it again.")
        return found

    def version(self, upload: StoredObject) -> str:
        """A hash of all that shapes the manifest and the frames of this upload."""
        return version_of(
            upload.etag,
            FRAMES_VERSION,
            self.settings.repair_damage,
            manifest_version(self.settings),
        )

    def workplace(self, clip: Clip, etag: str | None = None) -> Workplace:
        """Where the clip's present version is worked on.

        Args:
            etag: of the upload that the work was started for; None for whatever is there.

        Raises:
            MissingInput: the upload is gone.
            Superseded: it is no longer the one that the work was started for.
        """
        upload = self.upload(clip)
        if etag not in (None, upload.etag):
            raise Superseded(clip)
        return Workplace(clip, self.version(upload))

    @contextmanager
    def open_upload(self, place: Workplace) -> Iterator[Path | RangedFile]:
        """The upload to read; what was made from it is void if it changed meanwhile.

        Raises:
            Superseded: on entering or leaving, when the upload is no longer the version of
                ``place``.
        """
        if not self.store.reads_in_place:
            self._require_version(place)  # before it is fetched
        try:
            with self.store.open_ranged(place.clip.upload_path) as file:
                yield file
        finally:
            self._require_version(place)

    def _require_version(self, place: Workplace) -> None:
        now = self.store.head(place.clip.upload_path)
        if now is None or self.version(now) != place.version:
            raise Superseded(place.clip)

    def manifest(self, place: Workplace) -> Manifest:
        """The manifest of this version, made now if it is not there yet.

        Raises:
            UnusableMedia: the upload cannot be painted.
        """
        if self.store.head(place.manifest) is not None:
            return Manifest.model_validate_json(self.store.read(place.manifest))
        return self.make_manifest(place)

    def make_manifest(self, place: Workplace, seconds: float = 3600.0) -> Manifest:
        """Probe the upload, in a process of its own, and keep its manifest.

        Raises:
            UnusableMedia: the upload cannot be painted.
            TimeoutError: probing took more than ``seconds``.
        """
        with self.open_upload(place) as file:
            manifest = probe_guarded(file, self.settings.limits, seconds)
        # Refuses now what could not be painted or delivered in the end.
        self.settings.encoder.pixels(manifest.video.width, manifest.video.height)
        self.final_suffix(manifest)
        self.store.write(place.manifest, manifest.model_dump_json().encode())
        return manifest

    def final_suffix(self, manifest: Manifest) -> str:
        """The suffix of the final video, in the container that the settings choose.

        Raises:
            UnusableMedia: it cannot hold the upload's sound.
        """
        return final_suffix(manifest, self.settings.codec, self.settings.container)

    # Styles

    def prepare_inbox(self) -> None:
        """Make a folder in the inbox for every style, so that people see where to drop videos."""
        for style in self.styles():
            self.store.make_folder(f"{INBOX}/{style}")

    def styles(self) -> dict[str, Weights]:
        """What videos can be painted with, by name: the models of the settings, the store's
        ``styles/``, the shipped styles; an earlier one hides a later one of the same name.
        """
        found: dict[str, Weights] = dict(shipped_styles(self.settings.network))
        for file in self.store.list(STYLES):
            path = PurePosixPath(file.path)
            if path.suffix in SUFFIXES and len(path.parts) == 2 and not file.is_link:
                found[path.stem] = file
        # Last: who may bring styles must not be able to stand in for the operator's model.
        return {**found, **dict(self.settings.models)}

    def recipe_of(self, clip: Clip) -> Recipe:
        """How to paint a clip now.

        Raises:
            MissingInput: as `recipe`.
            BadControls: nothing can be painted as somebody asked for.
        """
        return self.controlled(self.recipe(clip.style), clip)

    def controlled(self, recipe: Recipe, clip: Clip) -> Recipe:
        """``recipe`` with the clip's controls."""
        controls = self.controls(clip)
        own = controls != self.settings.controls
        return replace(recipe, controls=controls, own_controls=own)

    def controls(self, clip: Clip) -> Controls:
        """How the paint is put on a clip: as was asked for, or else as the settings say.

        Raises:
            BadControls: as was asked for, it cannot be done.
        """
        return self.settings.controls.with_wishes(clip.controls)

    def recipe(self, style: str) -> Recipe:
        """How to paint with ``style`` now, where nobody asks for anything else.

        Args:
            style: a name, or a blend such as ``great_wave:0.7,starry_night:0.3``.

        Raises:
            MissingInput: there is no such style, its file is too large for one, or its model is
                not there.
        """
        styles = self.styles()
        try:
            if style not in styles and (parts := parse_blend(style)):
                return self._blend(style, [(self._found(name, styles), w) for name, w in parts])
            return self._recipe(style, self._found(style, styles))
        except UnusableModel as error:
            raise MissingInput(f"'{style}' cannot be used. {error}") from None

    def _found(self, style: str, styles: Mapping[str, Weights]) -> Weights:
        if style not in styles:
            raise MissingInput(
                f"There is no style '{style}'. The styles are: {', '.join(sorted(styles))}."
            )
        return styles[style]

    def recipes(self) -> dict[str, Recipe]:
        """How to paint with each style now; what cannot be one is left out."""
        found = {}
        for style, weights in self.styles().items():
            with suppress(UnusableModel, StoreError):
                found[style] = self._recipe(style, weights)
        return found

    def _recipe(self, style: str, weights: Weights) -> Recipe:
        if isinstance(weights, Model):
            return self._made(style, style, weights.version(), weights)
        source, digest = self._identified(weights)
        return self._made(style, style, digest, source)

    def _blend(self, style: str, parts: Sequence[tuple[Weights, float]]) -> Recipe:
        sources, digests = [], []
        for weights, share in parts:
            if isinstance(weights, Model):
                raise UnusableStyle(f"{weights} is no style; only styles can be blended.")
            source, digest = self._identified(weights)
            sources.append((source, share))
            digests.append((digest, share))
        # A blend may have a name that no folder has.
        return self._made(style, BLEND, blend_digest(digests), Blend(tuple(sources)))

    def _identified(self, weights: Path | StoredObject) -> tuple[str | Path, str]:
        """Where a style's weights are, and their digest."""
        if isinstance(weights, Path):
            return weights, style_digest(weights)
        check_size(weights.path, weights.size)  # before it is fetched
        return weights.path, _digest(self.store, weights.path, weights.etag)

    def _made(
        self, style: str, name: str, digest: str, weights: str | Path | Blend | Model
    ) -> Recipe:
        controls = self.settings.controls
        unusual = [controls.facts] if controls.facts else []
        base = version_of(PAINT_VERSION, digest, self.settings.encoder, *unusual)
        return Recipe(style, f"{name}-{base}", weights, controls)

    def scorer(self, recipe: Recipe, height: int, width: int) -> Scorer:
        """The recipe's model, made ready for frames of ``height`` × ``width``.

        Raises:
            UnusableModel: the style's file holds no weights, or the model does not run.
        """
        size = recipe.controls.painted_size(height, width)
        device, backend = self.settings.device, self.settings.backend
        if isinstance(recipe.weights, Model):
            scorer = recipe.weights.scorer(*size, device)
        else:
            scorer = create_scorer(self._weights(recipe.weights), *size, device, backend)
        return scorer if size == (height, width) else ShrinkingScorer(scorer, *size)

    def weights(self, style: str) -> StyleWeights:
        """The weights of a style.

        Raises:
            MissingInput: there is no such style, or it is a model.
            UnusableModel: its file holds no weights.
        """
        recipe = self.recipe(style)
        if isinstance(recipe.weights, Model):
            raise MissingInput(f"'{style}' is a model of the settings, not a style.")
        return self._weights(recipe.weights)

    def _weights(self, weights: str | Path | Blend) -> StyleWeights:
        match weights:
            case Blend():
                return blend([(self._weights(part), share) for part, share in weights.parts])
            case Path():
                return load_weights(weights)
            case _:
                with self.store.open_local(weights) as file:
                    return load_weights(file)

    # Verdicts

    def reject(self, clip: Clip, error: UnusableMedia) -> str:
        """Tell the uploader why and what to do; return the path of the letter."""
        letter = (
            f"stylejobs could not paint {clip.upload_path}\n\n"
            f"Why:        {error.reason}\n"
            f"What to do: {error.remedy}\n\n"
            f"Looked at:  {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime())}\n"
            "It is looked at again as soon as the file changes.\n"
        )
        self.store.write(clip.rejection_path, letter.encode(errors="replace"))
        return clip.rejection_path

    def accept(self, clip: Clip) -> None:
        """Make the clip known by its key; a letter about an earlier version is withdrawn."""
        self.remember(clip)
        self.store.delete(clip.rejection_path)

    def remember(self, clip: Clip) -> None:
        """Keep what is known of a clip under its key."""
        self.store.write(clip.card_path, clip.model_dump_json().encode())

    def with_earlier_controls(self, clip: Clip) -> Clip:
        """The clip with what was asked for before, where it is not asked for anew."""
        try:
            known = self.clip(clip.key)
        except MissingInput:
            return clip
        return clip.asking(known.controls | clip.controls)


def manifest_version(settings: Settings) -> str:
    """Changes with the format of manifests and with the settings that shape them."""
    return version_of(MANIFEST_FORMAT, settings.shards, settings.min_shard_frames, settings.hdr)


@lru_cache(maxsize=256)
def _digest(store: Store, path: str, etag: str) -> str:
    """SHA-256 of a file in the store, kept while its etag stays the same."""
    del etag  # it is only here to be part of the cache's key
    with store.open_local(path) as file:
        return file_digest(file)
