"""What moves the weights: Muon the convolutions, Adam the rest, each on a one-cycle schedule."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from stylejobs.training.conditional import ConditionalNet
from stylejobs.training.errors import TrainingDiverged
from stylejobs.training.muon import Muon

_WARM_UP = 0.03  # of the iterations: the learning rate rises from a 25th
_FINAL_DIVISOR = 2  # the rate ends at a 50th of its peak
# A gradient so many times as long as usual comes of one odd crop, and is cut to that.
_LONGEST = 3.0
_USUAL_OVER = 50  # iterations
_MOST_SKIPPED = 50


class Optimiser:
    """Steps of training, which one odd batch cannot spoil.

    Muon (Jordan et al. 2024) makes the update of a layer orthogonal, so that all of its
    directions learn alike: here it reached the style loss of Adam in two thirds of the iterations.

    Args:
        net: its parameters that need a gradient are trained.
        iterations: how many steps there will be.
        rate: Adam's peak learning rate, of the first and last layer and of the biases.
        norm_rate: the same, of the scales and shifts. A style's own get a gradient only from its
            own crops, so they need larger steps.
        convolution_rate: Muon's.
        precision: what the network is computed in. The loss is scaled where that is fp16.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(
        self,
        net: ConditionalNet,
        iterations: int,
        rate: float,
        norm_rate: float,
        convolution_rate: float,
        precision: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> None:
        # Only fp16 needs its gradients scaled; with bf16 and fp32 this does nothing.
        self._scaler = torch.amp.GradScaler(device, enabled=precision == torch.float16)
        self._trained = [p for p in net.parameters() if p.requires_grad]
        norms = {id(p) for p in net.norm_parameters()}
        ends = {id(p) for layer in (net.net.conv1, net.net.deconv3) for p in layer.parameters()}
        kernels = [p for p in self._trained if p.ndim == 4 and id(p) not in ends]
        by_muon = {id(p) for p in kernels}
        others = [p for p in self._trained if id(p) not in by_muon]
        adam = torch.optim.Adam(
            [
                {"params": [p for p in others if id(p) not in norms], "lr": rate},
                {"params": [p for p in others if id(p) in norms], "lr": norm_rate},
            ]
        )
        self._optimisers: list[torch.optim.Optimizer] = [adam]
        if kernels:
            # Its numbers are all near to 1, but fp16 would lose the small ones.
            exact = torch.float32 if precision == torch.float16 else precision
            self._optimisers.append(Muon(kernels, convolution_rate, exact))
        self._schedules = [
            torch.optim.lr_scheduler.OneCycleLR(
                optimiser,
                [group["lr"] for group in optimiser.param_groups],
                iterations,
                pct_start=_WARM_UP,
                final_div_factor=_FINAL_DIVISOR,
                cycle_momentum=False,
            )
            for optimiser in self._optimisers
        ]
        self._usual: float | None = None
        self._skipped = 0

    def step(self, loss: torch.Tensor) -> bool:
        """Go one step down ``loss``; False if its gradient was not finite, and nothing changed.

        Raises:
            TrainingDiverged: that was so many times in a row.
        """
        for parameter in self._trained:
            parameter.grad = None
        self._scaler.scale(loss).backward()
        for optimiser in self._optimisers:
            self._scaler.unscale_(optimiser)
        is_finite = self._cut_to_usual()
        if is_finite:
            for optimiser in self._optimisers:
                self._scaler.step(optimiser)
            for schedule in self._schedules:
                schedule.step()
        self._scaler.update()
        self._skipped = 0 if is_finite else self._skipped + 1
        if self._skipped > _MOST_SKIPPED:
            raise TrainingDiverged(
                "The training has come to numbers without end. Train with smaller learning rates."
            )
        return is_finite

    def _cut_to_usual(self) -> bool:
        """Shorten a gradient that is much longer than usual; False if it is not finite."""
        norm = nn.utils.get_total_norm([p.grad for p in self._trained if p.grad is not None])
        if not norm.isfinite():
            return False
        length = float(norm)
        usual = length if self._usual is None else self._usual
        longest = _LONGEST * usual
        nn.utils.clip_grads_with_norm_(self._trained, longest, norm)
        self._usual = usual + (min(length, longest) - usual) / _USUAL_OVER
        return True

    def state_dict(self) -> dict[str, Any]:
        return {
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
            "schedules": [schedule.state_dict() for schedule in self._schedules],
            "scaler": self._scaler.state_dict(),
            "usual": self._usual,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for optimiser, saved in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        for schedule, saved in zip(self._schedules, state["schedules"], strict=True):
            schedule.load_state_dict(saved)
        self._scaler.load_state_dict(state["scaler"])
        self._usual = state["usual"]
