"""A new style from one painting, on top of the shipped ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylejobs.scoring.network import network_of
from stylejobs.scoring.weights import Network, blocks_of, load_weights, shipped_styles, width_of
from stylejobs.training.errors import NothingToStartFrom
from stylejobs.training.perceptual import VGG16Features, gram_matrix, style_losses
from stylejobs.training.photos import photo_crops, to_tensor
from stylejobs.training.pictures import scaled_to
from stylejobs.training.settings import FINE_TUNING, TrainingSettings
from stylejobs.training.train import Progress, Training

Weights = Mapping[str, Tensor]
_SAMPLES = 4


@dataclass(frozen=True)
class NewStyle:
    """A trained style.

    Attributes:
        weights: of a plain `TransformerNet`, fp32.
        began_as: the shipped style that it was trained from.
        progress: the losses of its training.
        settings: with the width and blocks of the network that it was trained on.
    """

    weights: Weights
    began_as: str
    progress: Progress
    settings: TrainingSettings


def train_new_style(
    painting: np.ndarray,
    photos: Sequence[np.ndarray],
    vgg: VGG16Features,
    checkpoint: Path,
    settings: TrainingSettings = FINE_TUNING,
    network: Network = "lean",
    whole_network: bool = False,
    device: str = "cpu",
    on_progress: Callable[[Progress, Training], None] = lambda progress, training: None,
    on_save: Callable[[Path], None] = lambda checkpoint: None,
) -> NewStyle:
    """Train a style, beginning with the shipped one whose pictures are nearest to the painting.

    Args:
        painting: (H, W, 3) uint8 RGB.
        photos: content pictures, alike.
        checkpoint: see `Training`: a killed training goes on where it was.
        whole_network: train the convolutions too: slower, better for paintings unlike all others.

    Raises:
        NothingToStartFrom: no style is shipped for ``network``.
    """
    shipped = shipped_weights(network)
    began_as = _nearest(shipped, painting, photos, vgg.to(device), settings, device)
    start = shipped[began_as]
    settings = replace(settings, width=width_of(start), blocks=blocks_of(start))
    training = Training(
        {"new": painting},
        photos,
        vgg,
        checkpoint,
        settings,
        {"new": start},
        only_norms=not whole_network,
        device=device,
        on_save=on_save,
    )
    training.run(lambda progress: on_progress(progress, training))
    return NewStyle(training.weights()["new"], began_as, training.progress, settings)


def shipped_weights(network: Network) -> dict[str, dict[str, Tensor]]:
    """The weights of each style of a shipped network, fp32.

    Raises:
        NothingToStartFrom: there is none.
    """
    shipped = shipped_styles(network)
    if not shipped:
        raise NothingToStartFrom(
            f"No style of the {network} network is shipped, and a new one starts from those."
        )
    return {
        style: {name: torch.from_numpy(t) for name, t in load_weights(file).tensors.items()}
        for style, file in shipped.items()
    }


@torch.no_grad()
def _nearest(
    styles: Mapping[str, Weights],
    painting: np.ndarray,
    photos: Sequence[np.ndarray],
    vgg: VGG16Features,
    settings: TrainingSettings,
    device: str,
) -> str:
    """The style whose pictures of some photos have the least style loss."""
    crops = photo_crops(photos, settings.crop, random.Random(settings.seed))
    batch = torch.stack([next(crops) for _ in range(_SAMPLES)]).to(device)
    wanted = to_tensor(scaled_to(painting, settings.painting_side))[None].to(device)
    grams = [gram_matrix(features) for features in vgg(wanted)]

    def loss(style: str) -> float:
        net = network_of(styles[style]).to(device)
        return float(style_losses(vgg(net(batch).clamp(0, 255)), grams).sum())

    return min(styles, key=loss)
