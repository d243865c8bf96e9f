"""The bound of a machine: its fastest convolution, and what the network asks of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from stylejobs.scoring.cpus import usable_cpus
from stylejobs.scoring.gpus import own_gpu

if TYPE_CHECKING:
    from stylejobs.scoring.scorer import Scorer
    from stylejobs.scoring.weights import StyleWeights

# A layer that suits every kind of processor: many channels, a map that caches hold.
_CHANNELS, _SIDE, _KERNEL = 256, 64, 3
_SECONDS = 2.0


def gflop_per_frame(weights: StyleWeights, height: int, width: int) -> float:
    """Multiplications and additions of the published network's convolutions, in 1e9."""
    # Each layer's result, in pixels of the picture's.
    areas = {"conv1": 1.0, "conv2": 1 / 4, "conv3": 1 / 16, "deconv1": 1 / 4}
    areas.update(deconv2=1.0, deconv3=1.0)
    per_pixel = sum(
        2 * tensor.size * areas.get(name.split(".")[0], 1 / 16)
        for name, tensor in weights.tensors.items()
        if tensor.ndim == 4
    )
    return per_pixel * height * width / 1e9


def peak_gflops(scorer: Scorer) -> float:
    """The fastest of many runs of one large convolution, with what ``scorer`` runs on, in 1e9/s."""
    from stylejobs.scoring.openvino_backend import OpenVINOScorer

    if isinstance(scorer, OpenVINOScorer):
        return _fastest(*_openvino_convolution(scorer.precision), _cpu_clock)
    if not scorer.device.startswith("CPU"):
        return _fastest(*_torch_convolution(f"cuda:{own_gpu()}"), time.perf_counter)
    return _fastest(*_torch_convolution("cpu"), _cpu_clock)


def _cpu_clock() -> float:
    """CPU-seconds a CPU: what the wall clock says where nobody else wants them."""
    return time.process_time() / usable_cpus()


def _fastest(run: Callable[[], object], pictures: int, clock: Callable[[], float]) -> float:
    run()
    fastest, end = float("inf"), time.perf_counter() + _SECONDS
    while time.perf_counter() < end:
        started = clock()
        run()
        fastest = min(fastest, clock() - started)
    flop = 2 * pictures * (_CHANNELS * _KERNEL * _SIDE) ** 2
    return flop / fastest / 1e9


def _openvino_convolution(precision: str) -> tuple[Callable[[], object], int]:
    """Two in a row: long against the call, short against what else the machine does."""
    import openvino
    from openvino import opset13 as op

    from stylejobs.scoring.openvino_backend import cpu_options

    random = np.random.default_rng(0)
    shape = (_CHANNELS, _CHANNELS, _KERNEL, _KERNEL)
    kernel = random.normal(0, 0.02, shape).astype(np.float32)
    first = x = op.parameter([1, _CHANNELS, _SIDE, _SIDE], np.float32)
    depth = 2
    for _ in range(depth):
        x = op.convolution(x, op.constant(kernel), [1, 1], [1, 1], [1, 1], [1, 1])
    mean = op.reduce_mean(x, [1, 2, 3])  # a small result, so that none is copied
    compiled = openvino.Core().compile_model(
        openvino.Model([mean], [first], "peak"), "CPU", cpu_options(precision)
    )
    request = compiled.create_infer_request()
    picture = random.normal(0, 1, (1, _CHANNELS, _SIDE, _SIDE)).astype(np.float32)
    request.set_input_tensor(openvino.Tensor(picture))
    return request.infer, depth


def _torch_convolution(device: str) -> tuple[Callable[[], object], int]:
    import torch

    dtype, pictures = (torch.float32, 1) if device == "cpu" else (torch.float16, 128)
    convolution = torch.nn.Conv2d(_CHANNELS, _CHANNELS, _KERNEL, padding=1)
    convolution.to(device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(pictures, _CHANNELS, _SIDE, _SIDE, device=device, dtype=dtype)
    x = x.to(memory_format=torch.channels_last)

    def run() -> None:
        with torch.inference_mode():
            convolution(x)
            if device != "cpu":
                torch.cuda.synchronize(device)

    return run, pictures
