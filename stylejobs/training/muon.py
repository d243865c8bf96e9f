"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/), for convolutions.

`torch.optim.Muon` computes in bf16, which CPUs without instructions for it do in software: there a
step of it takes longer than all the rest of an iteration. This one is told what to compute in, and
takes kernels of one shape together.
"""

from __future__ import annotations

from collections import defaultdict
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
        precision: to compute the updates in.
    """

    def __init__(
        self,
        kernels: Iterable[nn.Parameter],
        rate: float,
        precision: torch.dtype = torch.float32,
    ) -> None:
        alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for kernel in kernels:
            alike[kernel.shape].append(kernel)
        super().__init__([{"params": same} for same in alike.values()], {"lr": rate})
        self._precision = precision

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            kernels = [kernel for kernel in group["params"] if kernel.grad is not None]
            if not kernels:
                continue
            raw = torch.stack([self._with_momentum(kernel).flatten(1) for kernel in kernels])
            size = _ADAMS_SIZE * sqrt(max(raw.shape[1:]))
            updates = orthogonal(raw.to(self._precision))
            for kernel, update in zip(kernels, updates, strict=True):
                kernel.sub_(update.view_as(kernel), alpha=group["lr"] * size)

    def _with_momentum(self, kernel: nn.Parameter) -> Tensor:
        assert kernel.grad is not None
        state = self.state[kernel]
        if not state:
            state["momentum"] = torch.zeros_like(kernel)
        momentum = state["momentum"].lerp_(kernel.grad, 1 - _MOMENTUM)
        return kernel.grad.lerp(momentum, _MOMENTUM)


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices, (N, H, W), with the same singular vectors and values of about 1 (0.7 to 1.2)."""
    is_high = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if is_high else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.mT if is_high else x
