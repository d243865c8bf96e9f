"""The three kinds of run: prepare, paint, finish. Assets of one job share their partitions."""

from dagster import define_asset_job

from stylejobs.assets import audio, final_video, frames, manifest, styled_frames

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
