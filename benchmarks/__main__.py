"""Measures what the README states: ``make benchmark [STYLE=mosaic.pth]``.

Every figure of a line comes from one run; the machine is shared, so read ratios and CPU-seconds.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av

from stylejobs.sample import SAMPLE
from stylejobs.scoring.bench import Case, measure, report, run_part
from stylejobs.scoring.weights import shipped_styles

_IMPORTS = 7


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--style", type=Path, default=next(iter(shipped_styles().values())))
    parser.add_argument("--frames", type=int, default=96, help="frames to paint at 640×360")
    args = parser.parse_args()

    case = Case(str(SAMPLE), str(args.style), args.frames)
    print(report(measure(case, reference=True)))
    memory(args.style)
    imports()


def memory(style: Path) -> None:
    """Peak memory at 1080p of a short and of a six times longer video."""
    with tempfile.TemporaryDirectory() as folder:
        peaks = {}
        for seconds in (10, 60):
            clip = Path(folder) / f"{seconds}.mp4"
            _write_clip(clip, seconds)
            case = Case(str(clip), str(style), 10**6)
            peaks[seconds] = run_part("engine", case)["peak_rss_mb"]
    print(f"1920×1080, peak memory: 10 s clip {peaks[10]:.0f} MB, 60 s clip {peaks[60]:.0f} MB")


def imports() -> None:
    seconds = {}
    for module in ("dagster", "stylejobs.definitions"):
        tries = []
        for _ in range(_IMPORTS):
            code = (
                "import time; start = time.process_time();"
                f"import {module}; print(time.process_time() - start)"
            )
            child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
            tries.append(float(child.stdout))
        seconds[module] = statistics.median(tries)
    ratio = seconds["stylejobs.definitions"] / seconds["dagster"]
    print(
        f"import stylejobs.definitions: {seconds['stylejobs.definitions']:.2f} CPU-s,"
        f" {ratio:.2f} × import dagster ({seconds['dagster']:.2f})"
    )


def _write_clip(path: Path, seconds: int, rate: int = 3) -> None:
    """A 1080p clip that moves, ``rate`` frames a second: what counts is how long it is."""
    with av.open(str(SAMPLE)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        first = itertools.islice(source.decode(video=0), 12)
        frames = [frame.reformat(1920, 1080, "yuv420p") for frame in first]
        for number in range(seconds * rate):
            frame = frames[number % len(frames)]
            frame.pts, frame.time_base = number, Fraction(1, rate)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


if __name__ == "__main__":
    started = time.time()
    main()
    print(f"measured in {time.time() - started:.0f} s")
