"""ONNX models on the CPU, through OpenVINO. See ``tensors`` for what they take and give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stylejobs.scoring.cpus import usable_cpus
from stylejobs.scoring.errors import UnusableModel, cause
from stylejobs.scoring.scorer import Scores
from stylejobs.scoring.tensors import Pixels, input_layout, picture_layout, scores_of

if TYPE_CHECKING:
    import openvino

    from stylejobs.scoring.models import Precision


class OnnxScorer:
    """Scores frames of one size, one at a time: batches are slower on a CPU.

    Args:
        precision: ``auto`` is bf16 for a model that only makes pictures, where the CPU has
            instructions for it, and f32 otherwise: bf16 puts a box some pixels off.

    Raises:
        UnusableModel: no readable ONNX file, or it does not fit the frames.
    """

    batch_size = 1
    workers = 1

    def __init__(
        self,
        file: Path,
        height: int,
        width: int,
        pixels: Pixels | None = None,
        precision: Precision = "auto",
    ) -> None:
        import openvino

        self._name = file.name
        core = openvino.Core()
        try:
            model = core.read_model(file)
        except RuntimeError as error:
            raise UnusableModel(f"{file} is no readable ONNX file. {cause(error)}") from None
        self._picture = _fit(model, file.name, height, width, pixels or Pixels())
        self._names = _output_names(model)
        if precision == "auto":
            capable = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            precise = self._picture is None or len(self._names) > 1
            precision = "f32" if precise or not capable else "bf16"
        self.device = f"CPU (OpenVINO {precision})"
        try:
            compiled = core.compile_model(
                model,
                "CPU",
                {
                    "INFERENCE_PRECISION_HINT": precision,
                    "INFERENCE_NUM_THREADS": usable_cpus(),
                    "NUM_STREAMS": "1",
                },
            )
        except RuntimeError as error:
            raise UnusableModel(f"OpenVINO cannot run {file}. {cause(error)}") from None
        self._request = compiled.create_infer_request()

    def __call__(self, pictures: np.ndarray) -> Scores:
        results = self._request.infer([pictures]).values()
        # The request writes its next results over these.
        outputs = dict(zip(self._names, map(np.copy, results), strict=True))
        picture = outputs.pop(self._picture) if self._picture else None
        return scores_of(self._name, picture, outputs)


def _fit(model: openvino.Model, name: str, height: int, width: int, pixels: Pixels) -> str | None:
    """Give the model frames of one size as (1, H, W, 3) uint8, and its picture the same form.

    Returns the name of the output that is the picture, if there is one. Conversions become part
    of the graph.
    """
    import openvino
    from openvino import opset13 as op
    from openvino.preprocess import PrePostProcessor

    if len(model.inputs) != 1:
        raise UnusableModel(
            f"{name} takes {len(model.inputs)} inputs; a frame is one. Make constants of the rest."
        )
    entry = model.input(0)
    is_uint8 = entry.get_element_type() == openvino.Type.u8
    layout = input_layout(name, _shape(entry), is_uint8, height, width)
    sizes = {"N": 1, "C": 3, "H": height, "W": width}
    try:
        model.reshape([sizes[axis] for axis in layout])
    except RuntimeError as error:
        raise UnusableModel(
            f"{name} cannot take frames of {width}×{height}. {cause(error)}"
        ) from None

    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout(layout))
    if not is_uint8:
        convert = steps.input().preprocess()
        convert.convert_element_type(openvino.Type.f32)
        convert.mean(pixels.offset).scale(pixels.divisor)
        convert.convert_element_type(entry.get_element_type())

    forms = [picture_layout(_shape(output), height, width) for output in model.outputs]
    painted = next((index for index, form in enumerate(forms) if form), None)
    if painted is not None:
        result = steps.output(painted)
        result.model().set_layout(openvino.Layout(forms[painted]))
        if model.output(painted).get_element_type() != openvino.Type.u8:
            white = np.float32(255 / pixels.scale)

            def as_bytes(node: openvino.Output) -> openvino.Output:
                levels = op.multiply(op.convert(node, "f32"), white)
                return op.clamp(op.round(levels, "half_to_even"), 0.0, 255.0).output(0)

            result.postprocess().custom(as_bytes)
        result.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.build()
    return None if painted is None else _output_names(model)[painted]


def _shape(port: openvino.Output) -> list[int | None]:
    dimensions = port.get_partial_shape()
    if dimensions.rank.is_dynamic:
        return []
    return [None if each.is_dynamic else each.get_length() for each in dimensions]


def _output_names(model: openvino.Model) -> list[str]:
    """The outputs' names as the ONNX file has them."""
    return [
        min(output.get_names(), default=f"output_{index}")
        for index, output in enumerate(model.outputs)
    ]
