"""What exists: the one Definitions object, wired for this deployment."""

from dagster import Definitions, in_process_executor

from stylejobs import assets, by_hand, checks, jobs, sensors
from stylejobs.assets.references import described
from stylejobs.config import Settings
from stylejobs.resources import StudioResource
from stylejobs.sensors import alerts, failed_runs, lost_retries, telemetry

_settings = Settings.from_environment()

defs = Definitions(
    assets=described([getattr(assets, name) for name in assets.__all__], _settings),
    asset_checks=[checks.frames_and_times, checks.sound, checks.duration],
    jobs=[
        jobs.prepare,
        jobs.paint,
        jobs.finish,
        by_hand.paint_one_video,
        by_hand.repaint_with_another_style,
        by_hand.repaint_with_new_weights,
        jobs.train_a_style,
        jobs.clean_up_one_video,
        jobs.clean_up,
    ],
    schedules=[jobs.nightly_clean_up],
    sensors=[
        sensors.inbox,
        sensors.scoring,
        sensors.automation,
        sensors.painting_sensor,
        *([sensors.inbox_events] if _settings.trigger == "queue" else []),
        by_hand.start_requested,
        failed_runs.failures,
        lost_retries.lost_retries,
        alerts.failure_alerts,
        alerts.inbox_alerts,
        telemetry.telemetry,
    ],
    # A process for each step would cost a second start for work that is one chain anyway.
    executor=in_process_executor,
    resources={"studio": StudioResource()},
)
