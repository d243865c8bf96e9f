"""The network over a picture too large to be computed at once: layer by layer, in strips of rows.

A convolution sees a few rows beyond its strip, and gets them from the whole map below; instance
normalisation takes its statistics over the whole map. So each value is computed from the same
numbers as without strips, and there is no seam to hide.

What is held are a layer's input and its output, at most 1.5 × width elements a pixel: a map of
``width`` channels, and one of twice as many at half the height and width. In fp16 the official
network (width 32) needs 96 bytes a pixel, 0.2 GB at 1080p and 0.8 GB at 4K, and a few strips.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from stylejobs.scoring.network import ConvLayer, ResidualBlock, TransformerNet, UpsampleConvLayer

STRIP_PIXELS = 2**18  # of a strip's result: enough to keep a GPU busy


def paint_in_strips(
    net: TransformerNet, pictures: Tensor, strip_pixels: int = STRIP_PIXELS
) -> Tensor:
    """Paint pictures, equal to ``net`` but for rounding.

    Args:
        net: in the precision to compute in.
        pictures: (N, 3, H, W) uint8 RGB; H and W multiples of 4, at least 16.
        strip_pixels: how much of a layer's result to compute at once.

    Returns:
        (N, 3, H, W) uint8.
    """
    return _Strips(net.conv1.conv2d.weight, strip_pixels).paint(net, pictures)


class _Strips:
    def __init__(self, like: Tensor, pixels: int) -> None:
        self._dtype = like.dtype
        self._pixels = pixels

    def paint(self, net: TransformerNet, pictures: Tensor) -> Tensor:
        x = self._norm(self._conv(pictures, net.conv1), net.in1).relu_()
        x = self._norm(self._conv(x, net.conv2), net.in2).relu_()
        x = self._norm(self._conv(x, net.conv3), net.in3).relu_()
        for n in range(1, net.blocks + 1):
            block: ResidualBlock = getattr(net, f"res{n}")
            y = self._norm(self._conv(x, block.conv1), block.in1).relu_()
            y = self._norm(self._conv(y, block.conv2), block.in2)
            x.add_(y)
        del y
        x = self._norm(self._conv(x, net.deconv1), net.in4).relu_()
        x = self._norm(self._conv(x, net.deconv2), net.in5).relu_()
        painted = torch.empty_like(pictures)
        for rows, strip in self._conv_strips(x, net.deconv3):
            painted[:, :, rows] = strip.float().round_().clamp_(0, 255).to(torch.uint8)
        return painted

    def _conv(self, x: Tensor, layer: ConvLayer) -> Tensor:
        height, width = _result_size(x, layer)
        y = torch.empty(
            (len(x), layer.conv2d.out_channels, height, width),
            dtype=self._dtype,
            device=x.device,
            memory_format=torch.channels_last,
        )
        for rows, strip in self._conv_strips(x, layer):
            y[:, :, rows] = strip
        return y

    def _conv_strips(self, x: Tensor, layer: ConvLayer) -> Iterator[tuple[slice, Tensor]]:
        """The layer's result, a strip of rows at a time."""
        conv = layer.conv2d
        scale = _scale(layer)
        height = scale * x.shape[2]
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        pad = kernel // 2
        for rows in self._rows(*_result_size(x, layer)):
            # In rows of the picture that the kernel moves over: wanted, and there.
            first, end = rows.start * stride - pad, (rows.stop - 1) * stride - pad + kernel
            top, bottom = max(first, 0), min(end, height)
            seen = x[:, :, top // scale : -(-bottom // scale)].to(self._dtype)
            if scale > 1:
                seen = functional.interpolate(seen, scale_factor=float(scale), mode="nearest")
                seen = seen[:, :, top % scale :][:, :, : bottom - top]
            seen = functional.pad(seen, (pad, pad, top - first, end - bottom), mode="reflect")
            yield rows, functional.conv2d(seen, conv.weight, conv.bias, conv.stride)

    def _norm(self, x: Tensor, norm: nn.InstanceNorm2d) -> Tensor:
        """Instance normalisation in place, in fp32, with sums over strips in fp64."""
        height, width = x.shape[2:]
        strips = [x[:, :, rows] for rows in self._rows(height, width)]

        def average(of: Iterator[Tensor]) -> Tensor:
            sums = torch.stack([strip.sum((2, 3), keepdim=True).double() for strip in of])
            return sums.sum(0) / (height * width)

        mean = average(strip.float() for strip in strips)
        variance = average((strip - mean.float()).square_() for strip in strips)
        scale = norm.weight.double().view(1, -1, 1, 1) / (variance + norm.eps).sqrt()
        shift = norm.bias.double().view(1, -1, 1, 1) - mean * scale
        for strip in strips:
            strip.copy_(strip * scale.float() + shift.float())
        return x

    def _rows(self, height: int, width: int) -> Iterator[slice]:
        step = max(1, self._pixels // width)
        return (slice(top, min(top + step, height)) for top in range(0, height, step))


def _scale(layer: ConvLayer) -> int:
    return 2 if isinstance(layer, UpsampleConvLayer) else 1


def _result_size(x: Tensor, layer: ConvLayer) -> tuple[int, int]:
    stride = layer.conv2d.stride[0]
    height, width = (-(-_scale(layer) * side // stride) for side in x.shape[2:])
    return height, width
