"""Against flicker: each painted picture is mixed with the one before, moved along.

The optical flow is that of the source frames, which do not flicker. Where it cannot be trusted, or
the source itself has changed, and after a scene cut, the new picture stays as it is.

A piece of a video is painted by itself, by whichever run, and must come out the same: its blend
begins ``warm_up`` frames before it, with pictures that are not kept. What the first of them adds
to the piece is too little to see, so that the seam does not show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from stylejobs.scoring.motion import FlowEstimator, agrees, enlarged, gray, is_cut, move, shrunk

if TYPE_CHECKING:
    import numpy as np

_LINES = 360  # flow is computed at, at most
# How far colours of the source may be from those they came from, as parts of full scale.
_TOLERANCE = 0.1
_SOFTNESS = 1.0  # pixels


def warmed_up(pieces: Sequence[range], warm_up: int) -> list[int]:
    """The frames to score for ``pieces`` of a video, in order: theirs, and those to warm up.

    There are fewer of the latter at the video's start.
    """
    wanted: set[int] = set()
    for piece in pieces:
        wanted.update(range(max(0, piece.start - warm_up), piece.stop))
    return sorted(wanted)


class _Seen(NamedTuple):
    """A source frame: its number, and what flow is computed from."""

    number: int
    small: np.ndarray
    gray: np.ndarray


class _Motion(NamedTuple):
    """From a frame to the one before: the flow, and how far it is trusted, 0 to 1, (h, w, 1)."""

    flow: np.ndarray
    trust: np.ndarray


class SteadyBlend:
    """Takes the frames that `warmed_up` names, one by one.

    Args:
        share: of the picture before, 0 to 1.
        warm_up: how many frames before a piece its blend begins.
        pieces: ranges of the video's frames, in order.
    """

    def __init__(self, share: float, warm_up: int, pieces: Sequence[range]) -> None:
        self._share = share
        self._warm_up = warm_up
        self._pieces = pieces
        self._numbers = iter(warmed_up(pieces, warm_up))
        self._flow = FlowEstimator("fast")
        self._seen: _Seen | None = None
        # What each piece that has begun made of the frame before, float32.
        self._made: dict[range, np.ndarray] = {}

    def __call__(self, source: np.ndarray, picture: np.ndarray) -> np.ndarray:
        """The next frame's picture, steadied; a frame that only warms up comes back as it is.

        Args:
            source, picture: (H, W, 3) uint8 RGB, not necessarily of one size.
        """
        import numpy as np

        small = shrunk(source, _LINES)
        before, self._seen = self._seen, _Seen(next(self._numbers), small, gray(small))
        motion = self._motion(before, self._seen, *picture.shape[:2]) if before else None
        painted = picture.astype(np.float32)
        begun = [piece for piece in self._pieces if self._is_at_work(piece, self._seen.number)]
        self._made = {piece: self._mixed(painted, self._made.get(piece), motion) for piece in begun}
        for piece in begun:
            if self._seen.number in piece:
                return np.rint(self._made[piece]).clip(0, 255).astype(np.uint8)
        return picture

    def _is_at_work(self, piece: range, number: int) -> bool:
        return piece.start - self._warm_up <= number < piece.stop

    def _mixed(
        self, painted: np.ndarray, last: np.ndarray | None, motion: _Motion | None
    ) -> np.ndarray:
        import cv2

        if last is None or motion is None:
            return painted
        # Cubic: linear interpolation, frame after frame, would blur.
        moved = move(last, motion.flow, cv2.INTER_CUBIC)
        return painted + self._share * motion.trust * (moved - painted)

    def _motion(self, before: _Seen, now: _Seen, height: int, width: int) -> _Motion | None:
        """For pictures of ``height`` × ``width``; None where the frames do not follow."""
        import cv2
        import numpy as np

        if before.number + 1 != now.number or is_cut(before.small, now.small):
            return None
        flow = self._flow(now.gray, before.gray)
        apart = np.abs(now.small.astype(np.int16) - move(before.small, flow)).max(-1)
        trusted = agrees(flow, self._flow(before.gray, now.gray)) & (apart < 255 * _TOLERANCE)
        # The edges of what is trusted are soft, or they would show.
        soft = cv2.resize(trusted.astype(np.float32), (width, height))
        trust = cv2.GaussianBlur(soft, (0, 0), _SOFTNESS)[..., None]
        return _Motion(enlarged(flow, height, width), trust)
