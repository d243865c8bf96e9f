import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

COUNT = 25


@pytest.mark.parametrize(
    "name", ["late_audio.mp4", "matroska.mkv", "open_gop.ts", "vp8.webm", "index_first.mp4"]
)
def test_a_damaged_file_is_painted_or_refused_with_a_reason(
    clip: Callable[[str], Path], name: str
) -> None:
    child = subprocess.run(
        [sys.executable, "-m", "stylejobs_tests.media.mangle", str(clip(name)), "7", str(COUNT)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    outcomes = child.stdout.splitlines()
    assert len(outcomes) == COUNT
    assert any(line.startswith("refused: ") for line in outcomes)
