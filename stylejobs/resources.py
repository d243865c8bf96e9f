"""The studio as a Dagster resource."""

from __future__ import annotations

from dagster import ConfigurableResource

from stylejobs.config import Settings
from stylejobs.studio import Studio


class StudioResource(ConfigurableResource):
    """Gives assets and sensors the media store and the settings of this deployment."""

    def get(self) -> Studio:
        return Studio(Settings.from_environment())
