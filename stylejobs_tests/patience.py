"""Waiting for what other processes do."""

import time
from collections.abc import Callable

import pytest

SECONDS = 300.0
# Tests that start Dagster's own processes: one at a time, where several workers run tests.
one_at_a_time = pytest.mark.xdist_group("live")


def until(
    happened: Callable[[], object],
    what: str,
    every: float = 0.2,
    state: Callable[[], object] = lambda: "",
) -> None:
    """Return as soon as ``happened`` gives something true; looks again ``every`` so many seconds.

    Raises:
        AssertionError: it did not in time; the message names ``what`` and gives the ``state``.
    """
    deadline = time.monotonic() + SECONDS
    while not happened():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {SECONDS:.0f} s {state()}")
        time.sleep(every)
