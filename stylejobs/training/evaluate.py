"""Scores of a style, not opinions: what it makes of given photos and of a clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isnan

import numpy as np
import torch
from torch import Tensor

from stylejobs.scoring.controls import Controls, finishing
from stylejobs.scoring.network import network_of
from stylejobs.scoring.steady import FramePlan
from stylejobs.scoring.weights import StyleWeights
from stylejobs.training.perceptual import (
    VGG16Features,
    content_loss,
    gram_matrix,
    style_losses,
)
from stylejobs.training.photos import to_tensor
from stylejobs.training.pictures import scaled_to
from stylejobs.training.steadiness import seam_ratio, sharpness, warping_error

FRAMES_TO_MEASURE = 24  # of a clip
LONG_STEP = 10  # frames between those that the long-term warping error compares
_PARTS = 3  # that the clip is painted in, one by one, to look for seams

_AS_USUAL = Controls()
# Paints consecutive frames, each (H, W, 3) uint8 RGB.
Paint = Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]


@dataclass(frozen=True)
class StyleScores:
    """What a style was measured at. NaN is what could not be.

    Attributes:
        style_loss: Gram matrices of the painted photos against the painting's, × 1e10.
        raw_style_loss: the same of the photos as they are: what a style begins at.
        content_loss: relu2_2 of the painted photos against the photos', × 1e5.
        warping_error: of the painted clip, from frame to frame, × 1e3.
        warping_error_long: the same over `LONG_STEP` frames.
        sharpness_kept: of the painted clip, over that of the clip.
        seam_ratio: of the warping error into the first frame of a part of the clip that is painted
            by itself to that around, over the same ratio of the clip painted as a whole; 1 where
            seams cannot be seen.
    """

    style_loss: float
    raw_style_loss: float
    content_loss: float
    warping_error: float
    warping_error_long: float
    sharpness_kept: float
    seam_ratio: float

    @property
    def style_gained(self) -> float:
        """How much of the way to the painting's Gram matrices: 0 is a photo, 1 the painting."""
        return 1 - self.style_loss / self.raw_style_loss

    def facts(self) -> dict[str, float]:
        """What could be measured, by name, to four places."""
        every = {**asdict(self), "style_gained": self.style_gained}
        return {name: round(value, 4) for name, value in every.items() if not isnan(value)}


def evaluate(
    paint_photo: Paint,
    paint_clip: Paint,
    photos: Sequence[np.ndarray],
    clip: Sequence[np.ndarray],
    painting: np.ndarray | None,
    vgg: VGG16Features,
    painting_side: int,
    controls: Controls = _AS_USUAL,
) -> StyleScores:
    """Measure a style on photos and on a clip that it was not trained on.

    Args:
        paint_photo, paint_clip: paint photos one by one, and a clip as a video is painted.
        photos: (H, W, 3) uint8 RGB of any sizes.
        clip: consecutive frames of one size, alike; may be empty.
        painting: without it there is no style loss.
        painting_side: shorter side of the painting, pixels: the size of the strokes.
        controls: how the paint is put on the clip: strength, steadiness.
    """
    losses = _losses(paint_photo, photos, painting, vgg, painting_side)
    painted = paint_clip(clip) if clip else []
    whole = _finished(clip, painted, controls, [range(len(clip))])
    return StyleScores(
        *losses,
        1e3 * warping_error(clip, whole),
        1e3 * warping_error(clip, whole, LONG_STEP),
        sharpness(whole) / sharpness(clip) if clip else float("nan"),
        _seams(clip, painted, controls, whole),
    )


def _seams(
    clip: Sequence[np.ndarray],
    painted: Sequence[np.ndarray],
    controls: Controls,
    whole: Sequence[np.ndarray],
) -> float:
    edges = [len(clip) * part // _PARTS for part in range(_PARTS + 1)]
    parts = [range(*ends) for ends in pairwise(edges)]
    if not all(parts):
        return float("nan")
    if not controls.steady:  # no frame knows of another
        return 1.0
    in_parts = _finished(clip, painted, controls, parts)
    usual = seam_ratio(clip, whole, edges[1:-1])
    return seam_ratio(clip, in_parts, edges[1:-1]) / usual if usual else float("nan")


def _finished(
    clip: Sequence[np.ndarray],
    painted: Sequence[np.ndarray],
    controls: Controls,
    parts: Sequence[range],
) -> list[np.ndarray]:
    """The clip as it is delivered when its parts are painted one by one."""
    finish = finishing(controls, FramePlan(parts, controls.warm_up))
    pairs = zip(clip, painted, strict=True)
    return [finish(frame, picture) if finish else picture for frame, picture in pairs]


@torch.no_grad()
def _losses(
    paint: Paint,
    photos: Sequence[np.ndarray],
    painting: np.ndarray | None,
    vgg: VGG16Features,
    side: int,
) -> tuple[float, float, float]:
    grams = None
    if painting is not None:
        wanted = vgg(to_tensor(scaled_to(painting, side))[None])
        grams = [gram_matrix(features) for features in wanted]
    painted_losses, raw_losses, contents = [], [], []
    for photo in photos:
        before = vgg(to_tensor(photo)[None])
        after = vgg(to_tensor(paint([photo])[0])[None])
        contents.append(1e5 * float(content_loss(after, before)))
        if grams is not None:
            painted_losses.append(1e10 * float(style_losses(after, grams).sum()))
            raw_losses.append(1e10 * float(style_losses(before, grams).sum()))
    return tuple(  # type: ignore[return-value]
        float(np.mean(each)) if each else float("nan")
        for each in (painted_losses, raw_losses, contents)
    )


def torch_painter(weights: Mapping[str, Tensor]) -> Paint:
    """Paints frames with weights that are in no file yet, those of a plain `TransformerNet`."""
    net = network_of(weights)

    @torch.no_grad()
    def paint(frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [
            net(to_tensor(frame)[None])[0].clamp(0, 255).byte().permute(1, 2, 0).numpy()
            for frame in frames
        ]

    return paint


def painter(weights: StyleWeights, device: str = "auto") -> Paint:
    """Paints frames one by one, whatever their sizes."""
    from stylejobs.scoring.backends import create_scorer
    from stylejobs.scoring.scorer import Scorer

    scorers: dict[tuple[int, int], Scorer] = {}

    def paint(frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        painted = []
        for frame in frames:
            size = frame.shape[0], frame.shape[1]
            if size not in scorers:
                scorers.clear()  # one at a time: each holds memory for its size
                scorers[size] = create_scorer(weights, *size, device)  # type: ignore[arg-type]
            pictures = scorers[size](frame[np.newaxis]).pictures
            assert pictures is not None
            painted.append(pictures[0])
        return painted

    return paint
