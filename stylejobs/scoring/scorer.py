"""What the pipeline asks of a model: frames in; pictures, records or both out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Scores:
    """What a model says of N consecutive frames.

    Attributes:
        pictures: (N, H, W, 3) uint8 RGB of the frames' size; None if the model makes none.
        records: one per frame, each a mapping that JSON can hold (boxes, labels, an embedding);
            None if the model makes none.
    """

    pictures: np.ndarray | None = None
    records: Sequence[Record] | None = None


class Scorer(Protocol):
    """A model made ready for frames of one size.

    Attributes:
        device: what it runs on, for people: ``CPU (OpenVINO bf16)``.
        batch_size: the most frames of one call.
        workers: calls at the same time, each from a thread of its own: 2 lets a GPU compute one
            batch while the other is copied.
    """

    device: str
    batch_size: int
    workers: int

    def __call__(self, pictures: np.ndarray) -> Scores:
        """Score consecutive frames.

        Args:
            pictures: (N, H, W, 3) uint8 RGB, 1 ≤ N ≤ ``batch_size``.

        Returns:
            What it says of each. A frame's scores depend on nothing but that frame: which frames
            share a batch or a shard must not matter.
        """
        ...


class IdentityScorer:
    """Gives every picture back as it is: to test a pipeline without a model."""

    device = "none (identity)"
    batch_size = 1
    workers = 1

    def __call__(self, pictures: np.ndarray) -> Scores:
        return Scores(pictures)
