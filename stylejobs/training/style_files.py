"""Writing style files: one style by itself, or the shipped styles of a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from stylejobs.scoring.weights import CONVOLUTIONS

Weights = Mapping[str, Tensor]  # of a plain TransformerNet


def save_style(weights: Weights, file: Path, about: Mapping[str, str]) -> None:
    """Write a style as fp16 safetensors, whole: it needs no other file and survives upgrades.

    Args:
        about: the file's metadata: title, artist, year, training.
    """
    _save(weights, file, about)


def save_family(
    weights: Mapping[str, Weights], folder: Path, about: Mapping[str, Mapping[str, str]]
) -> None:
    """Write styles that share their convolutions, as `scoring.weights.shipped_styles` finds them.

    Args:
        weights: by style.
        about: the metadata of each style's file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    every = list(weights.values())
    shared = {name for name in every[0] if ".conv2d." in name}
    _save({name: every[0][name] for name in shared}, folder / CONVOLUTIONS, {})
    for style, tensors in weights.items():
        own = {name: value for name, value in tensors.items() if name not in shared}
        _save(own, folder / f"{style}.safetensors", about[style])


def _save(tensors: Weights, file: Path, about: Mapping[str, str]) -> None:
    from safetensors.torch import save

    partial = file.with_suffix(".partial")
    halves = {name: value.half().contiguous() for name, value in tensors.items()}
    partial.write_bytes(save(halves, dict(about)))  # save_file would let nobody else read it
    partial.replace(file)
