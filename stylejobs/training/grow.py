"""Larger networks that paint alike: where the training of a large one begins."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from stylejobs.scoring.weights import blocks_of

_NOISE = 0.02  # of the weights' spread: without any, the two halves would learn the same
_FIRST, _LAST = "conv1.conv2d.", "deconv3.conv2d."


def widened(
    family: Mapping[str, Mapping[str, Tensor]], seed: int = 0
) -> dict[str, dict[str, Tensor]]:
    """Double the channels of `TransformerNet` weights that share their convolutions.

    Every channel is there twice, and what reads it takes half from each (Net2WiderNet, Chen et al.
    2016), but for a little noise.

    Args:
        family: by style, as `ConditionalNet.weights_of` gives them.
    """
    every = list(family.values())
    twice = torch.Generator().manual_seed(seed)
    shared = {
        name: _doubled(name, value.float(), twice)
        for name, value in every[0].items()
        if ".conv2d." in name
    }
    return {
        style: {
            name: shared[name] if name in shared else torch.cat([value.float()] * 2)
            for name, value in weights.items()
        }
        for style, weights in family.items()
    }


def _doubled(name: str, value: Tensor, noise: torch.Generator) -> Tensor:
    if not name.startswith(_LAST):
        value = torch.cat([value, value])
    if value.ndim == 4:
        if not name.startswith(_FIRST):
            value = torch.cat([value, value], 1) / 2
        value = value + _NOISE * value.std() * torch.randn(value.shape, generator=noise)
    return value


def deepened(
    family: Mapping[str, Mapping[str, Tensor]], blocks: int
) -> dict[str, dict[str, Tensor]]:
    """Add residual blocks that change nothing yet: the scale of their last normalisation is 0.

    Args:
        family: weights of networks with at least one block and at most ``blocks``.
    """
    return {style: _deepened(weights, blocks) for style, weights in family.items()}


def _deepened(weights: Mapping[str, Tensor], blocks: int) -> dict[str, Tensor]:
    deep, own = dict(weights), blocks_of(weights)
    for n in range(own + 1, blocks + 1):
        for name, value in weights.items():
            block, _, part = name.partition(".")
            if block == f"res{own}":
                is_silent = part.startswith("in2.")
                deep[f"res{n}.{part}"] = torch.zeros_like(value) if is_silent else value.clone()
    return deep
