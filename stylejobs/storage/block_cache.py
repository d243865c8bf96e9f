"""Ranges of objects in memory: read ahead where somebody reads on, forgotten when others come."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

BLOCK = 4 * 2**20

Fetch = Callable[[int, int], bytes]  # position and length to content
_Key = tuple[str, str, int]  # path, etag, number


class BlockCache:
    """Blocks of the objects of a store, the oldest of which go.

    Args:
        blocks: how many are kept at most.
        ahead: how many are fetched before they are asked for, side by side.
    """

    def __init__(self, blocks: int = 16, ahead: int = 3) -> None:
        self._most = blocks
        self._ahead = ahead
        self._blocks: OrderedDict[_Key, Future[bytes]] = OrderedDict()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(ahead + 1, "blocks")

    def reader(self, path: str, etag: str, size: int, fetch: Fetch) -> Fetch:
        """As ``fetch``, for an object of ``size`` bytes, but by way of the cache."""
        last = -1

        def read_at(position: int, length: int) -> bytes:
            nonlocal last
            number, start = divmod(position, BLOCK)
            # Whoever jumps to a place may want no more of it; whoever reads on wants the next.
            ahead = self._ahead if number == last + 1 and number else 0
            if number != last:
                end = min(number + ahead, (size - 1) // BLOCK)
                for following in range(number, end + 1):
                    self._order((path, etag, following), size, fetch)
            last = number
            content = self._order((path, etag, number), size, fetch).result()
            return content[start : start + length]

        return read_at

    def _order(self, key: _Key, size: int, fetch: Fetch) -> Future[bytes]:
        position = key[2] * BLOCK
        with self._lock:
            block = self._blocks.get(key)
            if block is None or (block.done() and block.exception()):
                block = self._pool.submit(fetch, position, min(BLOCK, size - position))
                self._blocks[key] = block
            self._blocks.move_to_end(key)
            while len(self._blocks) > self._most:
                self._blocks.popitem(last=False)
            return block
