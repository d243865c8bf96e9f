"""What training computes in forms of its own is what the reference computes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from stylejobs.scoring.network import ConvLayer, UpsampleConvLayer
from stylejobs.training.folded import BlockedConv, FoldedUpsampleConv
from stylejobs.training.muon import Muon, orthogonal


@pytest.mark.parametrize(
    ("own", "reference"),
    [
        (BlockedConv(4, 3, 9), ConvLayer(4, 3, 9)),
        (FoldedUpsampleConv(6, 5, 3), UpsampleConvLayer(6, 5, 3)),
    ],
    ids=["blocked", "folded"],
)
def test_a_layer_and_its_gradients_equal_the_reference(
    own: ConvLayer, reference: ConvLayer
) -> None:
    own.load_state_dict(reference.state_dict())
    inputs = torch.rand(2, own.conv2d.in_channels, 12, 16, dtype=torch.float64)
    expected = _with_gradients(reference.double(), inputs)
    for found, other in zip(_with_gradients(own.double(), inputs), expected, strict=True):
        torch.testing.assert_close(found, other)


def _with_gradients(layer: nn.Module, inputs: Tensor) -> list[Tensor]:
    x = inputs.clone().requires_grad_()
    y = layer(x)
    towards = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    gradients = torch.autograd.grad((y * towards).sum(), [x, *layer.parameters()])
    return [y.detach(), *gradients]


@pytest.mark.parametrize("shape", [(16, 72), (72, 16)])
def test_an_orthogonal_update_has_singular_values_around_one(shape: tuple[int, int]) -> None:
    values = torch.linalg.svdvals(orthogonal(torch.randn(2, *shape)))
    assert 0.6 < values.min() < values.max() < 1.3


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_muon_steps_as_torchs_own_does_but_for_rounding(precision: torch.dtype) -> None:
    shapes = [(8, 4, 3, 3), (6, 4, 3, 3), (8, 4, 3, 3)]
    own = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [nn.Parameter(kernel.detach().flatten(1).clone()) for kernel in own]
    before = [kernel.detach().clone() for kernel in theirs]
    optimisers = [
        Muon(own, 0.01, precision),
        torch.optim.Muon(theirs, 0.01, weight_decay=0, adjust_lr_fn="match_rms_adamw"),
    ]
    for seed in range(3):
        noise = torch.Generator().manual_seed(seed)
        for kernel, flat in zip(own, theirs, strict=True):
            flat.grad = torch.randn(flat.shape, generator=noise)
            kernel.grad = flat.grad.view_as(kernel)
        for optimiser in optimisers:
            optimiser.step()
    for kernel, flat, start in zip(own, theirs, before, strict=True):
        steps = kernel.detach().flatten(1) - start, flat.detach() - start
        assert (steps[0] - steps[1]).norm() < 0.03 * steps[1].norm()
