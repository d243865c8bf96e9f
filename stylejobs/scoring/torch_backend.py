"""The network in torch: for CUDA, and as the other choice on a CPU."""

from __future__ import annotations

import numpy as np

from stylejobs.scoring.scorer import Scores
from stylejobs.scoring.weights import StyleWeights


class TorchScorer:
    """Paints pictures of any size, in fp16 on CUDA and fp32 on a CPU."""

    batch_size = 1
    workers = 1

    def __init__(self, weights: StyleWeights, device: str = "cpu") -> None:
        import torch

        from stylejobs.scoring.network import TransformerNet

        self._torch = torch
        self._dtype = torch.float16 if device.startswith("cuda") else torch.float32
        self._device = torch.device(device)
        net = TransformerNet(weights.width)
        net.load_state_dict({k: torch.from_numpy(v) for k, v in weights.tensors.items()})
        net.to(self._device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._net = net.eval()
        name = torch.cuda.get_device_name(self._device) if device != "cpu" else "CPU"
        self.device = f"{name} (torch {str(self._dtype).removeprefix('torch.')})"

    def __call__(self, pictures: np.ndarray) -> Scores:
        torch = self._torch
        height, width = pictures.shape[1:3]
        with torch.inference_mode():
            x = torch.from_numpy(pictures).to(self._device).permute(0, 3, 1, 2)
            x = x.to(self._dtype, memory_format=torch.channels_last)
            missing = (max(width + -width % 4, 16) - width, max(height + -height % 4, 16) - height)
            x = torch.nn.functional.pad(x, (0, missing[0], 0, missing[1]), mode="replicate")
            y = self._net(x)[:, :, :height, :width].float()
            y = y.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
            return Scores(y.contiguous().cpu().numpy())
