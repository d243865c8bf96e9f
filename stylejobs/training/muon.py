"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/), for convolutions.

`torch.optim.Muon` computes in bf16, which CPUs without instructions for it do in software: there a
step of it takes longer than all the rest of an iteration. This one keeps to fp32.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

import torch
from torch import Tensor, nn

_MOMENTUM = 0.95
_STEPS = 5
# Of the quintic whose iteration brings all singular values near to 1.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ADAMS_SIZE = 0.2  # the root mean square of Adam's updates, so that its rates fit


class Muon(torch.optim.Optimizer):
    """Makes the update of a layer orthogonal, so that all of its directions learn alike.

    Args:
        kernels: of convolutions, each (outputs, inputs, height, width).
        rate: the learning rate, in the measure of Adam's.
    """

    def __init__(self, kernels: Iterable[nn.Parameter], rate: float) -> None:
        super().__init__(kernels, {"lr": rate})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for kernel in group["params"]:
                if kernel.grad is None:
                    continue
                state = self.state[kernel]
                if not state:
                    state["momentum"] = torch.zeros_like(kernel)
                momentum = state["momentum"].lerp_(kernel.grad, 1 - _MOMENTUM)
                update = orthogonal(kernel.grad.lerp(momentum, _MOMENTUM).flatten(1))
                size = _ADAMS_SIZE * sqrt(max(update.shape))
                kernel.add_(update.view_as(kernel), alpha=-group["lr"] * size)


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix with the same singular vectors and values of about 1 (0.7 to 1.2)."""
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(_STEPS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.T if matrix.shape[0] > matrix.shape[1] else x
