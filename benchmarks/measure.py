"""One measurement in a process of its own; prints JSON. Run by ``python -m benchmarks``."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from stylejobs.media.colour import to_rgb
from stylejobs.media.decode import read_frames
from stylejobs.media.encode import EncoderSettings, SegmentWriter
from stylejobs.media.manifest import Manifest
from stylejobs.media.normalise import normalised_frames
from stylejobs.media.probe import Limits, probe
from stylejobs.scoring.backends import create_scorer
from stylejobs.scoring.engine import paint
from stylejobs.scoring.weights import StyleWeights, load_weights

_BARE_RUNS = 12


class _Clock:
    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def per(self, frames: int) -> tuple[float, float]:
        """Wall and CPU seconds a frame since the start."""
        return (
            (time.perf_counter() - self.wall) / frames,
            (time.process_time() - self.cpu) / frames,
        )


def engine(weights: StyleWeights, clip: Path, manifest: Manifest, frames: int) -> dict[str, object]:
    """The product's own path: decode, score and encode a shard; and the network alone."""
    pts = manifest.pts[:frames]
    scorer = create_scorer(weights, manifest.video.height, manifest.video.width)
    picture = to_rgb(next(read_frames(clip, manifest, pts[:1])), manifest.video.colour)
    scorer(picture[None])
    clock = _Clock()
    for _ in range(_BARE_RUNS):
        scorer(picture[None])
    bare_wall, bare_cpu = clock.per(_BARE_RUNS)
    with tempfile.TemporaryDirectory() as folder:
        clock = _Clock()
        path = Path(folder) / "painted.mp4"
        with SegmentWriter(path, manifest.video, pts, EncoderSettings()) as writer:
            source = normalised_frames(clip, manifest, pts)
            busy = paint(source, scorer, writer, manifest.video.colour)
        wall, cpu = clock.per(busy.frames)
    return {
        "device": scorer.device,
        "frames": busy.frames,
        "fps": 1 / wall,
        "cpu": cpu,
        "bare_fps": 1 / bare_wall,
        "bare_cpu": bare_cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def peer_loop(
    weights: StyleWeights, clip: Path, manifest: Manifest, frames: int
) -> dict[str, object]:
    """What people write by hand: every frame a JPEG, torch fp32 one by one, JPEGs to video."""
    import av
    import numpy as np
    import torch
    from PIL import Image

    from stylejobs.scoring.network import TransformerNet

    net = TransformerNet(weights.width).eval()
    net.load_state_dict({name: torch.from_numpy(v) for name, v in weights.tensors.items()})
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        folder = Path(name)
        clock = _Clock()
        for n, frame in enumerate(read_frames(clip, manifest, manifest.pts[:frames])):
            frame.to_image().save(folder / f"in{n}.jpg")
        for n in range(frames):
            picture = np.array(Image.open(folder / f"in{n}.jpg"))
            x = torch.from_numpy(picture).permute(2, 0, 1).unsqueeze(0).float()
            y = net(x)[0].clamp(0, 255).permute(1, 2, 0).byte().numpy()
            Image.fromarray(y).save(folder / f"out{n}.jpg")
        with av.open(str(folder / "out.mp4"), "w") as target:
            stream = target.add_stream("libx264", rate=24)
            stream.width, stream.height = manifest.video.width, manifest.video.height
            stream.pix_fmt = "yuv420p"
            for n in range(frames):
                painted = av.VideoFrame.from_image(Image.open(folder / f"out{n}.jpg"))
                target.mux(stream.encode(painted))
            target.mux(stream.encode(None))
        wall, cpu = clock.per(frames)
    return {"frames": frames, "fps": 1 / wall, "cpu": cpu}


def main() -> None:
    what, style, clip, frames = sys.argv[1:]
    path = Path(clip)
    measurement = {"engine": engine, "peer_loop": peer_loop}[what]
    figures = measurement(load_weights(Path(style)), path, probe(path, Limits()), int(frames))
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()
