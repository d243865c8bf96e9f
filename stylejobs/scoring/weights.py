"""Style weights: where they come from, what they must look like. Files are data, never code."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stylejobs.scoring import cache
from stylejobs.scoring.errors import UnusableModel

if TYPE_CHECKING:
    import numpy as np

SHIPPED = Path(__file__).parents[1] / "styles"
# Of a shipped network: what its styles share. Their own files hold the rest.
CONVOLUTIONS = "convolutions.safetensors"
SUFFIXES = (".safetensors", ".pth", ".pt", ".model")
MAX_BYTES = 64 * 2**20

PUBLISHED_BLOCKS = 5
# Statistics that old versions of torch stored and that instance normalisation never used.
_LEGACY = ("running_mean", "running_var", "num_batches_tracked")


# The shipped networks: half the published width for CPUs, the published one for GPUs.
Network = Literal["lean", "full"]


class UnusableStyle(UnusableModel):
    """The file holds no weights of the published network. The message is for people."""


@dataclass(frozen=True)
class StyleWeights:
    """The weights of one TransformerNet.

    Attributes:
        tensors: fp32 arrays under the names of PyTorch's ``fast_neural_style`` example.
        digest: SHA-256 of the file, hexadecimal.
        about: the file's metadata: title, artist, year, training.
    """

    name: str
    tensors: Mapping[str, np.ndarray]
    digest: str
    about: Mapping[str, str]

    @property
    def width(self) -> int:
        return width_of(self.tensors)

    @property
    def blocks(self) -> int:
        return blocks_of(self.tensors)


def shipped_styles(network: Network = "lean") -> dict[str, Path]:
    """The styles that come with the package, by name.

    Each file holds a style's scale and shift in every instance normalisation; the convolutions
    lie beside it, once for all styles of a network (Dumoulin et al. 2017).
    """
    files = sorted((SHIPPED / network).glob("*.safetensors"))
    return {file.stem: file for file in files if file.name != CONVOLUTIONS}


def style_digest(path: Path) -> str:
    """SHA-256 of all that a style's file stands for, hexadecimal."""
    if not _is_shipped(path):
        return file_digest(path)
    parts = file_digest(path) + file_digest(path.with_name(CONVOLUTIONS))
    return hashlib.sha256(parts.encode()).hexdigest()


def _is_shipped(path: Path) -> bool:
    return path.parent.parent == SHIPPED


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal; kept while its time and size stay the same."""
    facts = path.stat()
    return _digest(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=256)
def _digest(path: Path, modified_ns: int, size: int) -> str:
    del modified_ns, size  # they are only here to be part of the cache's key
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_size(name: str, size: int) -> None:
    """Refuse a file that is too large to be a style, without opening it.

    Raises:
        UnusableStyle: it is.
    """
    if size > MAX_BYTES:
        raise UnusableStyle(f"{name} has {size:,} bytes; a style has at most {MAX_BYTES:,}.")


def load_weights(path: Path) -> StyleWeights:
    """Read a ``.safetensors`` style or a published ``.pth`` checkpoint.

    Raises:
        UnusableStyle: too large, unreadable, or not the weights of a TransformerNet.
    """
    check_size(path.name, path.stat().st_size)
    if path.suffix == ".safetensors":
        tensors, about = _read_safetensors(path)
        if _is_shipped(path):
            tensors |= _read_safetensors(path.with_name(CONVOLUTIONS))[0]
        _check(path, tensors)
        return StyleWeights(path.stem, tensors, style_digest(path), about)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    tensors = _read_checkpoint(path, content, digest)
    return StyleWeights(path.stem, tensors, digest, {})


def _read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    import numpy as np
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (SafetensorError, TypeError, ValueError, AttributeError) as error:
        raise UnusableStyle(f"{path.name} is no readable safetensors file ({error}).") from None


def _read_checkpoint(path: Path, content: bytes, digest: str) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint; from the second time on without torch, which loads slowly."""
    from safetensors.numpy import load, save

    name = f"{digest}.safetensors"
    stored = cache.load(name)
    tensors = _unpickle(path, content) if stored is None else load(stored)
    tensors = {k: v for k, v in tensors.items() if k.rpartition(".")[2] not in _LEGACY}
    _check(path, tensors)
    if stored is None:
        cache.store(name, save(tensors))
    return tensors


def _unpickle(path: Path, content: bytes) -> dict[str, np.ndarray]:
    import torch

    try:
        # weights_only: an unpickler that builds tensors and containers and nothing else.
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return {str(name): value.detach().float().numpy() for name, value in state.items()}
    except Exception as error:  # on a damaged file torch fails in any way, AssertionError too
        reason = str(error).split("\n")[0]
        raise UnusableStyle(f"{path.name} is no readable checkpoint ({reason}).") from None


def width_of(weights: Mapping[str, Sized]) -> int:
    """Channels of the network's first layer."""
    return len(weights["conv1.conv2d.bias"])


def blocks_of(names: Iterable[str]) -> int:
    """How many residual blocks the network has whose tensors have these names."""
    return sum(name.startswith("res") and name.endswith(".in1.bias") for name in names)


def expected_shapes(width: int, blocks: int = PUBLISHED_BLOCKS) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a TransformerNet."""
    w = width
    convolutions = {
        "conv1": (w, 3, 9, 9),
        "conv2": (2 * w, w, 3, 3),
        "conv3": (4 * w, 2 * w, 3, 3),
        "deconv1": (2 * w, 4 * w, 3, 3),
        "deconv2": (w, 2 * w, 3, 3),
        "deconv3": (3, w, 9, 9),
    }
    norms = {"in1": w, "in2": 2 * w, "in3": 4 * w, "in4": 2 * w, "in5": w}
    for n in range(1, blocks + 1):
        for half in (1, 2):
            convolutions[f"res{n}.conv{half}"] = (4 * w, 4 * w, 3, 3)
            norms[f"res{n}.in{half}"] = 4 * w
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in convolutions.items():
        shapes[f"{name}.conv2d.weight"] = shape
        shapes[f"{name}.conv2d.bias"] = shape[:1]
    for name, channels in norms.items():
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (channels,)
    return shapes


def _check(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    import numpy as np

    first = tensors.get("conv1.conv2d.bias")
    expected = None
    if first is not None and first.ndim == 1:
        expected = expected_shapes(len(first), blocks_of(tensors))
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if expected is None or found != expected:
        raise UnusableStyle(f"{path.name} does not hold the weights of a TransformerNet.")
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise UnusableStyle(f"{path.name} holds weights that are no finite numbers.")
