"""How a video is painted: with which weights, and how the paint is put on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stylejobs.scoring.controls import Controls
from stylejobs.scoring.models import Model
from stylejobs.storage.clips import version_of

BLEND = "blend"  # the style in the version of a blend's recipe


@dataclass(frozen=True)
class Blend:
    """Styles that are mixed: the path of each in the store or the package, and its weight."""

    parts: tuple[tuple[str | Path, float], ...]

    def __str__(self) -> str:
        return ", ".join(f"{weights} × {share:g}" for weights, share in self.parts)


@dataclass(frozen=True)
class Recipe:
    """How a clip is painted.

    Attributes:
        style: its name, that of a model of the settings, or a blend of styles.
        base: ``<style>-<hash>``, or ``blend-<hash>``; changes with the weights or the model, and
            the settings.
        weights: path in the store, or a file of the package; a blend of them; or the model.
        controls: how the paint is put on.
        own_controls: whether they are the clip's, and not those of the settings.
    """

    style: str
    base: str
    weights: str | Path | Blend | Model
    controls: Controls
    own_controls: bool = False

    @property
    def version(self) -> str:
        """The base, and a hash of the clip's own controls."""
        return f"{self.base}.{version_of(self.controls.facts)}" if self.own_controls else self.base

    @staticmethod
    def base_of(version: str) -> str:
        """The base of a recipe's version."""
        style, _, hashes = version.rpartition("-")
        return f"{style}-{hashes.partition('.')[0]}"
