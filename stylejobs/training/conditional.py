"""One network, many styles: conditional instance normalisation (Dumoulin et al. 2017).

All styles share the convolutions of a `TransformerNet`; each has its own scale and shift in every
instance normalisation, 3,200 numbers at the published width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from stylejobs.scoring.network import TransformerNet
from stylejobs.scoring.weights import PUBLISHED_BLOCKS
from stylejobs.training.folded import BlockedConv, FoldedUpsampleConv

# A fresh network answers with numbers around 0, and each step of Adam changes a weight by as much,
# whatever it is for. In these units a picture is such numbers, too: without them the brightness
# alone takes thousands of steps. With units of 64, small steps of the last layer are too large.
_MIDDLE, _UNIT = 127.5, 16.0
_LAST_WEIGHT, _LAST_BIAS = "deconv3.conv2d.weight", "deconv3.conv2d.bias"


class ConditionalInstanceNorm2d(nn.Module):
    """Instance normalisation whose scale and shift are a style's.

    Attributes:
        chosen: (N,) the style of each picture of the next batch.
    """

    chosen: Tensor

    def __init__(self, channels: int, styles: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(styles, channels))
        self.bias = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, x: Tensor) -> Tensor:
        # Instance normalisation is batch normalisation of each picture's channels by themselves.
        scale, shift = self.weight[self.chosen].flatten(), self.bias[self.chosen].flatten()
        channels = x.flatten(0, 1)[None]
        return functional.batch_norm(channels, None, None, scale, shift, True).view_as(x)


class ConditionalNet(nn.Module):
    """A `TransformerNet` that paints each picture of a batch in a style of its own.

    H and W must be multiples of 4.

    Args:
        styles: their names; a picture's style is given by its place among them.
        width, blocks: see `TransformerNet`.
    """

    def __init__(self, styles: Sequence[str], width: int, blocks: int = PUBLISHED_BLOCKS) -> None:
        super().__init__()
        self.styles = list(styles)
        self.net = TransformerNet(width, blocks)
        self.net.deconv1 = FoldedUpsampleConv(width * 4, width * 2, 3)
        self.net.deconv2 = FoldedUpsampleConv(width * 2, width, 3)
        self.net.deconv3 = BlockedConv(width, 3, 9)
        self._norms: list[ConditionalInstanceNorm2d] = []
        for parent in list(self.net.modules()):
            for name, layer in list(parent.named_children()):
                if isinstance(layer, nn.InstanceNorm2d):
                    norm = ConditionalInstanceNorm2d(layer.num_features, len(self.styles))
                    setattr(parent, name, norm)
                    self._norms.append(norm)

    def forward(self, x: Tensor, chosen: Tensor) -> Tensor:
        """Paint (N, 3, H, W) float RGB, 0 to 255, in the styles ``chosen``, (N,) int64."""
        for norm in self._norms:
            norm.chosen = chosen
        return _MIDDLE + _UNIT * self.net(x)

    def norm_parameters(self) -> list[nn.Parameter]:
        """What belongs to the styles; the rest is shared."""
        return [parameter for norm in self._norms for parameter in (norm.weight, norm.bias)]

    def weights_of(self, style: str) -> dict[str, Tensor]:
        """The weights of a plain `TransformerNet` that paints like ``style``, fp32."""
        n = self.styles.index(style)
        norms = {id(parameter) for parameter in self.norm_parameters()}
        weights = {
            name: (value[n] if id(value) in norms else value).detach().float().clone()
            for name, value in self.net.named_parameters()
        }
        weights[_LAST_WEIGHT] *= _UNIT
        weights[_LAST_BIAS] = weights[_LAST_BIAS] * _UNIT + _MIDDLE
        return weights

    def start_from(self, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Take over the weights of plain networks that share their convolutions.

        Args:
            weights: of one network a style; a style that is not among them begins as the mean of
                those that are.

        Raises:
            ValueError: they are of a network with more or fewer layers.
        """
        every = list(weights.values())
        if every[0].keys() != dict(self.net.named_parameters()).keys():
            raise ValueError("The weights to start from are of a network with other layers.")
        norms = {id(parameter) for parameter in self.norm_parameters()}
        with torch.no_grad():
            for name, value in self.net.named_parameters():
                if id(value) not in norms:
                    value.copy_(every[0][name])
                    continue
                mean = torch.stack([one[name].float() for one in every]).mean(0)
                for n, style in enumerate(self.styles):
                    value[n] = weights[style][name] if style in weights else mean
            last = self.net.deconv3.conv2d
            last.weight /= _UNIT
            assert last.bias is not None
            last.bias.copy_((last.bias - _MIDDLE) / _UNIT)
