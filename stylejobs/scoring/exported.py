"""Programs that torch exported, ``.pt2`` and TorchScript. See ``tensors`` for what they take."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylejobs.scoring.cpus import usable_cpus
from stylejobs.scoring.errors import UnusableModel, cause
from stylejobs.scoring.scorer import Scores
from stylejobs.scoring.tensors import Layout, Pixels, input_layout, picture_layout, scores_of

if TYPE_CHECKING:
    import numpy as np
    import torch

    from stylejobs.scoring.backends import Device


class ExportedScorer:
    """Scores frames of one size, one at a time.

    A TorchScript file does not say what it takes: it gets (1, 3, H, W) float32. Outputs are a
    tensor, a tuple of tensors (``output_0``, ``output_1`` …) or a mapping of names to tensors.

    Args:
        device: ``auto`` is CUDA where there is a GPU.

    Raises:
        UnusableModel: no readable program, or it does not fit the frames or this machine.
    """

    batch_size = 1
    workers = 1

    def __init__(
        self, file: Path, height: int, width: int, device: Device, pixels: Pixels | None = None
    ) -> None:
        import torch

        pixels = pixels or Pixels()
        self._torch = torch
        self._name = file.name
        self._size = height, width
        has_cuda = torch.cuda.is_available()
        if device == "cuda" and not has_cuda:
            raise UnusableModel("No CUDA device is available here; choose the device 'cpu'.")
        self._device = torch.device("cpu" if device == "cpu" or not has_cuda else "cuda")
        if self._device.type == "cpu":
            torch.set_num_threads(usable_cpus())  # torch does not look at the cgroup's quota
        load = _load_program if file.suffix.lower() == ".pt2" else _load_script
        self._program, self._dtype, self._layout = load(file, height, width, self._device)
        self._offset = torch.tensor(pixels.offset, device=self._device)
        self._divisor = torch.tensor(pixels.divisor, device=self._device)
        self._white = 255 / pixels.scale
        on_cuda = self._device.type == "cuda"
        where = torch.cuda.get_device_name(self._device) if on_cuda else "CPU"
        self.device = f"{where} (torch, exported)"

    def __call__(self, pictures: np.ndarray) -> Scores:
        torch = self._torch
        with torch.inference_mode():
            x = torch.from_numpy(pictures).to(self._device)
            if self._dtype != torch.uint8:
                x = ((x.float() - self._offset) / self._divisor).to(self._dtype)
            if self._layout == "NCHW":
                x = x.permute(0, 3, 1, 2).contiguous()
            outputs = self._named(self._program(x))
            picture = None
            data = {}
            for name, output in outputs.items():
                layout = picture_layout(output.shape, *self._size)
                if layout and picture is None:
                    picture = self._as_picture(output, layout)
                else:
                    # numpy has no bfloat16.
                    value = output.float() if output.dtype == torch.bfloat16 else output
                    data[name] = value.cpu().numpy()
            return scores_of(self._name, picture, data)

    def _as_picture(self, output: torch.Tensor, layout: Layout) -> np.ndarray:
        if layout == "NCHW":
            output = output.permute(0, 2, 3, 1)
        if output.dtype != self._torch.uint8:
            levels = (output.float() * self._white).round().clamp(0, 255)
            output = levels.to(self._torch.uint8)
        return output.contiguous().cpu().numpy()

    def _named(self, outputs: Any) -> Mapping[str, torch.Tensor]:
        if isinstance(outputs, self._torch.Tensor):
            return {"output": outputs}
        if isinstance(outputs, tuple | list):
            names = getattr(outputs, "_fields", None) or [
                f"output_{n}" for n in range(len(outputs))
            ]
            outputs = dict(zip(names, outputs, strict=True))
        if isinstance(outputs, Mapping):
            wrong = [n for n, each in outputs.items() if not isinstance(each, self._torch.Tensor)]
            if not wrong:
                return outputs
        raise UnusableModel(
            f"{self._name} gives something else than tensors. Export it with a tensor, a tuple of"
            " tensors or a mapping of names to tensors as its result."
        )


_Loaded = tuple[Callable[..., Any], "torch.dtype", Layout]


def _load_program(file: Path, height: int, width: int, device: torch.device) -> _Loaded:
    import torch
    from torch.export.passes import move_to_device_pass

    # torch logs several tracebacks before it raises for a file that is none of its own.
    if not zipfile.is_zipfile(file):
        raise UnusableModel(f"{file} is no program that torch.export saved.")
    try:
        program = torch.export.load(file)
    except Exception as error:  # of many kinds, for a file of another version or purpose
        raise UnusableModel(f"torch.export cannot load {file}. {cause(error)}") from None
    inputs = program.graph_signature.user_inputs
    if len(inputs) != 1:
        raise UnusableModel(
            f"{file.name} takes {len(inputs)} inputs; a frame is one. Make constants of the rest."
        )
    (entry,) = (node for node in program.graph.nodes if node.name == inputs[0])
    value = entry.meta["val"]
    shape = [n if isinstance(n, int) else None for n in value.shape]
    layout = input_layout(file.name, shape, value.dtype == torch.uint8, height, width)
    return move_to_device_pass(program, device).module(), value.dtype, layout


def _load_script(file: Path, height: int, width: int, device: torch.device) -> _Loaded:
    import torch

    del height, width  # the file does not say what it takes
    try:
        with warnings.catch_warnings():
            # torch recommends torch.export for new programs; people have these.
            warnings.simplefilter("ignore", DeprecationWarning)
            script = torch.jit.load(file, map_location=device).eval()
    except Exception as error:
        raise UnusableModel(f"{file} is no TorchScript program. {cause(error)}") from None
    return script, torch.float32, "NCHW"
