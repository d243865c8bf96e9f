"""How still a painted video holds, and how sharp it is: figures, not opinions.

The warping error (Lai et al. 2018) compares each painted picture with an earlier one, moved along
the optical flow of the source: what moves with the picture is no error, what flickers is. Pixels
that come into view, and pairs with a scene cut between them, are left out. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from stylejobs.scoring.motion import FlowEstimator, agrees, enlarged, gray, is_cut, move, shrunk

if TYPE_CHECKING:
    import numpy as np

_LINES = 720  # flow is computed at, at most
_FEWEST = 0.05  # of a pair's pixels must be comparable
_NEIGHBOURS = 8


def warping_error(
    source: Sequence[np.ndarray], painted: Sequence[np.ndarray], step: int = 1
) -> float:
    """Mean squared error of painted pictures against those ``step`` frames before, moved along.

    Args:
        source, painted: consecutive frames, (H, W, 3) uint8 RGB, all of one size.
        step: 1 is the short-term error; 10 shows slow drift.

    Returns:
        In [0, 1]² units, averaged over the pixels of a pair that are seen in both frames, and
        over the pairs; NaN where no pair can be compared.
    """
    import numpy as np

    errors = [each for each in warping_errors(source, painted, step) if each is not None]
    return float(np.mean(errors)) if errors else float("nan")


def warping_errors(
    source: Sequence[np.ndarray], painted: Sequence[np.ndarray], step: int = 1
) -> list[float | None]:
    """The warping error of each pair (n, n + ``step``); None where there is nothing to compare.

    Raises:
        ValueError: not as many painted frames as source frames.
    """
    if len(source) != len(painted):
        raise ValueError(f"{len(source)} source frames, but {len(painted)} painted ones")
    cuts = {n for n in range(1, len(source)) if is_cut(source[n - 1], source[n])}
    flow = FlowEstimator()
    return [
        None
        if cuts & set(range(n + 1, n + step + 1))
        else _pair_error(flow, source[n], source[n + step], painted[n], painted[n + step])
        for n in range(len(source) - step)
    ]


def seam_ratio(
    source: Sequence[np.ndarray], painted: Sequence[np.ndarray], seams: Collection[int]
) -> float:
    """The warping error into the first frames of parts, over that of the pairs around them.

    Args:
        seams: numbers of the frames that a part painted by itself starts with; not 0.

    Returns:
        1.0 where seams cannot be told from other frames; NaN where none can be compared.
    """
    import numpy as np

    errors = warping_errors(source, painted)
    at, around = [], []
    for seam in seams:
        error = errors[seam - 1]
        near = range(max(0, seam - 1 - _NEIGHBOURS), min(len(errors), seam + _NEIGHBOURS))
        inside = [each for n in near if n + 1 not in seams and (each := errors[n]) is not None]
        if error is not None and inside:
            at.append(error)
            around.append(np.mean(inside))
    return float(np.sum(at) / np.sum(around)) if np.sum(around) else float("nan")


def sharpness(pictures: Sequence[np.ndarray]) -> float:
    """Mean length of the gradient of luma, in steps of 255 a pixel; to compare like with like.

    Args:
        pictures: (H, W, 3) uint8 RGB.
    """
    import cv2
    import numpy as np

    def of(picture: np.ndarray) -> float:
        luma = gray(picture)
        across = cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=1 / 8)
        down = cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=1 / 8)
        return float(cv2.magnitude(across, down).mean())

    return float(np.mean([of(picture) for picture in pictures]))


def _pair_error(
    flow: FlowEstimator,
    before: np.ndarray,
    after: np.ndarray,
    painted_before: np.ndarray,
    painted_after: np.ndarray,
) -> float | None:
    import cv2
    import numpy as np

    height, width = after.shape[:2]
    old, new = (gray(shrunk(picture, _LINES)) for picture in (before, after))
    back = flow(new, old)
    seen = agrees(back, flow(old, new))
    if seen.mean() < _FEWEST:
        return None
    nearest = cv2.INTER_NEAREST
    seen = cv2.resize(seen.astype(np.uint8), (width, height), interpolation=nearest) > 0
    moved = move(painted_before, enlarged(back, height, width)).astype(np.float32)
    return float((((painted_after - moved) / 255) ** 2)[seen].mean())
