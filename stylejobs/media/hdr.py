"""HDR to SDR: the tone mapping of PQ and HLG video, as a colour lookup table.

The operator, from a decoded R'G'B' sample to a BT.709 one:

1. Light in nits: PQ by its EOTF (SMPTE ST 2084), HLG by its inverse OETF and the OOTF of a
   display of 1000 nits (ARIB STD-B67, ITU-R BT.2100).
2. Primaries to BT.709, from BT.2020 (ITU-R BT.2087) or Display P3; what BT.709 cannot show is
   clipped at zero.
3. The EETF of ITU-R BT.2390 (5.4.1), from 1000 nits to 203, on the largest of R, G and B; all
   three are scaled alike, which keeps the hue. Up to 92 nits nothing changes; brighter than
   1000 nits is white. 203 nits is HDR's reference white (BT.2408), here SDR's peak: grey cards
   and skin come out as bright as in SDR, white paper at 91 % and highlights above it.
4. The inverse of BT.1886's EOTF: a gamma of 2.4.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
from functools import cache
from pathlib import Path

import numpy as np

from stylejobs.media.colour import PQ

_SOURCE_PEAK, _SDR_PEAK = 1000.0, 203.0  # nits
_GAMMA = 2.4
_P3 = 12  # H.273 code of SMPTE EG 432-1, Display P3
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
_P3_TO_BT709 = np.array([[1.2249, -0.2249, 0], [-0.0421, 1.0421, 0], [-0.0196, -0.0786, 1.0982]])
# By the H.273 code of the source's primaries; all others, untagged ones too, count as BT.2020.
_TO_BT709 = {1: np.eye(3), _P3: _P3_TO_BT709}
_BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593])
_GRID = 65  # points of the lookup table for each of R, G and B

# SMPTE ST 2084.
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
# ARIB STD-B67.
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073


def to_sdr(rgb: np.ndarray, transfer: int, primaries: int = 9) -> np.ndarray:
    """R'G'B' samples of HDR video as BT.709 ones; (..., 3), 0 to 1, both full range.

    ``transfer`` and ``primaries`` are H.273 codes.
    """
    nits = _pq_to_nits(rgb) if transfer == PQ else _hlg_to_nits(rgb)
    linear = np.maximum(nits @ _TO_BT709.get(primaries, _BT2020_TO_BT709).T, 0)
    brightest = np.maximum(linear.max(-1, keepdims=True), 1e-6)
    mapped = linear * (_eetf(brightest) / brightest)
    return np.clip(mapped / _SDR_PEAK, 0, 1) ** (1 / _GAMMA)


def cube(transfer: int, primaries: int) -> Path:
    """``to_sdr`` as a lookup table for ffmpeg's ``lut3d``, which is 20 times as fast.

    The file lives as long as the process.
    """
    path = _folder() / f"{transfer}-{primaries}.cube"
    if not path.exists():
        ramp = np.linspace(0, 1, _GRID)
        blue, green, red = np.meshgrid(ramp, ramp, ramp, indexing="ij")
        table = to_sdr(np.stack((red, green, blue), -1), transfer, primaries)
        lines = "%.5f %.5f %.5f\n" * _GRID**3 % tuple(table.ravel().tolist())
        finished = path.with_suffix(f".{threading.get_ident()}")
        finished.write_text(f"LUT_3D_SIZE {_GRID}\n{lines}")
        finished.replace(path)
    return path


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="stylejobs-hdr-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _pq_to_nits(signal: np.ndarray) -> np.ndarray:
    power = signal ** (1 / _M2)
    light: np.ndarray = (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)
    return 10000 * light


def _nits_to_pq(nits: np.ndarray) -> np.ndarray:
    power = (nits / 10000) ** _M1
    signal: np.ndarray = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return signal


def _hlg_to_nits(signal: np.ndarray) -> np.ndarray:
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
    luma = (scene @ _BT2020_LUMA)[..., None]
    light: np.ndarray = _SOURCE_PEAK * luma**0.2 * scene
    return light


def _eetf(nits: np.ndarray) -> np.ndarray:
    """BT.2390's roll-off: unchanged up to a knee, then a Hermite spline to SDR's peak."""
    peak = _nits_to_pq(np.array(_SOURCE_PEAK))
    target = _nits_to_pq(np.array(_SDR_PEAK)) / peak
    knee = 1.5 * target - 0.5
    signal = np.minimum(_nits_to_pq(nits) / peak, 1)
    t = np.maximum((signal - knee) / (1 - knee), 0)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * target
    )
    return _pq_to_nits(np.where(t > 0, spline, signal) * peak)
