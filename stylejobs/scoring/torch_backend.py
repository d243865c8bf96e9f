"""The network in torch: for CUDA, and as the other choice on a CPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

import numpy as np
import torch
from torch import Tensor, nn

from stylejobs.scoring import cache
from stylejobs.scoring.gpus import own_gpu
from stylejobs.scoring.lanes import CpuLane, CudaLane, Lane, Paint, is_out_of_memory, warn_once
from stylejobs.scoring.network import TransformerNet, network_of
from stylejobs.scoring.plan import Lanes, Plan, plan_for
from stylejobs.scoring.scorer import Scores
from stylejobs.scoring.strips import paint_in_strips
from stylejobs.scoring.weights import StyleWeights

_NOT_COMPILED = "Going on without torch.compile, which does not work here"


class TorchScorer:
    """Paints pictures of one size, in fp16 on CUDA and in fp32 on a CPU.

    On CUDA the batch follows the free memory and is halved when that runs out, down to a picture,
    and to strips of one. Equal pictures give equal results as long as the batch is the same; at
    another batch size the GPU's libraries may sum up in another order.

    Args:
        device: ``cpu``, ``cuda`` (see `gpus` for which), or ``cuda:1``.
        plan: how much at once; by default by the memory, and on a CPU one picture.
        compiled: through torch.compile, which takes a minute the first time and is kept in the
            cache; by default on CUDA. Where it does not work, that is logged and torch's own
            kernels are used.
    """

    def __init__(
        self,
        weights: StyleWeights,
        height: int,
        width: int,
        device: str = "cpu",
        plan: Plan | None = None,
        compiled: bool | None = None,
    ) -> None:
        cuda = device.startswith("cuda")
        self._device = torch.device(f"cuda:{own_gpu()}" if device == "cuda" else device)
        dtype = torch.float16 if cuda else torch.float32
        self._size = height, width
        net = network_of(weights.tensors).requires_grad_(False)
        self._net = net.to(self._device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        name = torch.cuda.get_device_name(self._device) if cuda else "CPU"
        self.device = f"{name} (torch {str(dtype).removeprefix('torch.')})"
        self._compiled = cuda if compiled is None else compiled
        self._whole: Paint = _Whole(self._net)
        if self._compiled:
            self._whole = _compile(self._whole)
        if cuda:
            # Else cuDNN picks kernels by a race between them, and results differ from run to run.
            torch.backends.cudnn.benchmark = False
            torch.backends.cudnn.deterministic = True
        if plan is None:
            plan = Plan(1, 1)
            if cuda:
                free, _ = torch.cuda.mem_get_info(self._device)
                plan = plan_for(free, weights.width, height * width)
        self._making = Lock()
        self._use(plan)
        if cuda:
            self._prepare()

    def __call__(self, pictures: np.ndarray) -> Scores:
        painted: list[np.ndarray] = []
        while len(pictures):
            lanes = self._lanes
            batch = lanes.plan.batch
            with self._smaller_if_full(lanes), lanes.one() as lane:
                painted.append(lane(pictures[:batch]))
                pictures = pictures[batch:]
        return Scores(painted[0] if len(painted) == 1 else np.concatenate(painted))

    def _use(self, plan: Plan) -> None:
        self.plan = plan
        self._lanes = Lanes(plan, self._make_lane)
        self.batch_size, self.workers = plan.batch, plan.lanes

    def _prepare(self) -> None:
        """Take the memory and make the kernels now, with nothing else in flight."""
        ready = None
        while ready is not self._lanes:
            lanes = self._lanes
            with self._smaller_if_full(lanes), ExitStack() as all_of_them:
                for _ in range(lanes.plan.lanes):
                    all_of_them.enter_context(lanes.one())
                ready = lanes

    def _make_lane(self, plan: Plan) -> Lane:
        paint = self._in_strips if plan.strips else self._paint_whole
        if self._device.type == "cpu":
            return CpuLane(paint)
        shape = (plan.batch, *self._size, 3)
        with self._making:  # compiling and recording are for one thread at a time
            return CudaLane(paint, shape, self._device, record=not plan.strips)

    @contextmanager
    def _smaller_if_full(self, lanes: Lanes) -> Iterator[None]:
        """When memory runs out inside, do less at once from now on.

        Raises:
            Exception: that of the memory, when it cannot be less.
        """
        try:
            yield
            return
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            cause = error.with_traceback(None)  # which would keep the tensors alive
        with self._making:
            if lanes is not self._lanes:  # another thread was here
                return
            smaller = lanes.plan.smaller()
            if smaller is None:
                raise cause
            warn_once(f"Going on with {smaller}: no room on {self.device} for {lanes.plan}", cause)
            self._use(smaller)
        lanes.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _paint_whole(self, pictures: Tensor) -> Tensor:
        if self._compiled:
            try:
                return self._whole(pictures)
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                warn_once(_NOT_COMPILED, error)
                self._compiled = False
                self._whole = _Whole(self._net)
        return self._whole(pictures)

    def _in_strips(self, pictures: Tensor) -> Tensor:
        x = _padded(pictures.permute(0, 3, 1, 2))
        y = paint_in_strips(self._net, x)[:, :, : pictures.shape[1], : pictures.shape[2]]
        return y.permute(0, 2, 3, 1).contiguous()


class _Whole(nn.Module):
    """(N, H, W, 3) uint8 to the same: all that a GPU should do in one go."""

    def __init__(self, net: TransformerNet) -> None:
        super().__init__()
        self.net = net
        self.dtype = net.conv1.conv2d.weight.dtype

    def forward(self, pictures: Tensor) -> Tensor:
        height, width = pictures.shape[1:3]
        x = pictures.permute(0, 3, 1, 2).to(self.dtype, memory_format=torch.channels_last)
        y = self.net(_padded(x))[:, :, :height, :width].float()
        return y.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _padded(x: Tensor) -> Tensor:
    """(N, C, H, W) with the borders repeated to a size that the network can halve twice."""
    rows, columns = (max(side + -side % 4, 16) - side for side in x.shape[2:])
    if not rows and not columns:
        return x
    # On CUDA torch has no padding of this kind for integers.
    across = torch.arange(x.shape[3] + columns, device=x.device).clamp_(max=x.shape[3] - 1)
    down = torch.arange(x.shape[2] + rows, device=x.device).clamp_(max=x.shape[2] - 1)
    return x[:, :, :, across][:, :, down]


def _compile(paint: Paint) -> Paint:
    folder = cache.cache_folder()
    if folder is not None:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder / "inductor"))
    try:
        # deterministic: no choice of kernels by timing where that changes the result.
        return torch.compile(paint, dynamic=False, fullgraph=True, options={"deterministic": True})
    except RuntimeError as error:  # a version of Python or of torch that does not have this
        warn_once(_NOT_COMPILED, error)
        return paint
