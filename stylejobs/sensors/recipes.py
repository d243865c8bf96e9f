"""Styles that changed: their clips' recipes are reported, so that the UI shows what is stale."""

from collections.abc import Iterator, Mapping

from dagster import AssetMaterialization, AssetObservation, DagsterEventType, DagsterInstance

from stylejobs import assets
from stylejobs.recipe import BLEND, Recipe
from stylejobs.scoring.errors import UnusableModel
from stylejobs.sensors.intake import recipe_version
from stylejobs.sensors.memory import latest_versions
from stylejobs.studio import MissingInput, Studio

MAX_RECIPES_PER_TICK = 100


class ChangedRecipes:
    """Recipes whose style or settings are no longer what their clips were started with.

    They are only reported, so that the painted frames show as stale: what to paint again, and
    when, is for people to say. All clips are looked through only when a style has changed.

    Args:
        seen: style to version of its recipe, as the last tick that reported all left it.
    """

    def __init__(self, studio: Studio, instance: DagsterInstance, seen: Mapping[str, str]) -> None:
        self._studio = studio
        self._current = studio.recipes()
        self._instance = instance
        self.seen = {style: recipe.base for style, recipe in self._current.items()}
        self._changed = self.seen != seen

    def events(self) -> Iterator[AssetObservation | AssetMaterialization]:
        """What to report; afterwards ``seen`` is what to hand to the next tick."""
        if not self._changed:
            return
        kind = DagsterEventType.ASSET_MATERIALIZATION
        reported = latest_versions(self._instance, assets.recipe.key, kind)
        count = 0
        for clip_key, version in reported.items():
            base = Recipe.base_of(version)
            style = base.rpartition("-")[0]
            if base == self.seen.get(style) or style not in {*self.seen, BLEND}:
                continue  # up to date, or its style is gone
            recipe = self._recipe(clip_key)
            if recipe is None or recipe.version == version:
                continue
            if count == MAX_RECIPES_PER_TICK:
                self.seen = {}  # another tick reports the rest
                return
            count += 1
            yield from recipe_version(clip_key, recipe)

    def _recipe(self, clip_key: str) -> Recipe | None:
        """The clip's present recipe; None if there is none any more."""
        try:
            clip = self._studio.clip(clip_key)
            recipe = self._current.get(clip.style) or self._studio.recipe(clip.style)
            return self._studio.controlled(recipe, clip)
        except (MissingInput, UnusableModel):
            return None
