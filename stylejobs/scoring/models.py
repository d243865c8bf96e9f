"""Models of the operator's: which there are is said in the settings, never in the store.

A model's file is code, or as good as code; people who may upload videos and style weights must
not be able to bring any.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, model_validator

from stylejobs.scoring.backends import Device
from stylejobs.scoring.checked import CheckedScorer
from stylejobs.scoring.entry_point import entry_point_version, is_entry_point, load_entry_point
from stylejobs.scoring.errors import UnusableModel
from stylejobs.scoring.scorer import Scorer
from stylejobs.scoring.tensors import Pixels
from stylejobs.scoring.weights import file_digest, shipped_styles

_ONNX, _TORCH = (".onnx",), (".pt2", ".ts", ".pt")
FILES = _ONNX + _TORCH
_KINDS = (
    "package.module:factory, or a file .onnx (ONNX), .pt2 (torch.export), .ts or .pt (TorchScript)"
)

Precision = Literal["auto", "bf16", "f32"]


class Model(Pixels):
    """A model that is not a style; just the text of ``model``, or an object with options.

    Attributes:
        model: ``package.module:factory``, called with a frame's height and width for a `Scorer`;
            or the path of an ONNX file, of one that torch.export saved (``.pt2``), or of
            TorchScript (``.ts``, ``.pt``). `tensors` says what files must take and give.
        scale, mean, std: see `Pixels`; only for files.
        precision: of ONNX: ``bf16``, ``f32`` or ``auto``: bf16 for models that only make
            pictures, where the CPU has it.

    Raises:
        pydantic.ValidationError: no such kind of model, or an option that it does not have.
    """

    model: str
    precision: Precision = "auto"

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, data: Any) -> Any:
        return {"model": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _is_known(self) -> Model:
        options = self.model_fields_set - {"model"}
        if not self.is_file and not is_entry_point(self.model):
            raise ValueError(f"{self.model!r} is no model: give {_KINDS}")
        if not self.is_file and options:
            raise ValueError(f"{min(options)} is for model files; {self.model} makes its own input")
        if self.suffix not in _ONNX and "precision" in options:
            raise ValueError("precision is for ONNX files")
        return self

    def __str__(self) -> str:
        return self.model

    @property
    def suffix(self) -> str:
        return Path(self.model).suffix.lower()

    @property
    def is_file(self) -> bool:
        return self.suffix in FILES

    @property
    def name(self) -> str:
        """A short name for results: the file's, or the module's."""
        module = self.model.partition(":")[0].rpartition(".")[2]
        return Path(self.model).stem if self.is_file else module

    def version(self) -> str:
        """Changes with the options, and with the content of the file or the factory's module.

        ONNX weights outside of the file count where they have its name and ``.data`` or
        ``_data`` after it, as exporters name them.

        Raises:
            UnusableModel: it is not there.
        """
        options = repr(sorted(self.model_dump(exclude={"model"}).items()))
        if not self.is_file:
            return f"{entry_point_version(self.model)} {options}"
        if not Path(self.model).is_file():
            raise UnusableModel(f"{self.model} is not there. Put it back, or correct its path.")
        outside = (Path(f"{self.model}{end}") for end in (".data", "_data"))
        files = [Path(self.model), *(file for file in outside if file.is_file())]
        return " ".join([*map(file_digest, files), options])

    def scorer(self, height: int, width: int, device: Device = "auto") -> Scorer:
        """The model, made ready for frames of ``height`` × ``width``.

        Args:
            device: for programs of torch; ONNX runs on the CPU, and a factory decides itself.

        Raises:
            UnusableModel: it cannot be loaded, run here, or given such frames.
        """
        if not self.is_file:
            return load_entry_point(self.model, height, width)
        file = Path(self.model)
        if not file.is_file():
            raise UnusableModel(f"{self.model} is not there. Put it back, or correct its path.")
        scorer: Scorer
        if self.suffix in _ONNX:
            if device == "cuda":
                raise UnusableModel(
                    f"{file.name} runs on the CPU, through OpenVINO. Choose the device 'auto' or"
                    " 'cpu', or export the model to .pt2."
                )
            from stylejobs.scoring.onnx_model import OnnxScorer

            scorer = OnnxScorer(file, height, width, self, self.precision)
        else:
            from stylejobs.scoring.exported import ExportedScorer

            scorer = ExportedScorer(file, height, width, device, self)
        return CheckedScorer(scorer, file.name, height, width)


def _pairs(value: Any) -> Any:
    """A mapping, or the text of a JSON object, as pairs: settings must be hashable."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"is no JSON object of names and models: {error}") from None
    return tuple(value.items()) if isinstance(value, Mapping) else value


def _well_named(models: tuple[tuple[str, Model], ...]) -> tuple[tuple[str, Model], ...]:
    for name, _ in models:
        if not name.isprintable() or "/" in name or name.startswith(".") or not name:
            raise ValueError(f"{name!r} cannot be the name of a folder in the inbox")
        if name in shipped_styles():
            raise ValueError(f"{name!r} is a shipped style: give the model another name")
    return models


# With the name of its folder in the inbox, each; the environment has them as a JSON object.
Models = Annotated[
    tuple[tuple[str, Model], ...], BeforeValidator(_pairs), AfterValidator(_well_named)
]
