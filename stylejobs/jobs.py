"""The kinds of run: prepare, paint, finish, clean up. The assets of a job share partitions."""

from dagster import DefaultScheduleStatus, ScheduleDefinition, define_asset_job

from stylejobs.assets import (
    audio,
    cleared_work,
    final_video,
    frames,
    manifest,
    style,
    style_scores,
    styled_frames,
    swept_work,
)

prepare = define_asset_job(
    "prepare",
    selection=[manifest, audio],
    description="First stage of a video: its manifest and its sound. The inbox sensor starts it.",
)
paint = define_asset_job(
    "paint",
    selection=[frames, styled_frames],
    description=(
        "Second stage: cut and paint shards of a video. The inbox sensor starts it; for a whole"
        " video, `paint_one_video` does all stages."
    ),
)
finish = define_asset_job(
    "finish",
    selection=[final_video],
    description=(
        "Last stage: join the painted shards of a video and deliver it. It starts by itself; start"
        " it to deliver once more."
    ),
)
train_a_style = define_asset_job(
    "train_a_style",
    selection=[style, style_scores],
    description=(
        "Make a style of a painting in the store's `styles/`, and measure it. It starts by itself"
        " when a painting is dropped there."
    ),
)
clean_up_one_video = define_asset_job(
    "clean_up_one_video",
    selection=[cleared_work],
    description="Remove the parts of a clip whose final video is delivered and checked.",
)
clean_up = define_asset_job(
    "clean_up",
    selection=[swept_work],
    description="Remove from work/ what belongs to no upload, or to a replaced version of one.",
)
nightly_clean_up = ScheduleDefinition(
    name="nightly_clean_up",
    job=clean_up,
    cron_schedule="17 3 * * *",
    default_status=DefaultScheduleStatus.RUNNING,
)
