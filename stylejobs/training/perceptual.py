"""Perceptual losses over VGG16 features (Johnson et al. 2016; Gatys et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from stylejobs.training.errors import NoFeatures

# VGG16's convolution part, as torchvision numbers it, up to relu4_3; "M" is max pooling.
_VGG16_LAYERS = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512)
_TAPS = (3, 8, 15, 22)  # relu1_2, relu2_2, relu3_3, relu4_3
_CONTENT_TAP = 1  # relu2_2
CONTENT_TAPS = _CONTENT_TAP + 1  # what the content loss needs of a photo
# Of a crop in its pool (see `PooledStyleLoss`) at each tap: the variance of the Gram matrices of
# painted frames, 640x360, over that of crops of 192 pixels, measured on 19 photos in `udnie`.
CROP_SHARES = (0.75, 0.55, 0.4, 0.25)
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)

_REMEDY = (
    "Give a file with the weights of torchvision's VGG16: --vgg, or STYLEJOBS_VGG for the assets."
)


class VGG16Features(nn.Module):
    """The four feature maps that the losses compare.

    Args:
        weights: file with torchvision's VGG16 keys (``features.N.weight``), any float dtype;
            without one, torchvision's own weights are downloaded.

    Input: (N, 3, H, W) float, RGB, 0 to 255.

    Raises:
        NoFeatures: there are no weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__()
        self.features = _convolutions()
        state = _downloaded() if weights is None else _from_file(weights)
        try:
            self.load_state_dict({name: state[name].float() for name in self.state_dict()})
        except (KeyError, AttributeError, RuntimeError):
            raise NoFeatures(f"{weights} does not hold VGG16's weights. {_REMEDY}") from None
        self.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(_IMAGENET_STD).view(1, 3, 1, 1) * 255)

    def forward(self, x: Tensor, taps: int = len(_TAPS)) -> list[Tensor]:
        """The first ``taps`` feature maps; what lies behind them is not computed."""
        maps: list[Tensor] = []
        x = (x - self.mean) / self.std
        for index in range(_TAPS[taps - 1] + 1):
            x = self.features[index](x)
            if index in _TAPS:
                maps.append(x)
        return maps


def _downloaded() -> dict[str, Tensor]:
    try:
        from torchvision.models import VGG16_Weights

        return dict(VGG16_Weights.IMAGENET1K_FEATURES.get_state_dict(progress=False))
    except (OSError, RuntimeError) as error:  # no network; a torchvision of another build
        raise NoFeatures(f"VGG16's weights could not be downloaded ({error}). {_REMEDY}") from None


def _from_file(file: Path) -> dict[str, Tensor]:
    try:
        return dict(torch.load(file, map_location="cpu", weights_only=True))
    except Exception as error:  # on a damaged file torch fails in any way
        reason = str(error).split("\n")[0]
        raise NoFeatures(f"{file} cannot be read ({reason}). {_REMEDY}") from None


def _convolutions() -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = 3
    for outputs in _VGG16_LAYERS:
        if isinstance(outputs, str):
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            inputs = outputs
    return nn.Sequential(*layers)


def gram_matrix(features: Tensor) -> Tensor:
    """Channel correlations, (N, C, H, W) to (N, C, C) fp32, divided by C·H·W.

    bf16 is multiplied as it is, a picture at a time, which a CPU does in a quarter of the time.
    """
    channels, pixels = features.shape[1], features[0, 0].numel()
    flat = features if features.dtype == torch.bfloat16 else features.float()
    products = [picture @ picture.T for picture in flat.flatten(2)]
    return torch.stack(products).float() / (channels * pixels)


def content_loss(painted: list[Tensor], source: list[Tensor]) -> Tensor:
    return functional.mse_loss(painted[_CONTENT_TAP].float(), source[_CONTENT_TAP].float())


def style_losses(painted: list[Tensor], painting_grams: list[Tensor]) -> Tensor:
    """Mean squared difference of the Gram matrices at each tap, (4,).

    Args:
        painting_grams: (1, C, C) of each tap.
    """
    losses = [
        functional.mse_loss(gram_matrix(features), gram.expand(len(features), -1, -1))
        for features, gram in zip(painted, painting_grams, strict=True)
    ]
    return torch.stack(losses)


class PooledStyleLoss(nn.Module):
    """As `style_losses`, of crops whose Gram matrices are pooled with those of crops before.

    The matrix of a small crop varies far more from crop to crop than that of a frame does, and a
    network that is to hold each one by itself learns to paint with little contrast.

    Args:
        painting_grams: of each tap, (styles, C, C).
        shares: of a crop in its pool, at each tap, in (0, 1]; 1 compares each crop by itself.
    """

    is_filled: Tensor

    def __init__(self, painting_grams: list[Tensor], shares: Sequence[float] = CROP_SHARES) -> None:
        super().__init__()
        self._shares = shares
        self.register_buffer("is_filled", torch.zeros(len(painting_grams[0]), dtype=torch.bool))
        self._paintings = painting_grams  # no state: they are made anew from the paintings
        self._pools = nn.ParameterList(
            nn.Parameter(torch.zeros_like(g), False) for g in painting_grams
        )

    def forward(self, painted: list[Tensor], chosen: Sequence[int]) -> Tensor:
        """The loss at each tap, (4,); ``chosen`` are the styles of the N pictures."""
        were_filled = self.is_filled[list(chosen)].tolist()
        self.is_filled[list(chosen)] = True
        losses = []
        for features, share, paintings, pools in zip(
            painted, self._shares, self._paintings, self._pools, strict=True
        ):
            squares = []
            for gram, style, was in zip(gram_matrix(features), chosen, were_filled, strict=True):
                pool = pools[style].lerp_(gram.detach(), share if was else 1.0)
                # The value is the pool's, the gradient as if all of it were this crop's.
                squares.append(functional.mse_loss(pool + gram - gram.detach(), paintings[style]))
            losses.append(torch.stack(squares).mean())
        return torch.stack(losses)
