"""The training loop: paintings and photos in, a family of styles out."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stylejobs.training.conditional import ConditionalNet
from stylejobs.training.optimiser import Optimiser
from stylejobs.training.perceptual import (
    CONTENT_TAPS,
    PooledStyleLoss,
    VGG16Features,
    content_loss,
    gram_matrix,
)
from stylejobs.training.photos import photo_crops, to_tensor
from stylejobs.training.pictures import scaled_to
from stylejobs.training.settings import TrainingSettings

SAVE_EVERY = 100
# Iterations that the weights are averaged over, which takes the noise of small batches out; of a
# short training, this share.
_AVERAGE_OVER = 500
_AVERAGED_SHARE = 0.1
_LUMA = (0.299, 0.587, 0.114)
_FORM = 8  # pixels
_LEAST_CONTRAST = 8.0  # of 255: below, light and dark are noise


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: iterations done.
        losses: of each iteration so far, weighted as they are added up, by their names.
    """

    step: int = 0
    losses: dict[str, list[float]] = field(default_factory=dict)

    def add(self, losses: Mapping[str, float]) -> None:
        self.step += 1
        for name, loss in losses.items():
            self.losses.setdefault(name, []).append(loss)

    def recent(self, count: int = SAVE_EVERY) -> dict[str, float]:
        """The mean of each loss over the last iterations."""
        return {name: float(np.mean(values[-count:])) for name, values in self.losses.items()}

    def is_stuck(self, patience: int) -> bool:
        """Whether the last ``patience`` iterations were no better than those before."""
        if not patience or self.step < 2 * patience:
            return False
        total = np.sum(list(self.losses.values()), axis=0)
        return bool(total[-patience:].mean() > 0.995 * total[-2 * patience : -patience].mean())


class Training:
    """A family of styles in the making.

    Args:
        paintings: of each style, (H, W, 3) uint8 RGB.
        photos: content pictures, alike.
        vgg: VGG16's features, frozen.
        checkpoint: file that the state is saved to every `SAVE_EVERY` iterations, and picked up
            from, so a killed training goes on where it was. One of other settings or paintings
            is not gone on from.
        start: weights to begin with, of plain networks that share their convolutions, by style.
        only_norms: train what belongs to the styles alone; the convolutions stay as they are.
        device: ``cpu`` or ``cuda``.
        on_save: called with ``checkpoint`` when it was written.
    """

    def __init__(
        self,
        paintings: Mapping[str, np.ndarray],
        photos: Sequence[np.ndarray],
        vgg: VGG16Features,
        checkpoint: Path,
        settings: TrainingSettings,
        start: Mapping[str, Mapping[str, Tensor]] | None = None,
        only_norms: bool = False,
        device: str = "cpu",
        on_save: Callable[[Path], None] = lambda checkpoint: None,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.checkpoint = checkpoint
        self.progress = Progress()
        digests = {name: sha256(p.tobytes()).hexdigest() for name, p in paintings.items()}
        self._kind = {**asdict(settings), "paintings": digests, "only_norms": only_norms}
        self._device = device
        self._on_save = on_save
        self._vgg = vgg.to(device)
        self._photos = photos
        self.net = ConditionalNet(list(paintings), settings.width, settings.blocks)
        if start:
            self.net.start_from(start)
        self.net.to(device)
        if only_norms:
            self.net.requires_grad_(False)
            for parameter in self.net.norm_parameters():
                parameter.requires_grad_(True)
        self._precision = _precision(device)
        self._optimiser = Optimiser(
            self.net,
            settings.iterations,
            settings.learning_rate,
            settings.norm_learning_rate,
            settings.convolution_learning_rate,
            self._precision,
            device,
        )
        self._warm_up = 0 if start else settings.warm_up
        window = max(1.0, min(_AVERAGE_OVER, _AVERAGED_SHARE * settings.iterations))
        decay = torch.optim.swa_utils.get_ema_multi_avg_fn(1 - 1 / window)
        self._average = torch.optim.swa_utils.AveragedModel(self.net, multi_avg_fn=decay)
        wanted = [
            to_tensor(scaled_to(painting, settings.painting_side))[None].to(device)
            for painting in paintings.values()
        ]
        self._style_loss = PooledStyleLoss(_grams(self._vgg, wanted)).to(device)
        self._crispness = torch.cat([_crispness(painting) for painting in wanted])
        if checkpoint.exists():
            self._load()

    def run(self, on_progress: Callable[[Progress], None] = lambda progress: None) -> None:
        """Train to the end, or until it gets no better."""
        settings, progress = self.settings, self.progress
        choose = random.Random(settings.seed + progress.step)
        crops = photo_crops(self._photos, settings.crop + settings.shift, choose)
        styles = cycle(range(len(self.net.styles)))
        while progress.step < settings.iterations and not progress.is_stuck(settings.patience):
            photos = torch.stack([next(crops) for _ in range(settings.batch)])
            chosen = [next(styles) for _ in range(settings.batch)]
            losses = self._losses(photos.to(self._device), chosen, choose)
            if not self._optimiser.step(torch.stack(list(losses.values())).sum()):
                continue
            self._average.update_parameters(self.net)
            progress.add({name: float(loss.detach()) for name, loss in losses.items()})
            on_progress(progress)
            if progress.step % SAVE_EVERY == 0:
                self.save()
        self.save()

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """Weights of a plain `TransformerNet` for each style, averaged over the last steps."""
        net = self._average.module
        assert isinstance(net, ConditionalNet)
        return {style: net.weights_of(style) for style in net.styles}

    def save(self) -> None:
        state = {name: part.state_dict() for name, part in self._parts().items()}
        partial = self.checkpoint.with_suffix(".partial")
        done = {"losses": self.progress.losses, "step": self.progress.step}
        torch.save({**state, **done, "kind": self._kind}, partial)
        partial.replace(self.checkpoint)
        self._on_save(self.checkpoint)

    def _load(self) -> None:
        state = torch.load(self.checkpoint, map_location=self._device, weights_only=True)
        if state.get("kind") != self._kind:
            return
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.progress = Progress(state["step"], state["losses"])

    def _parts(self) -> dict[str, Any]:
        return {
            "net": self.net,
            "average": self._average,
            "optimiser": self._optimiser,
            "style loss": self._style_loss,
        }

    def _losses(
        self, larger: Tensor, chosen: list[int], choose: random.Random
    ) -> dict[str, Tensor]:
        """The weighted losses of a batch.

        Args:
            larger: (N, 3, crop + shift, crop + shift): what the crop can be moved in.
            chosen: the styles of the N pictures.
        """
        settings = self.settings
        gained = min(1.0, (self.progress.step + 1) / (self._warm_up + 1))
        side = settings.crop
        photos = larger[..., :side, :side]
        batch, styles = photos, torch.tensor(chosen, device=self._device)
        left, top = choose.randint(0, settings.shift), choose.randint(0, settings.shift)
        if choose.random() < settings.steadiness_share:
            moved = larger[..., top : top + side, left : left + side]
            noise = settings.noise * torch.randn_like(moved)
            batch, styles = torch.cat([photos, moved + noise]), styles.repeat(2)
        with torch.autocast(
            self._device, self._precision, enabled=self._precision != torch.float32
        ):
            painted, *painted_moved = self.net(batch, styles).split(len(photos))
            features = self._vgg(painted)
            with torch.no_grad():
                photo_features = self._vgg(photos, CONTENT_TAPS)
        shallow, *middle, deep = self._style_loss(features, chosen)
        difference = torch.zeros((), device=self._device)
        for moved in painted_moved:
            still = painted[..., top:, left:].float() / 255
            difference = functional.mse_loss(
                still, moved[..., : side - top, : side - left].float() / 255
            )
        blur = (1 - _crispness(painted) / self._crispness[chosen]).clamp(min=0)
        style_weight = gained * settings.style_weight
        steadiness_weight = settings.steadiness_weight / settings.steadiness_share
        return {
            "content": settings.content_weight * content_loss(features, photo_features),
            "style": style_weight * torch.stack(middle).sum(),
            "shallow style": style_weight * settings.shallow_style_weight * shallow,
            "deep style": style_weight * settings.deep_style_weight * deep,
            "forms": settings.forms_weight * functional.mse_loss(_forms(painted), _forms(photos)),
            "crispness": gained * settings.crispness_weight * blur.square().mean(),
            "steadiness": gained * steadiness_weight * difference,
        }


def _luma(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) to (N, 1, H, W)."""
    weights = torch.tensor(_LUMA, device=pictures.device).view(1, 3, 1, 1)
    return (pictures.float() * weights).sum(1, keepdim=True)


def _crispness(pictures: Tensor) -> Tensor:
    """Mean length of the gradient of luma, (N,), as `steadiness.sharpness` measures it."""
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], device=pictures.device) / 8
    gradient = functional.conv2d(_luma(pictures), torch.stack([across, across.T])[:, None])
    return torch.linalg.vector_norm(gradient, dim=1).mean((1, 2))


def _forms(pictures: Tensor) -> Tensor:
    """Light and dark at an eighth of the size, (N, 1, H/8, W/8), with mean 0 and variance 1."""
    small = functional.avg_pool2d(_luma(pictures), _FORM)
    variance, mean = torch.var_mean(small, (2, 3), keepdim=True)
    return (small - mean) / (variance + _LEAST_CONTRAST**2).sqrt()


def _precision(device: str) -> torch.dtype:
    """What to compute in: half precision where the device has it."""
    if device == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)  # a T4 has not
        return torch.bfloat16 if has_bf16 else torch.float16
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32


@torch.no_grad()
def _grams(vgg: VGG16Features, paintings: Sequence[Tensor]) -> list[Tensor]:
    """The Gram matrices of each tap, (styles, C, C), of paintings, (1, 3, H, W)."""
    every = [[gram_matrix(features) for features in vgg(painting)] for painting in paintings]
    return [torch.cat(tap) for tap in zip(*every, strict=True)]
