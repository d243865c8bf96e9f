"""What can be wrong with a model. Each message is one that its owner can read."""

from __future__ import annotations

import traceback
from pathlib import Path

_LONGEST_CAUSE = 300


class UnusableModel(Exception):
    """The model cannot be loaded, does not fit the frames, or gives what nobody can use.

    The message is for people: which model, what is wrong, what to do.
    """


def cause(error: BaseException, code: str | None = None) -> str:
    """What a model's own code or its runtime raised, in one line.

    Args:
        code: file of the model's source; the line in it where the error came from is named.
    """
    # OpenVINO and TorchScript say what matters at the end of many lines.
    lines = [line for line in str(error).splitlines() if line.strip()]
    kind = type(error).__name__
    text = f"{kind}: {lines[-1].strip().removeprefix(f'{kind}: ')}" if lines else kind
    text = text if len(text) <= _LONGEST_CAUSE else f"{text[:_LONGEST_CAUSE]}…"
    steps = traceback.extract_tb(error.__traceback__)
    where = next((step for step in reversed(steps) if step.filename == code), None)
    return f"{text} ({Path(where.filename).name}, line {where.lineno})" if where else text
