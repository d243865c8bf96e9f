"""What exists: the one Definitions object, wired for this deployment."""

from dagster import Definitions, in_process_executor

from stylejobs import assets, checks, jobs, sensors
from stylejobs.config import Settings
from stylejobs.resources import StudioResource

defs = Definitions(
    assets=[getattr(assets, name) for name in assets.__all__],
    asset_checks=[checks.frames_and_times, checks.sound, checks.duration],
    jobs=[jobs.prepare, jobs.paint, jobs.finish, jobs.clear, jobs.sweep],
    schedules=[jobs.nightly_sweep],
    sensors=[
        sensors.inbox,
        sensors.scoring,
        sensors.automation,
        *([sensors.inbox_events] if Settings.from_environment().trigger == "queue" else []),
    ],
    # A process for each step would cost a second start for work that is one chain anyway.
    executor=in_process_executor,
    resources={"studio": StudioResource()},
)
