"""The style-transfer network, as a torch module: the reference that every backend must equal.

Source: Johnson, Alahi, Fei-Fei, *Perceptual Losses for Real-Time Style Transfer and
Super-Resolution* (2016), with instance normalisation (Ulyanov et al. 2016), in the form
published as PyTorch's ``fast_neural_style`` example, whose checkpoints load as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stylejobs.scoring.weights import PUBLISHED_BLOCKS, blocks_of, width_of


class ConvLayer(nn.Module):
    """A convolution that mirrors the picture at its border in place of zeros."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.reflection_pad = nn.ReflectionPad2d(kernel // 2)
        self.conv2d = nn.Conv2d(inputs, outputs, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2d(self.reflection_pad(x))


class UpsampleConvLayer(ConvLayer):
    """Nearest-neighbour upsampling by two, then a convolution: no checkerboard (Odena 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


class ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvLayer(channels, channels, 3)
        self.in1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = ConvLayer(channels, channels, 3)
        self.in2 = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.in1(self.conv1(x)))
        return self.in2(self.conv2(y)) + x


class TransformerNet(nn.Module):
    """Paints a batch of pictures.

    Args:
        width: channels of the first layer; the published networks have 32. The cost of a
            picture grows with its square.
        blocks: residual blocks; the published networks have 5.

    Input and output: float tensors of shape (N, 3, H, W), RGB, 0 to 255; the output is not
    clamped. H and W must be multiples of 4 for the output to have the input's size.
    """

    def __init__(self, width: int = 32, blocks: int = PUBLISHED_BLOCKS) -> None:
        super().__init__()
        self.blocks = blocks
        self.conv1 = ConvLayer(3, width, 9)
        self.in1 = nn.InstanceNorm2d(width, affine=True)
        self.conv2 = ConvLayer(width, width * 2, 3, stride=2)
        self.in2 = nn.InstanceNorm2d(width * 2, affine=True)
        self.conv3 = ConvLayer(width * 2, width * 4, 3, stride=2)
        self.in3 = nn.InstanceNorm2d(width * 4, affine=True)
        for n in range(1, self.blocks + 1):
            setattr(self, f"res{n}", ResidualBlock(width * 4))
        self.deconv1 = UpsampleConvLayer(width * 4, width * 2, 3)
        self.in4 = nn.InstanceNorm2d(width * 2, affine=True)
        self.deconv2 = UpsampleConvLayer(width * 2, width, 3)
        self.in5 = nn.InstanceNorm2d(width, affine=True)
        self.deconv3 = ConvLayer(width, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.in1(self.conv1(x)))
        y = functional.relu(self.in2(self.conv2(y)))
        y = functional.relu(self.in3(self.conv3(y)))
        for n in range(1, self.blocks + 1):
            y = getattr(self, f"res{n}")(y)
        y = functional.relu(self.in4(self.deconv1(y)))
        y = functional.relu(self.in5(self.deconv2(y)))
        return self.deconv3(y)


def network_of(weights: Mapping[str, Tensor] | Mapping[str, np.ndarray]) -> TransformerNet:
    """The network that has these weights, fp32, for painting: it is in evaluation mode."""
    net = TransformerNet(width_of(weights), blocks_of(weights))
    net.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    return net.eval()
