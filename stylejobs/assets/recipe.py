"""The recipe: the style weights and settings that a clip is painted with, by their hash."""

from dagster import AssetSpec

from stylejobs.partitions import clips

recipe = AssetSpec(
    "recipe",
    partitions_def=clips,
    group_name="painting",
    description=(
        "The style and the encoder settings that a clip is to be painted with. When the weights"
        " of a style change, the frames painted with the old ones show as stale."
    ),
    kinds={"file"},
)
