"""How busy the GPU is while frames are scored on it."""

from __future__ import annotations

import sys
import time

_SECONDS_BETWEEN_SAMPLES = 1.0


class GpuUse:
    """Asks NVIDIA's driver about once a second, if this process scores on one of its GPUs.

    It is called from the loop over the frames, so that no thread is needed. NVML keeps the figure:
    the share of its last sample period (up to a second) in which a kernel was at work.
    """

    def __init__(self) -> None:
        self._samples: list[int] = []
        # Not at once: the first frames are those of a pipeline that is still filling.
        self._next = time.monotonic() + _SECONDS_BETWEEN_SAMPLES

    def sample(self) -> None:
        """Note how busy the GPU is now; nothing without CUDA or without the package for NVML."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS_BETWEEN_SAMPLES
        torch = sys.modules.get("torch")
        if torch is None or not torch.cuda.is_initialized():
            return
        from stylejobs.scoring.gpus import own_gpu

        try:
            self._samples.append(torch.cuda.utilization(own_gpu()))
        except Exception:  # NVML has errors of its own: a figure less must not stop the painting
            self._next = float("inf")

    def facts(self) -> dict[str, float]:
        """``{"gpu_use": 0 to 1}``, the mean of the samples; nothing where there are none."""
        if not self._samples:
            return {}
        return {"gpu_use": sum(self._samples) / len(self._samples) / 100}
