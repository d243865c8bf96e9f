"""A batch's way through a device and back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

Paint = Callable[[Tensor], Tensor]


class Lane(Protocol):
    """Paints (N, H, W, 3) uint8, N up to its batch; by one thread at a time, whichever."""

    def __call__(self, pictures: np.ndarray) -> np.ndarray: ...


class CpuLane:
    def __init__(self, paint: Paint) -> None:
        self._paint = paint

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return self._paint(torch.from_numpy(pictures)).numpy()


class CudaLane:
    """Pinned memory, a stream of its own, and the network recorded as one CUDA graph.

    With two of them, used by a thread each, one copies while the other computes. A batch that is
    not full is filled up with what was there before: every batch has the same shape and takes
    the same kernels, so that a picture's result does not depend on its batch.

    Args:
        paint: from (N, H, W, 3) uint8 to the same, on ``device``.
        record: as a graph. What cannot be recorded is said once, and launched kernel by kernel.

    Raises:
        torch.OutOfMemoryError: the device has no room for this.
    """

    def __init__(
        self, paint: Paint, shape: tuple[int, ...], device: torch.device, record: bool = True
    ) -> None:
        self._device = device
        self._paint = paint
        self._graph: torch.cuda.CUDAGraph | None = None
        self._host = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        with torch.cuda.device(device), torch.inference_mode():
            self._stream = torch.cuda.Stream()
            self._stream.wait_stream(torch.cuda.current_stream())  # where the weights are copied
            # Sleeps until the GPU is done; a stream's own way of waiting keeps a CPU busy.
            self._done = torch.cuda.Event(blocking=True)
            with torch.cuda.stream(self._stream):
                self._input = torch.zeros(shape, dtype=torch.uint8, device=device)
                for _ in range(2):  # compiles, and lets libraries take what memory they want
                    self._output = paint(self._input)
                self._stream.synchronize()
            if record:
                self._record()

    def _record(self) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            # thread_local: other lanes may be at work meanwhile.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                self._output = self._paint(self._input)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            warn_once("Going on without a CUDA graph, which cannot be recorded here", error)
        else:
            self._graph = graph

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        count = len(pictures)
        self._host[:count].numpy()[:] = pictures
        with (
            torch.cuda.device(self._device),
            torch.cuda.stream(self._stream),
            torch.inference_mode(),
        ):
            self._input.copy_(self._host, non_blocking=True)
            if self._graph:
                self._graph.replay()
            else:
                self._output = self._paint(self._input)
            # New memory for each result, which belongs to who gets it; torch keeps a stock.
            painted = torch.empty(self._output.shape, dtype=torch.uint8, pin_memory=True)
            painted.copy_(self._output, non_blocking=True)
            self._done.record()
            self._done.synchronize()
        return painted.numpy()[:count]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the CPU, had no room: torch says so in several ways."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("out of memory", "can't allocate memory", "ALLOC_FAILED")
    ):
        return True
    # A recording that ends for want of memory complains of its end.
    return error.__context__ is not None and is_out_of_memory(error.__context__)


_warned: set[str] = set()


def warn_once(what: str, error: Exception) -> None:
    """Log that something quicker does not work here; the work goes on without it."""
    if what not in _warned:
        _warned.add(what)
        cause = (str(error).strip() or type(error).__name__).split("\n")[0]
        logging.getLogger(__name__).warning("%s: %s", what, cause)
