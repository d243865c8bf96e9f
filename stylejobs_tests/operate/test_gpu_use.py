"""How busy the GPU was: a figure where there is one, and none where there is none."""

from __future__ import annotations

import time

import pytest
import torch

from stylejobs.assets import gpu_use
from stylejobs.assets.gpu_use import GpuUse


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_use, "_SECONDS_BETWEEN_SAMPLES", 0.0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_there_is_no_figure() -> None:
    use = GpuUse()
    use.sample()
    assert use.facts() == {}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_gpu_at_work_is_seen() -> None:
    pytest.importorskip("pynvml")
    use = GpuUse()
    numbers = torch.ones(4096, 4096, device="cuda")
    end = time.monotonic() + 3
    while time.monotonic() < end:
        numbers = (numbers @ numbers).clamp(max=1)
        torch.cuda.synchronize()
        use.sample()
    assert 0.3 < use.facts()["gpu_use"] <= 1
