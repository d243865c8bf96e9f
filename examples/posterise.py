"""A poster of few colours: a program of torch, exported with ``torch.export``.

Export it, then use the file; it needs this source no more::

    python examples/posterise.py posterise.pt2
    stylejobs style holiday.mp4 --style posterise.pt2

or, as a folder ``inbox/poster`` of the pipeline::

    export STYLEJOBS_MODELS='{"poster": "/path/to/posterise.pt2"}'
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn


class Posterise(nn.Module):
    """Rounds each channel to one of ``levels`` shades."""

    def __init__(self, levels: int = 4) -> None:
        super().__init__()
        self.step = 255 / (levels - 1)

    def forward(self, frames: Tensor) -> Tensor:
        """From (N, 3, H, W) float32, 0 to 255, to the same."""
        return (frames / self.step).round() * self.step


def export(path: Path) -> None:
    """Write the program to ``path``, for frames of any size."""
    any_size = {"frames": (1, 3, torch.export.Dim.DYNAMIC, torch.export.Dim.DYNAMIC)}
    example = (torch.zeros(1, 3, 90, 160),)
    torch.export.save(torch.export.export(Posterise(), example, dynamic_shapes=any_size), path)


if __name__ == "__main__":
    export(Path(sys.argv[1]))
