"""The three kinds of run: prepare, paint, finish. Assets of one job share their partitions."""

from dagster import define_asset_job

from stylejobs.assets import audio, final_video, frames, manifest, styled_frames

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
