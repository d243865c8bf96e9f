"""The recipe: the style weights and settings that a clip is painted with, by their hash."""

from dagster import AssetSpec

from stylejobs.partitions import clips
from stylejobs.storage.clips import INBOX

recipe = AssetSpec(
    "recipe",
    partitions_def=clips,
    group_name=INBOX,
    description=(
        "How a video is to be painted: the style's weights, the settings, and the controls that"
        " somebody asked for: strength, colours, lines, steadiness. When the weights of a style"
        " change, what was painted with the old ones shows as unsynced; the job"
        " `repaint_with_new_weights` paints it again."
    ),
    kinds={"file"},
)
