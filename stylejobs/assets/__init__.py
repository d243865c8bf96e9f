"""One module per asset. Each reads from the store, calls media or scoring, writes and reports."""

from stylejobs.assets.audio import audio
from stylejobs.assets.cleared_work import cleared_work, swept_work
from stylejobs.assets.final_video import final_video
from stylejobs.assets.frames import frames
from stylejobs.assets.manifest import manifest
from stylejobs.assets.recipe import recipe
from stylejobs.assets.style import style, style_scores
from stylejobs.assets.styled_frames import styled_frames
from stylejobs.assets.upload import upload

__all__ = [
    "audio",
    "cleared_work",
    "final_video",
    "frames",
    "manifest",
    "recipe",
    "style",
    "style_scores",
    "styled_frames",
    "swept_work",
    "upload",
]
