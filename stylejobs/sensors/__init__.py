"""What starts the work: new uploads, and parts that are complete."""

from stylejobs.sensors.deliveries import automation
from stylejobs.sensors.events import inbox_events
from stylejobs.sensors.intake import MAX_UPLOADS_PER_TICK, recipe_version, runs_of
from stylejobs.sensors.listing import MAX_PENDING, inbox
from stylejobs.sensors.paintings import painting_sensor
from stylejobs.sensors.scoring import scoring

__all__ = [
    "MAX_PENDING",
    "MAX_UPLOADS_PER_TICK",
    "automation",
    "inbox",
    "inbox_events",
    "painting_sensor",
    "recipe_version",
    "runs_of",
    "scoring",
]
