"""Choosing what a network runs on."""

from __future__ import annotations

import importlib.util
from typing import Literal

from stylejobs.scoring.scorer import Scorer
from stylejobs.scoring.weights import StyleWeights

Device = Literal["auto", "cpu", "cuda"]
Backend = Literal["auto", "openvino", "torch"]


def create_scorer(
    weights: StyleWeights,
    height: int,
    width: int,
    device: Device = "auto",
    backend: Backend = "auto",
) -> Scorer:
    """A scorer for pictures of ``height`` × ``width``.

    ``auto`` takes CUDA where there is a GPU and OpenVINO on the CPU otherwise.

    Raises:
        ValueError: the choice cannot run on this machine.
    """
    if device == "auto":
        device = "cuda" if backend != "openvino" and _has_cuda() else "cpu"
    if device == "cuda":
        if backend == "openvino":
            raise ValueError("The backend 'openvino' runs on the CPU; choose 'torch' for CUDA.")
        if not _has_cuda():
            raise ValueError("No CUDA device is available here; choose the device 'cpu'.")
        return _torch(weights, height, width, "cuda")
    if backend == "torch":
        return _torch(weights, height, width, "cpu")
    from stylejobs.scoring.openvino_backend import OpenVINOScorer

    return OpenVINOScorer(weights, height, width)


def _torch(weights: StyleWeights, height: int, width: int, device: str) -> Scorer:
    from stylejobs.scoring.torch_backend import TorchScorer

    return TorchScorer(weights, height, width, device)


def _has_cuda() -> bool:
    """Whether torch would find a GPU; torch is imported only where a driver is loaded."""
    import ctypes.util

    if not ctypes.util.find_library("cuda") or not importlib.util.find_spec("torch"):
        return False
    import torch

    return torch.cuda.is_available()
