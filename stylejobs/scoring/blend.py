"""Blends of styles: ``great_wave:0.7,starry_night:0.3``.

Styles of one family share their convolutions and differ in the scale and shift of their instance
normalisations. The weighted mean of those is a style in between (Dumoulin et al. 2017). The
convolutions of two strangers have nothing to do with each other, and their mean paints nothing.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence

from stylejobs.scoring.weights import StyleWeights, UnusableStyle

_PART = re.compile(r"\s*(?P<name>[^:,]+?)\s*:\s*(?P<share>[0-9.]+)\s*")

Parts = tuple[tuple[str, float], ...]


def parse_blend(text: str) -> Parts | None:
    """Names and weights of a blend, in the order of the names; None if ``text`` is a plain name.

    Weights are shares of the whole: ``a:7,b:3`` and ``b:0.3, a:0.7`` are the same blend.

    Raises:
        UnusableStyle: it is written like a blend, but is none. The message says why.
    """
    if ":" not in text:
        return None
    shares: dict[str, float] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part)
        share = _number(match["share"]) if match else math.nan
        if match is None or not 0 < share < math.inf or match["name"] in shares:
            raise UnusableStyle(
                f"{text!r} is no blend of styles. Write each style once, with a weight above 0,"
                " as in great_wave:0.7,starry_night:0.3."
            )
        shares[match["name"]] = share
    whole = sum(shares.values())
    return tuple((name, round(share / whole, 6)) for name, share in sorted(shares.items()))


def blend_digest(parts: Sequence[tuple[str, float]]) -> str:
    """Of a blend, hexadecimal: parts are the digests of the styles and their weights."""
    return hashlib.sha256(repr(sorted(parts)).encode()).hexdigest()


def blend(parts: Sequence[tuple[StyleWeights, float]]) -> StyleWeights:
    """The weighted mean of styles of one family.

    Args:
        parts: at least one; the weights add up to 1.

    Raises:
        UnusableStyle: their convolutions differ.
    """
    import numpy as np

    first, *others = (style for style, _ in parts)
    for other in others:
        if not _are_family(first, other):
            raise UnusableStyle(
                f"'{first.name}' and '{other.name}' cannot be blended: they are not of one family,"
                " whose styles share their convolutions. Choose styles that were trained together."
            )
    tensors = {
        name: tensor
        if _is_shared(name)
        else sum((np.float32(share) * style.tensors[name] for style, share in parts), 0 * tensor)
        for name, tensor in first.tensors.items()
    }
    name = ",".join(f"{style.name}:{share:g}" for style, share in parts)
    digest = blend_digest([(style.digest, share) for style, share in parts])
    return StyleWeights(name, tensors, digest, {"title": f"blend of {name}"})


def _are_family(one: StyleWeights, other: StyleWeights) -> bool:
    import numpy as np

    return one.tensors.keys() == other.tensors.keys() and all(
        np.array_equal(tensor, other.tensors[name])
        for name, tensor in one.tensors.items()
        if _is_shared(name)
    )


def _is_shared(name: str) -> bool:
    """Whether it is a tensor of a convolution; the others belong to instance normalisations."""
    return ".conv2d." in name


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
