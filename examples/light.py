"""Brightness, contrast and mean colour of every frame: an ONNX model that makes data.

Build it (``pip install onnx``), then use the file::

    python examples/light.py light.onnx
    stylejobs style holiday.mp4 --style light.onnx

The result is a table, ``holiday-light.jsonl``, with a line for each frame::

    {"frame":0,"pts":0,"seconds":0.0,"brightness":0.41,"contrast":0.2,"colour":[0.5,0.4,0.3]}

A jump of ``colour`` from one line to the next is a cut. As a folder ``inbox/light`` of the
pipeline::

    export STYLEJOBS_MODELS='{"light": "/path/to/light.onnx"}'
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def build(path: Path) -> None:
    """Write the model to ``path``, for frames of any size.

    Its input is (N, 3, H, W) float32, 0 to 255; its outputs go from 0 to 1.
    """
    constants = {
        "white": np.array(255, np.float32),
        "picture_axes": np.array([2, 3]),
        "all_axes": np.array([1, 2, 3]),
    }
    nodes = [
        helper.make_node("Div", ["frames", "white"], ["x"]),
        helper.make_node("ReduceMean", ["x", "picture_axes"], ["colour"], keepdims=0),
        helper.make_node("ReduceMean", ["x", "all_axes"], ["mean"]),
        helper.make_node("ReduceMean", ["x", "all_axes"], ["brightness"], keepdims=0),
        helper.make_node("Sub", ["x", "mean"], ["difference"]),
        helper.make_node("Mul", ["difference", "difference"], ["square"]),
        helper.make_node("ReduceMean", ["square", "all_axes"], ["variance"], keepdims=0),
        helper.make_node("Sqrt", ["variance"], ["contrast"]),
    ]
    outputs: dict[str, list[str | int]] = {
        "brightness": ["n"],
        "contrast": ["n"],
        "colour": ["n", 3],
    }
    graph = helper.make_graph(
        nodes,
        "light",
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, n) for name, n in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
