"""Paints a batch with little memory: ``python -m … STYLE MB BATCH STRIPS HEIGHT WIDTH OUT``.

In a process of its own, whose memory is limited once everything is loaded. Prints the plan that
was left at the end, and the most memory that painting took, in bytes.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np
import torch

from stylejobs.scoring.plan import Plan
from stylejobs.scoring.torch_backend import TorchScorer
from stylejobs.scoring.weights import load_weights


def main() -> None:
    style, megabytes, batch, strips, height, width, out = sys.argv[1:]
    size = int(height), int(width)
    torch.set_num_threads(1)  # threads that start later would want memory for their stacks
    weights = load_weights(Path(style))
    pictures = np.random.default_rng(0).integers(0, 256, (int(batch), *size, 3), np.uint8)
    TorchScorer(weights, 16, 16)(pictures[:1, :16, :16])
    scorer = TorchScorer(weights, *size, plan=Plan(int(batch), 1, strips == "strips"))
    limit = memory("VmSize") + int(megabytes) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    Path("/proc/self/clear_refs").write_text("5")  # begin the peak anew
    before = memory("VmRSS")
    painted = scorer(pictures).pictures
    peak = memory("VmHWM") - before
    assert painted is not None
    np.save(out, painted)
    plan = scorer.plan
    print(plan.batch, int(plan.strips), peak)


def memory(kind: str) -> int:
    """A figure of ``/proc/self/status``, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(kind))


if __name__ == "__main__":
    main()
