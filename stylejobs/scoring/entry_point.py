"""Models that are Python: a factory ``package.module:name``, called with a frame's size.

::

    def create(height: int, width: int) -> Scorer: ...
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stylejobs.scoring.checked import CheckedScorer
from stylejobs.scoring.errors import UnusableModel, cause
from stylejobs.scoring.scorer import Scorer

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def is_entry_point(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def entry_point_version(entry_point: str) -> str:
    """Changes with the module's source and with the version of the distribution of its package.

    The module itself is not imported: that may take long.

    Raises:
        UnusableModel: there is no such module.
    """
    module = entry_point.partition(":")[0]
    try:
        spec = importlib.util.find_spec(module)  # imports the packages that the module is in
    except Exception as error:
        raise UnusableModel(f"{entry_point} cannot be found. {cause(error)}") from None
    if spec is None:
        raise _no_module(entry_point)
    source = Path(spec.origin).read_bytes() if spec.has_location and spec.origin else b""
    try:
        release = version(module.partition(".")[0])
    except PackageNotFoundError:
        release = ""
    return f"{entry_point} {release} {hashlib.sha256(source).hexdigest()}"


def load_entry_point(entry_point: str, height: int, width: int) -> Scorer:
    """Call the factory.

    Raises:
        UnusableModel: it is missing, raises, or gives no `Scorer`.
    """
    name, _, attribute = entry_point.partition(":")
    try:
        module = importlib.import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise _no_module(entry_point) from None
        raise UnusableModel(f"{name} cannot be imported. {cause(error)}") from error
    factory: object = module
    for part in attribute.split("."):
        factory = getattr(factory, part, None)
    if not callable(factory):
        raise UnusableModel(f"{name} has no function '{attribute}' to make a scorer with.")
    try:
        scorer = factory(height, width)
    except (UnusableModel, OSError, MemoryError):
        raise
    except Exception as error:
        raise UnusableModel(
            f"{entry_point} failed for frames of {width}×{height}. {cause(error, module.__file__)}"
        ) from error
    wrong = _unlike_a_scorer(scorer)
    if wrong:
        raise UnusableModel(
            f"{entry_point} gives a {type(scorer).__name__}, which is no scorer: {wrong}. See"
            " stylejobs.scoring.scorer.Scorer."
        )
    return CheckedScorer(scorer, entry_point, height, width, module.__file__)


def _no_module(entry_point: str) -> UnusableModel:
    return UnusableModel(
        f"There is no module {entry_point.partition(':')[0]!r}. Install it beside stylejobs, or"
        " add its folder to PYTHONPATH."
    )


def _unlike_a_scorer(scorer: object) -> str | None:
    """What is missing, for people."""
    if not callable(scorer):
        return "it cannot be called"
    if not isinstance(getattr(scorer, "device", None), str):
        return "it has no text 'device'"
    for name in ("batch_size", "workers"):
        number = getattr(scorer, name, None)
        if not isinstance(number, int) or number < 1:
            return f"it has no '{name}' of 1 or more"
    return None
