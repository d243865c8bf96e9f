"""Any scorer, held to what the pipeline was promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stylejobs.scoring.errors import UnusableModel, cause
from stylejobs.scoring.scorer import Scorer, Scores

if TYPE_CHECKING:
    import numpy as np


class CheckedScorer:
    """Calls ``scorer`` and says in a sentence where it fails or gives what does not fit.

    Args:
        name: of the model, for the message.
        code: file of its source, if it has one: its line is named where it fails.
    """

    def __init__(
        self, scorer: Scorer, name: str, height: int, width: int, code: str | None = None
    ) -> None:
        self.device = scorer.device
        self.batch_size = scorer.batch_size
        self.workers = scorer.workers
        self._scorer = scorer
        self._name = name
        self._size = height, width
        self._code = code
        self._kind: tuple[bool, bool] | None = None

    def __call__(self, pictures: np.ndarray) -> Scores:
        try:
            scores = self._scorer(pictures)
        except (UnusableModel, OSError, MemoryError):
            raise  # explained already, or the machine's fault: another try may work
        except Exception as error:
            height, width = self._size
            raise UnusableModel(
                f"{self._name} failed on frames of {width}×{height}. {cause(error, self._code)}"
            ) from error
        fault = self._fault(scores, len(pictures))
        if fault:
            raise UnusableModel(f"{self._name} gives {fault}.")
        return scores

    def _fault(self, scores: object, count: int) -> str | None:
        if not isinstance(scores, Scores):
            return f"a {type(scores).__name__}, not Scores"
        pictures, records = scores.pictures, scores.records
        if pictures is None and records is None:
            return "neither pictures nor records"
        if pictures is not None:
            expected = (count, *self._size, 3)
            found = getattr(pictures, "shape", None), str(getattr(pictures, "dtype", None))
            if found != (expected, "uint8"):
                return f"pictures of {found[0]} {found[1]}, not {expected} uint8"
        if records is not None and len(records) != count:
            return f"{len(records)} records for {count} frames"
        kind = pictures is not None, records is not None
        self._kind = self._kind or kind
        if kind != self._kind:
            return "pictures for some frames and only records for others"
        return None
