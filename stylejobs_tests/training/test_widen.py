"""A network of twice the width begins by painting as the narrow one does."""

import torch

from stylejobs.scoring.network import TransformerNet
from stylejobs.training.widen import widened


def test_a_widened_network_paints_nearly_alike_and_can_learn_more() -> None:
    torch.manual_seed(0)
    narrow = TransformerNet(4)
    for name, parameter in narrow.named_parameters():
        if ".conv2d." not in name:
            torch.nn.init.normal_(parameter, 1.0)
    (weights,) = widened({"style": narrow.state_dict()}).values()
    wide = TransformerNet(8)
    wide.load_state_dict(weights)
    picture = torch.rand(1, 3, 32, 48) * 255
    with torch.no_grad():
        before, after = narrow(picture), wide(picture)
    assert (after - before).std() < 0.1 * before.std()
    kernel = weights["res1.conv1.conv2d.weight"]
    assert not torch.equal(kernel[:16], kernel[16:])
