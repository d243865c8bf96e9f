"""How the pictures of a video move: optical flow, where it can be trusted, and scene cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Preset = Literal["ultrafast", "fast", "medium"]

# Ruder et al. 2016: a flow and the flow back may differ by a part of their lengths, and a bit.
_TOLERANCE, _SLACK = 0.01, 0.5

_SMALL = (128, 72)  # what scenes are told apart at, pixels across and down
# Tried on six clips: the faintest of eight cuts has 0.09 and 0.23; a scene at most 0.06 and 0.26.
_CUT_PLACES, _CUT_COLOURS = 0.06, 0.2


class FlowEstimator:
    """Dense inverse search (Kroeger et al. 2016); the same pictures give the same flow."""

    def __init__(self, preset: Preset = "medium") -> None:
        import cv2

        presets = {
            "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
            "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
            "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
        }
        self._search = cv2.DISOpticalFlow.create(presets[preset])

    def __call__(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Where each pixel of ``start`` is found in ``end``.

        Args:
            start, end: (h, w) uint8.

        Returns:
            (h, w, 2) float32, in pixels to the right and down.
        """
        return self._search.calc(start, end, None)  # type: ignore[call-overload]


def agrees(flow: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Where ``flow`` leads to a place inside from which ``back`` leads here again: (h, w) bool.

    Elsewhere something comes into view or goes out of it, or the flow is wrong.
    """

    height, width = flow.shape[:2]
    x, y = targets(flow)
    returned = move(back, flow)
    apart = _squared(flow + returned)
    lengths = _squared(flow) + _squared(returned)
    inside: np.ndarray = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside & (apart <= _TOLERANCE * lengths + _SLACK)


def _squared(flow: np.ndarray) -> np.ndarray:
    """The square of each vector's length."""
    x, y = flow[..., 0], flow[..., 1]  # numpy is slow at sums over so few
    return x * x + y * y


def enlarged(flow: np.ndarray, height: int, width: int) -> np.ndarray:
    """A flow for pictures of another size."""
    import cv2
    import numpy as np

    h, w = flow.shape[:2]
    if (h, w) == (height, width):
        return flow
    factors = np.array([width / w, height / h], np.float32)
    return cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR) * factors


def shrunk(picture: np.ndarray, lines: int) -> np.ndarray:
    """A picture, (H, W, 3) uint8 RGB, with a shorter side of at most ``lines``."""
    import cv2

    height, width = picture.shape[:2]
    scale = lines / min(height, width)
    if scale >= 1:
        return picture
    size = round(width * scale), round(height * scale)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def gray(picture: np.ndarray) -> np.ndarray:
    """Luma of (H, W, 3) uint8 RGB, as (H, W) uint8."""
    import cv2

    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def targets(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows that the pixels are led to, (h, w) float32 each."""
    import numpy as np

    height, width = flow.shape[:2]
    columns = np.arange(width, dtype=np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    return flow[..., 0] + columns, flow[..., 1] + rows


def move(picture: np.ndarray, flow: np.ndarray, interpolation: int | None = None) -> np.ndarray:
    """``picture`` as it is at the places that ``flow`` leads to; of the same height and width.

    Args:
        interpolation: one of OpenCV's; by default linear.
    """
    import cv2

    x, y = targets(flow)
    how = cv2.INTER_LINEAR if interpolation is None else interpolation
    return cv2.remap(picture, x, y, how, borderMode=cv2.BORDER_REPLICATE)


def is_cut(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether a new scene begins with ``after``, as these two frames alone tell.

    At a cut both change: what is where, and which colours there are. A pan changes only the
    first, and neither changes much between two frames of one scene.

    Args:
        before, after: consecutive frames, (H, W, 3) uint8 RGB.
    """
    import numpy as np

    old, new = _small(before), _small(after)
    places = np.abs(new.astype(np.int16) - old).mean() / 255
    colours = np.abs(_histogram(new) - _histogram(old)).sum() / 2
    return bool(places > _CUT_PLACES and colours > _CUT_COLOURS)


def _small(picture: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.resize(picture, _SMALL, interpolation=cv2.INTER_AREA)


def _histogram(picture: np.ndarray) -> np.ndarray:
    """The share of the pixels in each of 512 boxes of RGB."""
    import cv2

    counts = cv2.calcHist([picture], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3)
    return counts / counts.sum()
