"""The account of a clip's waits: each is told, none overlaps another."""

import time
from collections.abc import Callable
from pathlib import Path

from stylejobs.dead_time import account
from stylejobs_tests.pipeline.desk import Desk


def test_every_wait_between_upload_and_delivery_is_told(
    desk: Desk, clip: Callable[[str], Path]
) -> None:
    dropped = time.time()
    video = desk.drop(clip("single_frame.mp4"))
    desk.tick()
    started = time.time()
    desk.paint(video)
    waits = dict(account(desk.instance, video.key, dropped))
    assert len(waits) == 6
    assert sum(waits.values()) < time.time() - dropped
    assert next(iter(waits.values())) >= started - dropped - 0.1
