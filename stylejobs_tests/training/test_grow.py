"""A larger network begins by painting as the small one does."""

import torch

from stylejobs.scoring.network import TransformerNet, network_of
from stylejobs.training.grow import deepened, widened


def test_a_widened_network_paints_nearly_alike_and_can_learn_more() -> None:
    torch.manual_seed(0)
    narrow = TransformerNet(4)
    for name, parameter in narrow.named_parameters():
        if ".conv2d." not in name:
            torch.nn.init.normal_(parameter, 1.0)
    (weights,) = widened({"style": narrow.state_dict()}).values()
    wide = network_of(weights)
    picture = torch.rand(1, 3, 32, 48) * 255
    with torch.no_grad():
        before, after = narrow(picture), wide(picture)
    assert (after - before).std() < 0.1 * before.std()
    kernel = weights["res1.conv1.conv2d.weight"]
    assert not torch.equal(kernel[:16], kernel[16:])


def test_a_deepened_network_paints_alike_and_its_new_blocks_can_learn() -> None:
    torch.manual_seed(0)
    shallow = TransformerNet(4, blocks=1)
    for name, parameter in shallow.named_parameters():
        if ".conv2d." not in name:
            torch.nn.init.normal_(parameter, 1.0)
    (weights,) = deepened({"style": shallow.state_dict()}, 3).values()
    deep = network_of(weights)
    assert deep.blocks == 3
    picture = torch.rand(1, 3, 32, 48) * 255
    before, after = shallow(picture), deep(picture)
    torch.testing.assert_close(after, before)
    after.square().mean().backward()
    gradient = deep.get_submodule("res3.in2").weight.grad
    assert isinstance(gradient, torch.Tensor)
    assert gradient.abs().max() > 0
