"""Against flicker: each painted picture is mixed with the one before, moved along.

The optical flow is that of the source frames, which do not flicker. Where it cannot be trusted, or
the source itself has changed, and after a scene cut, the new picture stays as it is.

A piece of a video is painted by itself, by whichever run, and must come out the same: its blend
begins some frames before it, with pictures that are not kept. What the first of them adds to the
piece is too little to see, so that the seam does not show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from stylejobs.scoring.motion import FlowEstimator, agrees, enlarged, gray, is_cut, move, shrunk

if TYPE_CHECKING:
    import numpy as np

_LINES = 360  # flow is computed at, at most
# How far colours of the source may be from those they came from, as parts of full scale.
_TOLERANCE = 0.1
_SOFTNESS = 1.0  # pixels
# Of the fine detail that the mean of several pictures lacks, so much is given back.
_DETAIL, _MOST_GAIN = 0.93, 1.8
_FINE = 1.5  # pixels


@dataclass(frozen=True)
class FramePlan:
    """Which frames to score for some pieces of a video, by their numbers.

    Attributes:
        pieces: ranges of the video's frames, in order.
        warm_up: how many frames before each are scored too, and not kept; there are fewer at the
            video's start.
    """

    pieces: Sequence[range]
    warm_up: int = 0

    @cached_property
    def frames(self) -> Sequence[int]:
        """The frames to score, in order."""
        wanted = {n for piece in self.pieces for n in self.seen_by(piece)}
        return sorted(wanted)

    def seen_by(self, piece: range) -> range:
        return range(max(0, piece.start - self.warm_up), piece.stop)

    def for_kept(self, call: Callable[..., None]) -> Callable[..., None]:
        """A function that, called for one frame after the other, calls ``call`` for the kept."""
        kept = {n for piece in self.pieces for n in piece}
        numbers = iter(self.frames)

        def called(*arguments: object) -> None:
            if next(numbers) in kept:
                call(*arguments)

        return called


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
    """Takes the frames of a plan one by one.

    Args:
        share: of the picture before, 0 to 1.
    """

    def __init__(self, share: float, plan: FramePlan) -> None:
        self._share = share
        self._plan = plan
        self._numbers = iter(plan.frames)
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
        number = self._seen.number
        begun = [piece for piece in self._plan.pieces if number in self._plan.seen_by(piece)]
        self._made = {piece: self._mixed(painted, self._made.get(piece), motion) for piece in begun}
        for piece in begun:
            if number in piece:
                made = self._made[piece]
                shown = made if motion is None else _sharpened(made, painted, motion.trust)
                return np.rint(shown).clip(0, 255).astype(np.uint8)
        return picture

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
        red, green, blue = cv2.split(cv2.absdiff(now.small, move(before.small, flow)))
        apart = cv2.max(cv2.max(red, green), blue)
        trusted = agrees(flow, self._flow(before.gray, now.gray)) & (apart < 255 * _TOLERANCE)
        # The edges of what is trusted are soft, or they would show.
        soft = cv2.resize(trusted.astype(np.float32), (width, height))
        trust = cv2.GaussianBlur(soft, (0, 0), _SOFTNESS)[..., None]
        return _Motion(enlarged(flow, height, width), trust)


def _sharpened(made: np.ndarray, painted: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """A mixed picture with nearly as much fine detail as the painted one has.

    What is mixed into the next frame is the picture without this: gains would multiply.
    """
    import cv2
    import numpy as np

    def detail(picture: np.ndarray) -> np.ndarray:
        return trust * (picture - cv2.GaussianBlur(picture, (0, 0), _FINE))

    mixed = detail(made)
    kept, there = (cv2.norm(each, cv2.NORM_L1) for each in (mixed, detail(painted)))
    gain = min(max(_DETAIL * there / max(kept, 1.0), 1.0), _MOST_GAIN)
    return made + np.float32(gain - 1) * mixed
