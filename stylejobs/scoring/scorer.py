"""What the pipeline asks of a model: pictures in, pictures out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


class Scorer(Protocol):
    """A model made ready for frames of one size.

    Attributes:
        device: what it runs on, for people: ``CPU (OpenVINO bf16)``.
    """

    device: str

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Score one picture.

        Args:
            picture: (H, W, 3) uint8 RGB.

        Returns:
            (H, W, 3) uint8 RGB of the same size. Equal input gives equal output.
        """
        ...


class IdentityScorer:
    """Gives every picture back as it is: to test a pipeline without a model."""

    device = "none (identity)"

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        return picture
