"""What comes out for a folder of clips: ``python -m benchmarks.fidelity FOLDER [--shards N]``.

Each clip goes the whole way (probe in a guarded process, frames, a scorer that changes nothing,
encode, mux) and is compared with its upload. Prints a table: exact, refused with its reason, or
WRONG; exits 1 if anything is WRONG. Besides what ``stylejobs verify`` compares, the ffmpeg
program must show as many pictures for the result as for the upload, and each must look alike.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

_CLIP_SECONDS = 600.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fidelity", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shards", type=int, default=5)
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    for clip in sorted(p for p in args.folder.rglob("*") if p.is_file()):
        started = time.monotonic()
        verdict, reason = _verdict(clip, args.shards)
        counts[verdict] += 1
        seconds = time.monotonic() - started
        print(
            f"{verdict:8} {seconds:6.1f} s  {clip.relative_to(args.folder)}  {reason}", flush=True
        )
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return 1 if counts["WRONG"] else 0


def _verdict(clip: Path, shards: int) -> tuple[str, str]:
    """Judge one clip in a process of its own: a crash or a hang is a verdict, too."""
    command = [sys.executable, "-m", "benchmarks.fidelity_clip", str(clip), str(shards)]
    try:
        child = subprocess.run(
            command, capture_output=True, text=True, timeout=_CLIP_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "WRONG", f"hangs: not done after {_CLIP_SECONDS:.0f} s"
    if child.returncode or not child.stdout.strip():
        last = (child.stderr.strip().splitlines() or ["no word"])[-1]
        return "WRONG", f"crashed ({child.returncode}): {last}"
    verdict, _, reason = child.stdout.strip().splitlines()[-1].partition(" ")
    return verdict, reason


if __name__ == "__main__":
    sys.exit(main())
