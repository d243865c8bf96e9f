"""What can be asked of a job beside its style; for any model that makes pictures.

Everything but ``steady`` is a function of one frame and its painted picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from stylejobs.scoring.errors import UnusableModel
from stylejobs.scoring.scorer import Scorer, Scores
from stylejobs.scoring.steady import FramePlan, SteadyBlend

if TYPE_CHECKING:
    import numpy as np

    from stylejobs.scoring.engine import Finish

# What is left of a warm-up's first frame when the piece begins: too little to see.
_LEFT = 0.05
MAX_STEADY = 0.8


class BadControls(UnusableModel):
    """A control has a value that it cannot have. The message is for people."""


def _unless(word: str, meaning: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: meaning if value == word else value)


Strength = Annotated[float, Field(ge=0, le=1)]
Colours = Literal["style", "source"]
Lines = Annotated[int | None, Field(ge=64), _unless("source", None)]
Steady = Annotated[float, Field(ge=0, le=MAX_STEADY), _unless("off", 0.0)]


class Controls(BaseModel):
    """How the paint is put on.

    Attributes:
        strength: of the style: 1 is all paint, 0 is the source.
        colours: ``style``, or ``source`` to keep the colours of the video: only light and dark
            are painted.
        lines: of the picture that is painted, on its shorter side; the result has the source's
            size. Unset (or ``source``), and where there are no more, it is painted as it is.
        steady: against flicker: how much of the frame before, moved along with the picture, is
            in each frame: 0 (or ``off``) to 0.8.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: Strength = 1.0
    colours: Colours = "style"
    lines: Lines = None
    steady: Steady = 0.0

    def with_wishes(self, wishes: Mapping[str, str]) -> Controls:
        """These controls, but for what somebody asked for, as text.

        Raises:
            BadControls: a value that the control cannot have.
        """
        try:
            return Controls.model_validate({**self.model_dump(), **wishes})
        except ValidationError as error:
            faults = "; ".join(
                f"{each['loc'][0]}={str(each['input'])[:40]!r}: {each['msg']}"
                for each in error.errors()
            )
            raise BadControls(f"The controls cannot be used ({faults}).") from None

    @property
    def facts(self) -> dict[str, Any]:
        """Those that are not as usual, by name."""
        return self.model_dump(exclude_defaults=True)

    @property
    def warm_up(self) -> int:
        """Frames that a piece's blend must see before its first, to be as if it had seen all."""
        return math.ceil(math.log(_LEFT) / math.log(self.steady)) if self.steady else 0

    def painted_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that frames of a height and a width are painted at."""
        shorter = min(height, width)
        if self.lines is None or self.lines >= shorter:
            return height, width
        return round(height * self.lines / shorter), round(width * self.lines / shorter)


LONGEST_WARM_UP = Controls(steady=MAX_STEADY).warm_up


class ShrinkingScorer:
    """Scores frames at another size than their own.

    Its pictures are of that size, ``height`` × ``width``, and so are places in its records.
    """

    def __init__(self, scorer: Scorer, height: int, width: int) -> None:
        self.device = scorer.device
        self.batch_size = scorer.batch_size
        self.workers = scorer.workers
        self._scorer = scorer
        self._size = height, width

    def __call__(self, pictures: np.ndarray) -> Scores:
        import numpy as np

        return self._scorer(np.stack([resized(picture, *self._size) for picture in pictures]))


def resized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB at another size, without moiré."""
    import cv2

    if picture.shape[:2] == (height, width):
        return picture
    is_smaller = height < picture.shape[0]
    how = cv2.INTER_AREA if is_smaller else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=how)


def finished(controls: Controls, source: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """A painted picture as it is delivered: of the source's size, in its colours and strength.

    Args:
        source, painted: (H, W, 3) uint8 RGB, not necessarily of one size.
    """
    import cv2

    picture = resized(painted, *source.shape[:2])
    if controls.colours == "source":
        shown = cv2.cvtColor(source, cv2.COLOR_RGB2YCrCb)
        shown[..., 0] = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)[..., 0]
        picture = cv2.cvtColor(shown, cv2.COLOR_YCrCb2RGB)
    if controls.strength < 1:
        share = controls.strength
        picture = cv2.addWeighted(picture, share, source, 1 - share, 0)
    return picture


def finishing(controls: Controls, plan: FramePlan) -> Finish | None:
    """What the engine is to do with the scored pictures of a plan's frames; None for nothing.

    Args:
        plan: with a warm-up of ``controls.warm_up``.
    """
    if controls == Controls():
        return None
    blend = SteadyBlend(controls.steady, plan) if controls.steady else None

    def finish(source: np.ndarray, painted: np.ndarray) -> np.ndarray:
        return finished(controls, source, blend(source, painted) if blend else painted)

    return finish
