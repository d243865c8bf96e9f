"""What this machine does with a clip and a style: ``stylejobs bench``.

Each part runs in a process of its own (``python -m stylejobs.scoring.bench PART CASE``, which
prints JSON), so that start-up and peak memory are its own. Where the machine is shared, what is
compared is measured in turns, and medians are taken.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylejobs.scoring.backends import Backend, Device, create_scorer
from stylejobs.scoring.weights import load_weights

if TYPE_CHECKING:
    import numpy as np

    from stylejobs.media.manifest import Manifest
    from stylejobs.scoring.scorer import Scorer, Scores

_ROUNDS = 3
_CACHED_STARTS = 3


class BenchFailed(Exception):
    """A part of the benchmark did not end well. The message is for people."""


@dataclass(frozen=True)
class Case:
    """What to measure with: a clip, a style's file, how many frames to paint, and on what."""

    clip: str
    style: str
    frames: int
    device: Device = "auto"
    backend: Backend = "auto"


@dataclass(frozen=True)
class Figures:
    """What ``stylejobs bench --json`` prints, under these names.

    Attributes:
        clip, style: names; width, height: of a frame; frames: painted.
        device: what the model ran on; cpus: that the process may use.
        bare_fps: of the model alone, from pictures in memory to pictures in memory.
        end_to_end_fps: decoded, scored and encoded, with a shard's start and end.
        end_to_end_per_bare: the ratio of the two, median over rounds.
        bare_cpu_s_per_frame, end_to_end_cpu_s_per_frame: CPU-seconds of all threads.
        decode_busy, score_busy, encode_busy: shares of the wall time in which a stage worked.
        peak_rss_mb: of the process that painted, in MiB.
        model_ready_cold_s, model_ready_cached_s: weights read and model made, imports included,
            with an empty cache and from the cache.
        second_shard_start_s: from opening a further shard of a run to its first frame at the
            model.
        gflop_per_frame: of the published network, from its shapes.
        peak_gflops: the fastest convolution found here, in the model's precision.
        bound_fps: peak_gflops / gflop_per_frame.
        bare_per_bound: how much of the bound the model reaches; on a CPU in CPU-seconds, which
            neighbours do not change much.
        reference_fps, reference_cpu_s_per_frame: of a plain loop, frame by frame, in torch fp32,
            with a JPEG before and after; None if it was not asked for.
        reference_cpu_per_end_to_end: how many times our CPU-seconds that takes; or None.
    """

    clip: str
    style: str
    width: int
    height: int
    frames: int
    device: str
    cpus: int
    bare_fps: float
    end_to_end_fps: float
    end_to_end_per_bare: float
    bare_cpu_s_per_frame: float
    end_to_end_cpu_s_per_frame: float
    decode_busy: float
    score_busy: float
    encode_busy: float
    peak_rss_mb: float
    model_ready_cold_s: float
    model_ready_cached_s: float
    second_shard_start_s: float
    gflop_per_frame: float
    peak_gflops: float
    bound_fps: float
    bare_per_bound: float
    reference_fps: float | None = None
    reference_cpu_s_per_frame: float | None = None
    reference_cpu_per_end_to_end: float | None = None


def measure(
    case: Case, reference: bool = False, progress: Callable[[str], None] = lambda _: None
) -> Figures:
    """Measure everything; takes minutes.

    Args:
        reference: the plain loop too, on a twelfth of the frames.
        progress: told what is done next.

    Raises:
        BenchFailed: a part failed, for example because the device is not there.
    """
    with tempfile.TemporaryDirectory() as folder:
        progress("model ready, with an empty cache")
        found = {"model_ready_cold_s": run_part("ready", case, folder)["seconds"]}
        progress("model ready, from the cache")
        starts = [run_part("ready", case, folder)["seconds"] for _ in range(_CACHED_STARTS)]
        found["model_ready_cached_s"] = statistics.median(starts)
        progress(f"painting {case.frames} frames, in turns with the model alone")
        found.update(run_part("engine", case, folder))
        if reference:
            frames = max(_ROUNDS, case.frames // 12)
            progress(f"the plain torch loop, {frames} frames")
            loop = run_part("reference", Case(**{**asdict(case), "frames": frames}), folder)
            ratio = loop["reference_cpu_s_per_frame"] / found["end_to_end_cpu_s_per_frame"]
            found.update(loop, reference_cpu_per_end_to_end=ratio)
    return Figures(clip=Path(case.clip).name, style=Path(case.style).stem, **found)


def run_part(part: str, case: Case, cache: str | None = None) -> dict[str, Any]:
    """Run one part in a process of its own.

    Args:
        cache: folder to use in place of the user's cache.

    Raises:
        BenchFailed: it failed.
    """
    command = [sys.executable, "-m", __name__, part, json.dumps(asdict(case))]
    environment = {**os.environ, **({"STYLEJOBS_CACHE": cache} if cache else {})}
    child = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if child.returncode:
        lines = child.stderr.strip().splitlines() or [f"exit status {child.returncode}"]
        raise BenchFailed(lines[-1])
    return json.loads(child.stdout.splitlines()[-1])


def report(figures: Figures) -> str:
    """The figures for people."""
    f = figures
    lines = [
        f"{f.clip} with {f.style}: {f.width}×{f.height}, {f.frames} frames",
        f"  on                {f.device}, {f.cpus} CPUs",
        f"  model alone       {f.bare_fps:.2f} fps, {f.bare_cpu_s_per_frame:.4f} CPU-s a frame",
        f"  end to end        {f.end_to_end_fps:.2f} fps,"
        f" {f.end_to_end_cpu_s_per_frame:.4f} CPU-s a frame",
        f"  of the model's speed {f.end_to_end_per_bare:.3f}",
        f"  busy              decode {f.decode_busy:.0%}, score {f.score_busy:.0%},"
        f" encode {f.encode_busy:.0%}",
        f"  bound             {f.bound_fps:.2f} fps: {f.gflop_per_frame:.1f} GFLOP a frame at"
        f" {f.peak_gflops:.0f} GFLOP/s; the model reaches {f.bare_per_bound:.0%}",
        f"  model ready       {f.model_ready_cold_s:.2f} s,"
        f" from the cache {f.model_ready_cached_s:.2f} s",
        f"  next shard starts after {f.second_shard_start_s:.3f} s",
        f"  peak memory       {f.peak_rss_mb:.0f} MiB",
    ]
    if f.reference_fps is not None:
        lines.append(
            f"  plain torch loop  {f.reference_fps:.2f} fps,"
            f" {f.reference_cpu_s_per_frame:.3f} CPU-s a frame:"
            f" {f.reference_cpu_per_end_to_end:.1f} × ours"
        )
    return "\n".join(lines)


# The parts


class _Clock:
    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def per(self, frames: int) -> tuple[float, float]:
        """Wall and CPU seconds a frame since the start."""
        return (
            (time.perf_counter() - self._wall) / frames,
            (time.process_time() - self._cpu) / frames,
        )


class _FirstCall:
    """Passes a scorer's work on and notes when the first came."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.device = scorer.device
        self.batch_size = scorer.batch_size
        self.workers = scorer.workers
        self.at: float | None = None

    def __call__(self, pictures: np.ndarray) -> Scores:
        if self.at is None:
            self.at = time.perf_counter()
        return self._scorer(pictures)


def ready(case: Case) -> dict[str, object]:
    """From a fresh process to a model that can score."""
    from stylejobs.media.probe import Limits, probe

    video = probe(Path(case.clip), Limits()).video
    clock = _Clock()
    create_scorer(
        load_weights(Path(case.style)), video.height, video.width, case.device, case.backend
    )
    return {"seconds": clock.per(1)[0]}


def engine(case: Case) -> dict[str, object]:
    """The product's own path, decode, score and encode shards, in turns with the model alone."""
    from stylejobs.media.probe import Limits, probe
    from stylejobs.scoring.cpus import usable_cpus
    from stylejobs.scoring.peak import gflop_per_frame, peak_gflops

    weights = load_weights(Path(case.style))
    manifest = probe(Path(case.clip), Limits())
    video = manifest.video
    scorer = create_scorer(weights, video.height, video.width, case.device, case.backend)
    pts = manifest.pts[: case.frames]
    size = -(-len(pts) // _ROUNDS)
    shards = [pts[start : start + size] for start in range(0, len(pts), size)]
    batch = _batch(case, manifest, scorer.batch_size)
    _bare(scorer, batch, scorer.batch_size)  # warms up

    alone: list[tuple[float, float]] = []
    whole: list[tuple[float, float]] = []
    busy: list[tuple[float, float, float]] = []
    starts: list[float] = []
    for shard in shards:
        alone.append(_bare(scorer, batch, max(4, size // 3)))
        seconds, shares, start = _paint(case, manifest, scorer, shard)
        whole.append(seconds)
        busy.append(shares)
        starts.append(start)
    peak_rss = _peak_rss()
    bare_wall, bare_cpu = map(statistics.median, zip(*alone, strict=True))
    wall, cpu = map(statistics.median, zip(*whole, strict=True))
    decode, score, encode = map(statistics.median, zip(*busy, strict=True))
    ratios = [one[0] / all_of_it[0] for one, all_of_it in zip(alone, whole, strict=True)]
    gflop = gflop_per_frame(weights, video.height, video.width)
    peak, cpus = peak_gflops(scorer), usable_cpus()
    model_seconds = bare_cpu / cpus if scorer.device.startswith("CPU") else bare_wall
    return {
        "width": video.width,
        "height": video.height,
        "frames": len(pts),
        "device": scorer.device,
        "cpus": cpus,
        "bare_fps": 1 / bare_wall,
        "end_to_end_fps": 1 / wall,
        "end_to_end_per_bare": statistics.median(ratios),
        "bare_cpu_s_per_frame": bare_cpu,
        "end_to_end_cpu_s_per_frame": cpu,
        "decode_busy": decode,
        "score_busy": score,
        "encode_busy": encode,
        "peak_rss_mb": peak_rss,
        "second_shard_start_s": statistics.median(starts[1:] or starts),
        "gflop_per_frame": gflop,
        "peak_gflops": peak,
        "bound_fps": peak / gflop,
        "bare_per_bound": gflop / model_seconds / peak,
    }


def _batch(case: Case, manifest: Manifest, count: int) -> np.ndarray:
    """The clip's first picture, ``count`` times: (N, H, W, 3) uint8."""
    import numpy as np

    from stylejobs.media.colour import to_rgb
    from stylejobs.media.normalise import normalised_frames

    first = next(iter(normalised_frames(Path(case.clip), manifest, manifest.pts[:1])))
    return np.repeat(to_rgb(first, manifest.video.colour)[np.newaxis], count, axis=0)


def _bare(scorer: Scorer, batch: np.ndarray, frames: int) -> tuple[float, float]:
    """Wall and CPU seconds a frame of the model alone, with as many calls at once as it takes."""
    calls = max(scorer.workers, -(-frames // len(batch)))
    clock = _Clock()
    with ThreadPoolExecutor(scorer.workers) as pool:
        for _ in pool.map(lambda _: scorer(batch), range(calls)):
            pass
    return clock.per(calls * len(batch))


def _paint(
    case: Case, manifest: Manifest, scorer: Scorer, pts: Sequence[int]
) -> tuple[tuple[float, float], tuple[float, float, float], float]:
    """Paint one shard.

    Returns:
        Wall and CPU seconds a frame; the busy shares of decoding, scoring and encoding; seconds
        from opening the files to the model's first frame.
    """
    from stylejobs.media.encode import EncoderSettings, SegmentWriter
    from stylejobs.media.normalise import normalised_frames
    from stylejobs.scoring.engine import paint

    video, timed = manifest.video, _FirstCall(scorer)
    with tempfile.TemporaryDirectory() as folder:
        clock, started = _Clock(), time.perf_counter()
        with SegmentWriter(Path(folder) / "painted.mp4", video, pts, EncoderSettings()) as writer:
            source = normalised_frames(Path(case.clip), manifest, pts)
            busy = paint(source, timed, writer, video.colour)
        seconds = clock.per(busy.frames)
    wall = seconds[0] * busy.frames
    shares = busy.decode / wall, busy.score / wall / scorer.workers, busy.encode / wall
    return seconds, shares, (timed.at or started) - started


def _peak_rss() -> float:
    """The most memory that this process had, in MiB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):  # no Linux: counts in bytes there, and may count the parent
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def reference(case: Case) -> dict[str, object]:
    """What people write by hand: every frame a JPEG, torch fp32 one by one, JPEGs to video."""
    import av
    import numpy as np
    import torch
    from PIL import Image

    from stylejobs.media.decode import read_frames
    from stylejobs.media.probe import Limits, probe
    from stylejobs.scoring.network import network_of

    weights = load_weights(Path(case.style))
    manifest = probe(Path(case.clip), Limits())
    pts = manifest.pts[: case.frames]
    net = network_of(weights.tensors)
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        folder = Path(name)
        clock = _Clock()
        for n, frame in enumerate(read_frames(Path(case.clip), manifest, pts)):
            frame.to_image().save(folder / f"in{n}.jpg")
        for n in range(len(pts)):
            picture = np.array(Image.open(folder / f"in{n}.jpg"))
            x = torch.from_numpy(picture).permute(2, 0, 1).unsqueeze(0).float()
            y = net(x)[0].clamp(0, 255).permute(1, 2, 0).byte().numpy()
            Image.fromarray(y).save(folder / f"out{n}.jpg")
        with av.open(str(folder / "out.mp4"), "w") as target:
            stream = target.add_stream("libx264", rate=24)
            stream.width, stream.height = picture.shape[1], picture.shape[0]
            stream.pix_fmt = "yuv420p"
            for n in range(len(pts)):
                painted = av.VideoFrame.from_image(Image.open(folder / f"out{n}.jpg"))
                target.mux(stream.encode(painted))
            target.mux(stream.encode(None))
        wall, cpu = clock.per(len(pts))
    return {"reference_fps": 1 / wall, "reference_cpu_s_per_frame": cpu}


def main() -> None:
    part, case = sys.argv[1:]
    parts = {"ready": ready, "engine": engine, "reference": reference}
    print(json.dumps(parts[part](Case(**json.loads(case)))))


if __name__ == "__main__":
    main()
