"""The kinds of run: prepare, paint, finish; clear and sweep. Assets of a job share partitions."""

from dagster import DefaultScheduleStatus, ScheduleDefinition, define_asset_job

from stylejobs.assets import (
    audio,
    cleared_work,
    final_video,
    frames,
    manifest,
    styled_frames,
    swept_work,
)

prepare = define_asset_job(
    "prepare",
    selection=[manifest, audio],
    description="Look at an upload again: its manifest and its sound.",
)
paint = define_asset_job(
    "paint",
    selection=[frames, styled_frames],
    description="Cut and paint shards of a clip.",
)
finish = define_asset_job(
    "finish",
    selection=[final_video],
    description="Stitch the painted shards of a clip and deliver the final video.",
)
clear = define_asset_job(
    "clear",
    selection=[cleared_work],
    description="Remove the parts of a clip whose final video is delivered and checked.",
)
sweep = define_asset_job(
    "sweep",
    selection=[swept_work],
    description="Remove from work/ what belongs to no upload, or to a replaced version of one.",
)
nightly_sweep = ScheduleDefinition(
    name="nightly_sweep",
    job=sweep,
    cron_schedule="17 3 * * *",
    default_status=DefaultScheduleStatus.RUNNING,
)
