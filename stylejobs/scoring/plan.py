"""How much a GPU computes at once, and the turns that threads take at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, LifoQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stylejobs.scoring.lanes import Lane

_MOST_FRAMES = 16
_MOST_PIXELS = _MOST_FRAMES * 1280 * 720
# Elements a pixel of a whole picture on its way, for each channel of the first layer: 5.5 of
# feature maps where the last upsampling is widest, and as much again for what libraries take.
_ELEMENTS = 11
_SHARE_OF_FREE = 0.8


@dataclass(frozen=True)
class Plan:
    """How much is computed at once.

    Attributes:
        batch: pictures.
        lanes: batches, each on a stream of its own.
        strips: whether a picture is computed in strips of rows (see `strips`).
    """

    batch: int
    lanes: int
    strips: bool = False

    def smaller(self) -> Plan | None:
        """What to try when there is no room for this; None when there is nothing smaller."""
        if self.batch > 1:
            return Plan(self.batch // 2, self.lanes)
        if self.lanes > 1:
            return Plan(1, 1)
        return None if self.strips else Plan(1, 1, strips=True)


def plan_for(free_bytes: int, width: int, pixels: int) -> Plan:
    """As much at once as should fit on a GPU, in fp16.

    Args:
        width: channels of the network's first layer.
        pixels: of a picture.
    """
    fits = int(free_bytes * _SHARE_OF_FREE) // (_ELEMENTS * 2 * width * pixels)
    if fits < 1:
        return Plan(1, 1, strips=True)
    lanes = min(2, fits)
    return Plan(max(1, min(fits // lanes, _MOST_FRAMES, _MOST_PIXELS // pixels)), lanes)


class Lanes:
    """As many lanes as a plan has; each is made when it is first wanted, and kept.

    They outlive the threads that use them: an engine has new ones for every shard.
    """

    def __init__(self, plan: Plan, make: Callable[[Plan], Lane]) -> None:
        self.plan = plan
        self._make = make
        self._free: LifoQueue[Lane | None] = LifoQueue()
        for _ in range(plan.lanes):
            self._free.put(None)

    @contextmanager
    def one(self) -> Iterator[Lane]:
        """A lane for this thread alone, waiting for one if need be."""
        lane = self._free.get()
        try:
            if lane is None:
                lane = self._make(self.plan)
            yield lane
        finally:
            self._free.put(lane)

    def clear(self) -> None:
        """Let go of those that nobody uses."""
        idle = 0
        with suppress(Empty):
            while True:
                self._free.get_nowait()
                idle += 1
        for _ in range(idle):
            self._free.put(None)
