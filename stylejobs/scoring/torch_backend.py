"""The network in torch: for CUDA, and as the other choice on a CPU."""

from __future__ import annotations

import numpy as np

from stylejobs.scoring.weights import StyleWeights


class TorchScorer:
    """Paints pictures of any size, in fp16 on CUDA and fp32 on a CPU."""

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

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        torch = self._torch
        height, width = picture.shape[:2]
        with torch.inference_mode():
            x = torch.from_numpy(picture).to(self._device).permute(2, 0, 1).unsqueeze(0)
            x = x.to(self._dtype, memory_format=torch.channels_last)
            missing = (max(width + -width % 4, 16) - width, max(height + -height % 4, 16) - height)
            x = torch.nn.functional.pad(x, (0, missing[0], 0, missing[1]), mode="replicate")
            y = self._net(x)[0, :, :height, :width].float()
            return (
                y.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
            )
