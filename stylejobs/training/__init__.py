"""Trains style networks: ``python -m stylejobs.training --help``.

Knows nothing of Dagster and nothing of video; needs torch.
"""

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
