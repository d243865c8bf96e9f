"""What a training is told. Needs no torch: Dagster reads it while it loads the project."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingSettings:
    """What was trained and how; stored in the style file.

    Attributes:
        width: channels of the network's first layer (32 as published, 16 for CPUs).
        blocks: residual blocks (5 as published, 4 for CPUs).
        batch: crops an iteration.
        crop: side of the square training crops, pixels.
        painting_side: the painting's shorter side, pixels; it sets the size of the strokes.
        shallow_style_weight: how much more the Gram matrix of relu1_2 counts than the others: it
            holds contrast and crisp edges, and by itself weighs next to nothing.
        deep_style_weight: how much more the Gram matrix of relu4_3 counts than the others: it
            holds the large forms, and by itself weighs next to nothing.
        forms_weight: of the difference in light and dark at an eighth of the size. The losses of
            small crops hardly hold it, and instance normalisation forgets it.
        crispness_weight: of how much less crisp a crop is painted than the painting is, relatively:
            where the photo is smooth, the Gram matrices alone leave it so.
        steadiness_weight: of the difference between the painting of a crop and that of the same
            crop moved by a few pixels and with noise, which is what flickers in a video.
        steadiness_share: of the iterations that have this loss, in (0, 1]; it counts for more in
            them. Painting the moved crop takes as long as painting the crop.
        noise: standard deviation of that noise, of 255.
        shift: pixels that the crop is moved by, at most.
        learning_rate, norm_learning_rate, convolution_learning_rate: see `Optimiser`.
        warm_up: iterations over which the style and the steadiness gain their weights, where a
            network is trained from scratch: at full weight it would first learn flat pictures.
        patience: stop when the losses of so many iterations are no better than those of as many
            before; 0 never stops early.
    """

    width: int = 16
    blocks: int = 4
    iterations: int = 3000
    batch: int = 1
    crop: int = 192
    painting_side: int = 512
    learning_rate: float = 1e-3
    norm_learning_rate: float = 4e-3
    convolution_learning_rate: float = 2e-3
    content_weight: float = 1e5
    style_weight: float = 1.4e10
    shallow_style_weight: float = 1.0
    deep_style_weight: float = 3.0
    forms_weight: float = 1e4
    crispness_weight: float = 0.0
    steadiness_weight: float = 5e3
    steadiness_share: float = 0.2
    warm_up: int = 300
    noise: float = 4.0
    shift: int = 3
    patience: int = 0
    seed: int = 0


# Of a new style on a trained network. What belongs to a style alone is few numbers, which stand
# large steps.
FINE_TUNING = TrainingSettings(iterations=600, norm_learning_rate=1e-2, patience=200)
