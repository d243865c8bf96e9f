"""Blobs that are read by ranges: which are fetched, and what may happen meanwhile."""

import re
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from stylejobs.storage.blob_errors import ObjectChanged
from stylejobs.storage.block_cache import BLOCK, BlockCache
from stylejobs.storage.store import StoreError
from stylejobs_tests.emulator import Emulator, Proxy

BIG = b"".join(bytes([n]) * BLOCK for n in range(7)) + b"the end"


class Blocks:
    """An object of ten small blocks' worth that notes what is fetched of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, blocks: int = 4) -> None:
        monkeypatch.setattr("stylejobs.storage.block_cache.BLOCK", 10)
        self.content = bytes(range(95))
        self.fetched: list[int] = []
        self.cache = BlockCache(blocks, ahead=2)
        self.read_at = self.reader()

    def reader(self, etag: str = "1") -> Callable[[int, int], bytes]:
        return self.cache.reader("work/a", etag, len(self.content), self._fetch)

    def _fetch(self, position: int, length: int) -> bytes:
        self.fetched.append(position // 10)
        return self.content[position : position + length]

    def settled(self) -> list[int]:
        """The blocks that were fetched, once all that was asked for has come."""
        for block in list(self.cache._blocks.values()):
            block.result()
        return sorted(self.fetched)


class TestBlocks:
    def test_whoever_reads_on_gets_it_ahead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        blocks = Blocks(monkeypatch)
        assert blocks.read_at(0, 99) == bytes(range(10))
        assert blocks.settled() == [0]
        assert blocks.read_at(10, 5) == bytes(range(10, 15))
        assert blocks.settled() == [0, 1, 2, 3]
        rest = b"".join(blocks.read_at(n, 10) for n in range(20, 95, 10))
        assert rest == blocks.content[20:]
        assert blocks.settled() == list(range(10))

    def test_whoever_jumps_gets_that_place_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        blocks = Blocks(monkeypatch)
        assert blocks.read_at(94, 10) == bytes([94])
        assert blocks.read_at(57, 10) == bytes([57, 58, 59])
        assert blocks.settled() == [5, 9]

    def test_what_is_kept_is_bounded_and_not_fetched_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        blocks = Blocks(monkeypatch, blocks=2)
        for position in (0, 55, 0, 59, 94, 0):
            blocks.read_at(position, 1)
        assert Counter(blocks.settled()) == {0: 2, 5: 1, 9: 1}

    def test_two_versions_are_kept_apart(self, monkeypatch: pytest.MonkeyPatch) -> None:
        blocks = Blocks(monkeypatch)
        blocks.read_at(0, 1)
        blocks.content = bytes(95)
        assert blocks.reader("2")(5, 1) == b"\0"

    def test_threads_share_a_block_that_is_on_its_way(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        blocks = Blocks(monkeypatch)
        threads = [threading.Thread(target=blocks.reader(), args=(0, 1)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert blocks.fetched == [0]


def ranges(proxy: Proxy) -> int:
    return sum(method == "GET" for method, _ in proxy.seen)


class TestBlobs:
    def test_only_what_is_asked_for_travels(self, account: Emulator, proxy: Proxy) -> None:
        store = account.store(url=proxy.url)
        account.store().write("inbox/a.mp4", BIG)
        with store.open_ranged("inbox/a.mp4") as file:
            assert (file.name, file.size) == ("a.mp4", len(BIG))
            with file.open() as reader:
                reader.seek(-3, 2)
                assert reader.read() == b"end"
                reader.seek(3 * BLOCK - 1)
                assert reader.read(2) == b"\2\3"
        assert ranges(proxy) == 6  # the end, 2 and 3, and what follows on 3
        with store.open_ranged("inbox/a.mp4") as file, file.open() as reader:
            assert reader.read() == BIG

    @pytest.mark.parametrize("fault", [503, 429, "drop"])
    def test_what_passes_is_tried_again(
        self, account: Emulator, proxy: Proxy, fault: int | str
    ) -> None:
        account.store().write("inbox/a", BIG)

        def at_times(method: str, path: str) -> int | str | None:
            # The first block comes alone, the others side by side.
            return fault if method == "GET" and ranges(proxy) in (1, 5) else None

        proxy.fault = at_times
        with account.store(url=proxy.url).open_ranged("inbox/a") as file, file.open() as reader:
            assert reader.read() == BIG

    def test_one_that_is_replaced_is_never_mixed(self, account: Emulator, proxy: Proxy) -> None:
        owner = account.store()
        owner.write("inbox/a", BIG)
        with (
            pytest.raises(ObjectChanged, match="inbox/a was replaced"),
            account.store(url=proxy.url).open_ranged("inbox/a") as file,
            file.open() as reader,
        ):
            assert reader.read(10) == BIG[:10]
            owner.write("inbox/a", BIG[::-1])
            reader.seek(5 * BLOCK)
            reader.read(10)

    def test_a_failure_that_the_reader_passes_over_is_told_in_the_end_and_not_tried_twice(
        self, account: Emulator, proxy: Proxy
    ) -> None:
        account.store().write("inbox/a", BIG)
        with (
            pytest.raises(StoreError, match="too busy to read inbox/a"),
            account.store(url=proxy.url).open_ranged("inbox/a") as file,
        ):
            proxy.fault = lambda method, path: 503
            for _ in range(3):
                with pytest.raises(StoreError):
                    file.read_at(0, 10)
            tried = ranges(proxy)
            assert tried == 6  # once, and five times again
            raise ValueError("what a demuxer makes of it")

    def test_one_that_is_not_there_is_named(self, account: Emulator) -> None:
        with (
            pytest.raises(StoreError, match=re.escape("inbox/a is not in")),
            account.store().open_ranged("inbox/a"),
        ):
            pass
