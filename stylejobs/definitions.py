"""What exists: the one Definitions object, wired for this deployment."""

from dagster import Definitions, in_process_executor

from stylejobs import assets, checks, failed_runs, jobs, scoring_runs, sensors
from stylejobs.resources import StudioResource

defs = Definitions(
    assets=[getattr(assets, name) for name in assets.__all__],
    asset_checks=[checks.frames_and_times, checks.sound, checks.duration],
    jobs=[jobs.prepare, jobs.paint, jobs.finish],
    sensors=[sensors.inbox, scoring_runs.scoring, sensors.automation, failed_runs.failures],
    # A process for each step would cost a second start for work that is one chain anyway.
    executor=in_process_executor,
    resources={"studio": StudioResource()},
)
