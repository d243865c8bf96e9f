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
from stylejobs.scoring.weights import StyleWeights

if TYPE_CHECKING:
    import openvino

_EPSILON = 1e-5  # torch's default for instance normalisation
_BLOCKS = 5


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
        (painted,) = self._request.infer([pictures]).values()
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
    x = op.transpose(op.convert(frame, "f32"), [0, 3, 1, 2])
    x = op.pad(x, [0, 0, 0, 0], [0, 0, _missing(height), _missing(width)], "edge")
    x = op.relu(layers.norm(layers.conv(x, "conv1"), "in1"))
    x = op.relu(layers.norm(layers.conv(x, "conv2", stride=2), "in2"))
    x = op.relu(layers.norm(layers.conv(x, "conv3", stride=2), "in3"))
    for n in range(1, _BLOCKS + 1):
        y = op.relu(layers.norm(layers.conv(x, f"res{n}.conv1"), f"res{n}.in1"))
        x = op.add(layers.norm(layers.conv(y, f"res{n}.conv2"), f"res{n}.in2"), x)
    x = op.relu(layers.norm(layers.conv_upsampled(x, "deconv1"), "in4"))
    x = op.relu(layers.norm(layers.conv_upsampled(x, "deconv2"), "in5"))
    x = layers.conv_in_blocks(x, "deconv3")
    x = op.slice(x, [0, 0], [height, width], [1, 1], [2, 3])
    x = op.clamp(op.round(op.transpose(x, [0, 2, 3, 1]), "half_to_even"), 0.0, 255.0)
    return openvino.Model([op.convert(x, "u8")], [frame], "TransformerNet")


def _missing(side: int) -> int:
    """Pixels to add to ``side`` for a multiple of 4 that reflection padding can work on."""
    return max(side + -side % 4, 16) - side


class _Layers:
    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._tensors = tensors

    def _constant(self, name: str, shape: tuple[int, ...] | None = None) -> openvino.Node:
        from openvino import opset13 as op

        tensor = self._tensors[name]
        return op.constant(np.ascontiguousarray(tensor.reshape(shape or tensor.shape)))

    def conv(self, x: openvino.Node, name: str, stride: int = 1) -> openvino.Node:
        from openvino import opset13 as op

        pad = self._tensors[f"{name}.conv2d.weight"].shape[2] // 2
        x = op.pad(x, [0, 0, pad, pad], [0, 0, pad, pad], "reflect")
        kernel = self._constant(f"{name}.conv2d.weight")
        x = op.convolution(x, kernel, [stride, stride], [0, 0], [0, 0], [1, 1])
        return op.add(x, self._constant(f"{name}.conv2d.bias", (1, -1, 1, 1)))

    def conv_in_blocks(self, x: openvino.Node, name: str) -> openvino.Node:
        """The same as ``conv``, computed for 2×2 pixels at once.

        A CPU computes 16 channels together; three would leave most of them idle. Four pixels of
        three channels are twelve, at the price of a kernel of 10×10 in place of 9×9.
        """
        from openvino import opset13 as op

        weight = self._tensors[f"{name}.conv2d.weight"]
        outputs, inputs, size, _ = weight.shape
        kernel = np.zeros((outputs, 2, 2, inputs, size + 1, size + 1), np.float32)
        for down in (0, 1):
            for right in (0, 1):
                kernel[:, down, right, :, down : down + size, right : right + size] = weight
        kernel = kernel.reshape(-1, inputs, size + 1, size + 1)
        bias = self._tensors[f"{name}.conv2d.bias"].repeat(4).reshape(1, -1, 1, 1)
        pad = size // 2
        x = op.pad(x, [0, 0, pad, pad], [0, 0, pad, pad], "reflect")
        x = op.convolution(x, op.constant(kernel), [2, 2], [0, 0], [0, 0], [1, 1])
        return op.depth_to_space(op.add(x, op.constant(bias)), "depth_first", 2)

    def norm(self, x: openvino.Node, name: str) -> openvino.Node:
        from openvino import opset13 as op

        x = op.mvn(x, [2, 3], True, _EPSILON, "INSIDE_SQRT")
        x = op.multiply(x, self._constant(f"{name}.weight", (1, -1, 1, 1)))
        return op.add(x, self._constant(f"{name}.bias", (1, -1, 1, 1)))

    def conv_upsampled(self, x: openvino.Node, name: str) -> openvino.Node:
        """Nearest-neighbour upsampling by two and a 3×3 convolution, without the large picture.

        Each of the four pixels that come of one sees only 2×2 different ones: the kernel's rows
        and columns that fall on the same pixel are added up beforehand.
        """
        from openvino import opset13 as op

        weight = self._tensors[f"{name}.conv2d.weight"]
        height, width = (side + 1 for side in list(x.get_output_shape(0))[2:])
        x = op.pad(x, [0, 0, 1, 1], [0, 0, 1, 1], "edge")
        merge = np.array([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], np.float32)
        phases = []
        for down in (0, 1):
            for right in (0, 1):
                kernel = np.einsum("oikl,yk,xl->oiyx", weight, merge[down], merge[right])
                seen = op.slice(x, [down, right], [height + down, width + right], [1, 1], [2, 3])
                phases.append(
                    op.convolution(seen, op.constant(kernel), [1, 1], [0, 0], [0, 0], [1, 1])
                )
        y = op.concat(phases, 1)
        y = op.depth_to_space(y, "blocks_first", 2)
        return op.add(y, self._constant(f"{name}.conv2d.bias", (1, -1, 1, 1)))
