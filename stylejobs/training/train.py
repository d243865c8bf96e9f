"""The training loop: one painting in, one style file out."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from stylejobs.scoring.network import TransformerNet
from stylejobs.training.perceptual import (
    VGG16Features,
    content_loss,
    gram_matrix,
    style_loss,
)

# The gradient through a stack of instance norms overflows on a crop of one single colour.
_FLATTEST_CROP = 4.0
_PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True)
class TrainingSettings:
    """What was trained and how; stored in the style file.

    Attributes:
        width: channels of the network's first layer (32 as published, 16 for CPUs).
        crop: side of the square training crops, pixels.
        painting_side: the painting's shorter side, pixels; it sets the size of the strokes.
        steadiness_weight: weight of the noise-stability loss, which makes the network answer
            alike to frames that differ by noise only, and so steadier in time.
    """

    width: int = 16
    iterations: int = 3000
    batch: int = 2
    crop: int = 224
    painting_side: int = 384
    learning_rate: float = 1e-3
    content_weight: float = 1e5
    style_weight: float = 1e10
    variation_weight: float = 1e-1
    steadiness_weight: float = 10.0
    seed: int = 0


def train_style(
    painting: Path,
    photos: Path,
    vgg_weights: Path | None,
    checkpoint: Path,
    settings: TrainingSettings,
    on_progress: Callable[[int, dict[str, float]], None] = lambda step, losses: None,
) -> dict[str, Tensor]:
    """Train a network to paint like ``painting``; return its weights in fp32.

    The state is saved to ``checkpoint`` every 100 iterations and picked up from there, so a
    killed training goes on where it was.

    Raises:
        FileNotFoundError: ``photos`` holds no picture.
    """
    torch.manual_seed(settings.seed)
    vgg = VGG16Features(vgg_weights).eval()
    vgg.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    grams = _painting_grams(vgg, painting, settings.painting_side)
    net = TransformerNet(settings.width)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(net.parameters(), settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimiser, settings.iterations, eta_min=settings.learning_rate / 20
    )
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        first = state["step"]

    crops = photo_crops(photos, settings.crop, random.Random(settings.seed + first))
    for step in range(first, settings.iterations):
        batch = torch.stack([next(crops) for _ in range(settings.batch)])
        losses = _losses(net, vgg, grams, batch, settings)
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
        schedule.step()
        on_progress(step + 1, {name: float(loss.detach()) for name, loss in losses.items()})
        if (step + 1) % 100 == 0 or step + 1 == settings.iterations:
            state = {
                "net": net.state_dict(),
                "optimiser": optimiser.state_dict(),
                "schedule": schedule.state_dict(),
                "step": step + 1,
            }
            partial = checkpoint.with_suffix(".partial")
            torch.save(state, partial)
            partial.replace(checkpoint)
    return {name: value.float() for name, value in net.state_dict().items()}


def _losses(
    net: TransformerNet,
    vgg: VGG16Features,
    grams: list[Tensor],
    photos: Tensor,
    settings: TrainingSettings,
) -> dict[str, Tensor]:
    photos = photos.to(memory_format=torch.channels_last)
    noisy = photos + torch.randn_like(photos) * 6.0
    with torch.autocast("cpu", torch.bfloat16):
        painted, painted_noisy = net(torch.cat([photos, noisy])).chunk(2)
        painted_features = vgg(painted)
        with torch.no_grad():
            photo_features = vgg(photos)
    painted = painted.float() / 255
    return {
        "content": settings.content_weight * content_loss(painted_features, photo_features),
        "style": settings.style_weight * style_loss(painted_features, grams),
        "variation": settings.variation_weight * _total_variation(painted) * 1e5,
        "steadiness": settings.steadiness_weight
        * 1e4
        * functional.mse_loss(painted_noisy.float() / 255, painted),
    }


def _total_variation(x: Tensor) -> Tensor:
    return (x[..., 1:, :] - x[..., :-1, :]).pow(2).mean() + (x[..., :, 1:] - x[..., :, :-1]).pow(
        2
    ).mean()


def _painting_grams(vgg: VGG16Features, painting: Path, side: int) -> list[Tensor]:
    with Image.open(painting) as file:
        picture = file.convert("RGB")
    scale = side / min(picture.size)
    size = (round(picture.width * scale), round(picture.height * scale))
    pixels = np.asarray(picture.resize(size, Image.Resampling.LANCZOS), dtype=np.float32)
    with torch.no_grad():
        return [gram_matrix(features) for features in vgg(_to_tensor(pixels).unsqueeze(0))]


def photo_crops(folder: Path, side: int, choose: random.Random) -> Iterator[Tensor]:
    """Endless random square crops, (3, side, side) float RGB 0 to 255, mirrored half the time.

    The photos are kept in memory at 1.0 to 1.6 times the crop's side.
    """
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in _PHOTO_SUFFIXES)
    if not files:
        raise FileNotFoundError(f"no photos (*.jpg, *.png, *.webp) in {folder}")
    photos = []
    for file in files:
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        scale = side * choose.uniform(1.0, 1.6) / min(picture.size)
        size = (max(side, round(picture.width * scale)), max(side, round(picture.height * scale)))
        photos.append(np.asarray(picture.resize(size, Image.Resampling.LANCZOS)))
    while True:
        photo = choose.choice(photos)
        top = choose.randint(0, photo.shape[0] - side)
        left = choose.randint(0, photo.shape[1] - side)
        crop = photo[top : top + side, left : left + side]
        if crop.std() < _FLATTEST_CROP:
            continue
        if choose.random() < 0.5:
            crop = crop[:, ::-1]
        yield _to_tensor(crop.astype(np.float32))


def _to_tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)


def save_style(
    weights: dict[str, Tensor], path: Path, settings: TrainingSettings, about: dict[str, str]
) -> None:
    """Write ``weights`` as fp16 safetensors with ``about`` (title, artist, …) as metadata."""
    from safetensors.torch import save_file

    metadata = {**about, "training": json.dumps(asdict(settings))}
    partial = path.with_suffix(".partial")
    save_file({k: v.half().contiguous() for k, v in weights.items()}, partial, metadata)
    partial.replace(path)
