"""What model files agree on: how frames go in, and which outputs are pictures.

A model file (ONNX, exported program) has one input, a batch of RGB pictures of four dimensions.
Its layout is read off the file: where the 3 stands, (N, 3, H, W) or (N, H, W, 3). Is it uint8,
it gets the pixels as they are; otherwise ``Pixels`` says which numbers it gets. It is called
with one frame at a time, N = 1.

An output of the input's N, H and W and with 3 channels, in either layout, is a picture; floats
have the input's scale. Any other output is an entry of the frame's record, under its name.
Every output's first dimension is N; it is left out of the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stylejobs.scoring.errors import UnusableModel
from stylejobs.scoring.scorer import Scores

if TYPE_CHECKING:
    import numpy as np

Layout = Literal["NCHW", "NHWC"]
Shape = Sequence[int | None]  # None for a dimension that may have any size
Triple = tuple[float, float, float]


class Pixels(BaseModel):
    """The numbers that a model has for colours, where its input is not uint8.

    It gets (p × scale / 255 − mean) / std of each channel's p, 0 to 255; its pictures go from 0
    to ``scale``.

    Attributes:
        scale: the number for white: 255, or 1.
        mean, std: of the channels R, G, B, in that scale.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: float = Field(default=255.0, gt=0)
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)

    @model_validator(mode="after")
    def _divides(self) -> Pixels:
        if min(self.std) <= 0:
            raise ValueError("each std must be more than 0")
        return self

    @property
    def offset(self) -> list[float]:
        """What to take off pixels of 0 to 255, by channel."""
        return [mean * 255 / self.scale for mean in self.mean]

    @property
    def divisor(self) -> list[float]:
        """What to divide them by after that, by channel."""
        return [std * 255 / self.scale for std in self.std]


def input_layout(name: str, shape: Shape, is_uint8: bool, height: int, width: int) -> Layout:
    """The layout of a model's input.

    Args:
        name: of the model's file, for the message.

    Raises:
        UnusableModel: it is no batch of pictures, or of others than one of ``height`` × ``width``.
    """
    found = _with_channels(shape, 3) or _with_channels(shape, None)
    if not found:
        raise UnusableModel(
            f"{name} takes {_spelled(shape)}. Export it with an input of (N, 3, H, W) or"
            " (N, H, W, 3)."
        )
    # Where the file does not say, floats are taken for torch's layout, bytes for that of files.
    layout = found[-1] if is_uint8 else found[0]
    batch, rows, columns = (shape[layout.index(axis)] for axis in "NHW")
    if rows not in (None, height) or columns not in (None, width):
        raise UnusableModel(
            f"{name} takes pictures of {columns or 'any'}×{rows or 'any'}, and the frames have"
            f" {width}×{height}. Export it with a dynamic height and width, or resize inside it."
        )
    if batch not in (None, 1):
        raise UnusableModel(
            f"{name} takes {batch} frames at a time. Export it with a dynamic batch, or one of 1."
        )
    return layout


def picture_layout(shape: Shape, height: int, width: int) -> Layout | None:
    """The layout of an output that is a picture of ``height`` × ``width``; None if it is none."""
    sizes = {"N": 1, "C": 3, "H": height, "W": width}
    for layout in _with_channels(shape, 3):
        if all(n in (None, sizes[axis]) for n, axis in zip(shape, layout, strict=True)):
            return layout
    return None


def scores_of(name: str, picture: np.ndarray | None, data: Mapping[str, np.ndarray]) -> Scores:
    """One frame's scores from a model's outputs.

    Args:
        name: of the model's file, for the message.
        picture: (1, H, W, 3) uint8.
        data: the other outputs by name, each of (1, …), or a single number.

    Raises:
        UnusableModel: an output's first dimension is not the frame's.
    """
    for output, value in data.items():
        if value.shape[:1] not in ((), (1,)):
            raise UnusableModel(
                f"{name} gives '{output}' of {_spelled(value.shape)} for one frame. Let every"
                " output's first dimension be the batch's."
            )
    record = {output: value[0] if value.ndim else value for output, value in data.items()}
    return Scores(picture, [record] if data else None)


def _with_channels(shape: Shape, channels: int | None) -> list[Layout]:
    """The layouts in which ``shape`` has that many channels."""
    layouts: tuple[Layout, ...] = ("NCHW", "NHWC")
    return [each for each in layouts if len(shape) == 4 and shape[each.index("C")] == channels]


def _spelled(shape: Shape) -> str:
    return f"({', '.join('?' if n is None else str(n) for n in shape)})"
