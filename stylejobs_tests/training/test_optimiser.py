"""Steps of training: a batch that cannot be learned from changes nothing."""

import pytest
import torch

from stylejobs.training.conditional import ConditionalNet
from stylejobs.training.errors import TrainingDiverged
from stylejobs.training.optimiser import Optimiser


@pytest.fixture
def net() -> ConditionalNet:
    torch.manual_seed(0)
    return ConditionalNet(["a"], 4)


@pytest.fixture
def optimiser(net: ConditionalNet) -> Optimiser:
    return Optimiser(net, 100, 1e-2, 1e-2, 1e-2)


def loss_of(net: ConditionalNet, factor: float = 1.0) -> torch.Tensor:
    picture = torch.linspace(0, 255, 3 * 32 * 32).view(1, 3, 32, 32)
    return factor * (net(picture, torch.tensor([0])) - picture).pow(2).mean()


def test_every_weight_learns(net: ConditionalNet, optimiser: Optimiser) -> None:
    before = {name: value.clone() for name, value in net.state_dict().items()}
    first = loss_of(net)
    for _ in range(20):
        assert optimiser.step(loss_of(net))
    assert loss_of(net) < first
    same = [name for name, value in net.state_dict().items() if torch.equal(value, before[name])]
    # What is added before an instance normalisation is taken away by it.
    assert all(name.endswith("conv2d.bias") for name in same)


def test_a_batch_without_a_gradient_changes_nothing_and_the_next_one_is_learned(
    net: ConditionalNet, optimiser: Optimiser
) -> None:
    assert optimiser.step(loss_of(net))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert not optimiser.step(loss_of(net, float("nan")))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert optimiser.step(loss_of(net))
    assert all(value.isfinite().all() for value in net.state_dict().values())


def test_a_training_that_only_gets_numbers_without_end_is_given_up(
    net: ConditionalNet, optimiser: Optimiser
) -> None:
    with pytest.raises(TrainingDiverged, match="smaller learning rates"):
        for _ in range(100):
            optimiser.step(loss_of(net, float("inf")))
