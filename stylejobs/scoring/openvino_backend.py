"""The network on a CPU: an OpenVINO graph, built from the weights without importing torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stylejobs.scoring import cache
from stylejobs.scoring.cpus import usable_cpus
from stylejobs.scoring.scorer import Scores
from stylejobs.scoring.weights import StyleWeights, blocks_of

if TYPE_CHECKING:
    import openvino

_EPSILON = 1e-5  # torch's default for instance normalisation


class OpenVINOScorer:
    """Paints pictures of one size on the CPU, one at a time: batches are slower here.

    Args:
        precision: ``bf16``, ``f32``, or None for bf16 where the CPU has instructions for it.
    """

    batch_size = 1
    workers = 1

    def __init__(
        self, weights: StyleWeights, height: int, width: int, precision: str | None = None
    ) -> None:
        import openvino

        if precision is None:
            precision = "bf16" if "BF16" in _capabilities(openvino.Core()) else "f32"
        self.precision = precision
        self.device = f"CPU (OpenVINO {precision})"
        compiled = _compile(weights, height, width, precision)
        self._request = compiled.create_infer_request()

    def __call__(self, pictures: np.ndarray) -> Scores:
        (painted,) = self._request.infer([pictures], share_inputs=True, share_outputs=True).values()
        # The request writes its next result over this one.
        return Scores(painted.copy())


def _compile(
    weights: StyleWeights, height: int, width: int, precision: str
) -> openvino.CompiledModel:
    """The network ready to run: from the cache on disk, or made now and put there."""
    import openvino

    core = openvino.Core()
    options = cpu_options(precision)
    # All that shapes the model: the code below, the weights, the machine.
    key = hashlib.sha256(Path(__file__).read_bytes())
    for name, tensor in sorted(weights.tensors.items()):
        key.update(name.encode() + np.ascontiguousarray(tensor).tobytes())
    machine = core.get_property("CPU", "FULL_DEVICE_NAME"), _capabilities(core)
    key.update(repr((height, width, options, openvino.__version__, machine)).encode())
    name = f"{key.hexdigest()}.openvino"
    if (stored := cache.load(name)) is not None:
        with suppress(RuntimeError):  # what it cannot read, it makes anew
            return core.import_model(stored, "CPU", options)
    compiled = core.compile_model(build_graph(weights.tensors, height, width), "CPU", options)
    cache.store(name, compiled.export_model().getvalue())
    return compiled


def cpu_options(precision: str) -> dict[str, Any]:
    """One picture at a time, with all the CPUs that this process may use."""
    return {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": usable_cpus(),
        "NUM_STREAMS": "1",
    }


def _capabilities(core: openvino.Core) -> list[str]:
    return sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def build_graph(tensors: Mapping[str, np.ndarray], height: int, width: int) -> openvino.Model:
    """The TransformerNet as a graph from (1, H, W, 3) uint8 to the same.

    Equal to ``network.TransformerNet``, with conversion, padding to a size that the network can
    halve twice, and cropping inside.
    """
    import openvino
    from openvino import opset13 as op

    layers = _Layers(tensors)
    frame = op.parameter([1, height, width, 3], np.uint8, name="frame")
    # Padded while it is bytes in the frame's order, it is never laid out by colours.
    x = op.pad(frame, [0, 0, 0, 0], [0, _missing(height), _missing(width), 0], "edge")
    x = layers.mirrored(x, "conv1", axes=(1, 2))
    x = op.transpose(op.convert(x, "f32"), [0, 3, 1, 2])
    x = op.relu(layers.norm(layers.conv_unpadded(x, "conv1"), "in1"))
    x = op.relu(layers.norm(layers.conv(x, "conv2", stride=2), "in2"))
    x = op.relu(layers.norm(layers.conv(x, "conv3", stride=2), "in3"))
    for n in range(1, blocks_of(tensors) + 1):
        y = op.relu(layers.norm(layers.conv(x, f"res{n}.conv1"), f"res{n}.in1"))
        x = op.add(layers.norm(layers.conv(y, f"res{n}.conv2"), f"res{n}.in2"), x)
    x = op.relu(layers.norm(layers.conv_upsampled(x, "deconv1"), "in4"))
    x = op.relu(layers.norm(layers.conv_upsampled(x, "deconv2"), "in5"))
    x = layers.conv_in_blocks(x, "deconv3")
    x = op.convert(op.clamp(op.round(x, "half_to_even"), 0.0, 255.0), "u8")
    x = _blocks_to_rows(op.transpose(x, [0, 2, 3, 1]))
    x = op.slice(x, [0, 0], [height, width], [1, 1], [1, 2])
    return openvino.Model([x], [frame], "TransformerNet")


def _missing(side: int) -> int:
    """Pixels to add to ``side`` for a multiple of 4 that reflection padding can work on."""
    return max(side + -side % 4, 16) - side


def _blocks_to_rows(x: openvino.Node) -> openvino.Node:
    """From (1, H, W, 12), two by two pixels of three channels, to (1, 2H, 2W, 3)."""
    from openvino import opset13 as op

    _, height, width, _ = x.get_output_shape(0)
    x = op.reshape(x, [height, width, 2, 6], False)
    return op.reshape(op.transpose(x, [0, 2, 1, 3]), [1, 2 * height, 2 * width, 3], False)


class _Layers:
    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._tensors = tensors

    def _constant(self, name: str, shape: tuple[int, ...] | None = None) -> openvino.Node:
        from openvino import opset13 as op

        tensor = self._tensors[name]
        return op.constant(np.ascontiguousarray(tensor.reshape(shape or tensor.shape)))

    def conv(self, x: openvino.Node, name: str, stride: int = 1) -> openvino.Node:
        return self.conv_unpadded(self.mirrored(x, name), name, stride)

    def mirrored(
        self, x: openvino.Node, name: str, axes: tuple[int, int] = (2, 3)
    ) -> openvino.Node:
        """``x`` with as much of itself around it, along ``axes``, as the layer's kernel needs."""
        from openvino import opset13 as op

        pad = self._tensors[f"{name}.conv2d.weight"].shape[2] // 2
        pads = [pad if axis in axes else 0 for axis in range(4)]
        return op.pad(x, pads, pads, "reflect")

    def conv_unpadded(self, x: openvino.Node, name: str, stride: int = 1) -> openvino.Node:
        from openvino import opset13 as op

        kernel = self._constant(f"{name}.conv2d.weight")
        x = op.convolution(x, kernel, [stride, stride], [0, 0], [0, 0], [1, 1])
        return op.add(x, self._constant(f"{name}.conv2d.bias", (1, -1, 1, 1)))

    def conv_in_blocks(self, x: openvino.Node, name: str) -> openvino.Node:
        """The same as ``conv``, computed for 2×2 pixels at once: (1, 12, H/2, W/2).

        A CPU computes 16 channels together; three would leave most of them idle. Four pixels of
        three channels are twelve, at the price of a kernel of 10×10 in place of 9×9.
        """
        from openvino import opset13 as op

        weight = self._tensors[f"{name}.conv2d.weight"]
        outputs, inputs, size, _ = weight.shape
        kernel = np.zeros((2, 2, outputs, inputs, size + 1, size + 1), np.float32)
        for down in (0, 1):
            for right in (0, 1):
                kernel[down, right, :, :, down : down + size, right : right + size] = weight
        kernel = kernel.reshape(-1, inputs, size + 1, size + 1)
        bias = np.tile(self._tensors[f"{name}.conv2d.bias"], 4).reshape(1, -1, 1, 1)
        x = self.mirrored(x, name)
        x = op.convolution(x, op.constant(kernel), [2, 2], [0, 0], [0, 0], [1, 1])
        return op.add(x, op.constant(bias))

    def norm(self, x: openvino.Node, name: str) -> openvino.Node:
        from openvino import opset13 as op

        x = op.mvn(x, [2, 3], True, _EPSILON, "INSIDE_SQRT")
        x = op.multiply(x, self._constant(f"{name}.weight", (1, -1, 1, 1)))
        return op.add(x, self._constant(f"{name}.bias", (1, -1, 1, 1)))

    def conv_upsampled(self, x: openvino.Node, name: str) -> openvino.Node:
        """Nearest-neighbour upsampling by two and a 3×3 convolution, without the large picture.

        A transposed convolution of 4×4: the taps that fall on the same pixel are added up. Without
        the bias, which the instance normalisation that follows would take away again.
        """
        from openvino import opset13 as op

        merge = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)
        weight = self._tensors[f"{name}.conv2d.weight"]
        kernel = np.einsum("oikl,yk,xl->ioyx", weight, merge, merge)
        x = op.pad(x, [0, 0, 1, 1], [0, 0, 1, 1], "edge")
        return op.convolution_backprop_data(x, op.constant(kernel), [2, 2], None, [3, 3], [3, 3])
