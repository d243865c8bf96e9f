"""Sharing the GPUs of a machine: one process, one GPU."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_held: list[int] = []  # open lock files; the kernel closes them with the process


@cache
def own_gpu() -> int:
    """The index, among those that CUDA_VISIBLE_DEVICES shows, of the GPU of this process.

    The first that no other process of this kind has; when all are taken, they are shared. The
    choice is kept until the process ends.
    """
    import torch

    # The identity that processes with other CUDA_VISIBLE_DEVICES give the same GPU. Asking for
    # it, unlike asking for the free memory, takes no memory on GPUs that are not ours.
    count = torch.cuda.device_count()
    names = [str(torch.cuda.get_device_properties(n).uuid) for n in range(count)]
    claimed = claim(names)
    return os.getpid() % count if claimed is None else claimed


def claim(names: Sequence[str], folder: Path | None = None) -> int | None:
    """Take the first of ``names`` that no other process holds, until this process ends.

    Each is a lock on ``stylejobs-gpu-<name>.lock``; the file itself stays and means nothing.

    Args:
        folder: where the locks are; by default the one for temporary files.

    Returns:
        Its position; None when all are held.
    """
    import fcntl

    folder = folder or Path(tempfile.gettempdir())
    for position, name in enumerate(names):
        handle = None
        try:
            handle = os.open(folder / f"stylejobs-gpu-{name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # held, or the file of another user
            if handle is not None:
                os.close(handle)
            continue
        _held.append(handle)
        return position
    return None
