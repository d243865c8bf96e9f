"""Colour in and out: YUV frames to RGB arrays and back, with every parameter named.

Left to defaults, swscale takes BT.601 for everything and shifts the reds of HD video.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from stylejobs.media.errors import UnusableMedia
from stylejobs.media.manifest import Colour

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.video.codeccontext import VideoCodecContext
    from av.video.reformatter import VideoReformatter

# ITU-T H.273 matrix coefficients.
_MATRIX_OF_CODE = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 7: "bt709", 9: "bt2020"}
_CODE_OF_MATRIX = {"bt709": 1, "bt601": 6, "bt2020": 9}
_SWSCALE_NAME = {"bt709": "ITU709", "bt601": "ITU601", "bt2020": "BT2020"}
_UNREADABLE_MATRICES = {
    **{8: "YCgCo", 10: "BT.2020 constant luminance", 11: "Y'D'zD'x", 14: "ICtCp"},
    **{12: "derived BT.2020", 13: "derived constant luminance", 15: "IPT"},
}
_FULL_RANGE = 2
PQ, HLG = 16, 18  # H.273 codes of the transfer functions
HDR_NAMES = {PQ: "PQ", HLG: "HLG"}
_ROUNDED = {"yuv420p", "yuv444p"}
_HD_LINES = 720

# What HDR becomes.
SDR = Colour(matrix="bt709", full_range=False, primaries=1, transfer=1, tagged=True)


def colour_of(context: VideoCodecContext, height: int) -> Colour:
    """The colour parameters of a decoder; what is not said is guessed as players do.

    Untagged video of 720 lines and more is BT.709, smaller is BT.601; untagged HDR is BT.2020.

    Raises:
        UnusableMedia: the samples are of a kind that nothing here can decode.
    """
    if context.colorspace in _UNREADABLE_MATRICES:
        raise UnusableMedia(
            f"The video's colours are encoded as {_UNREADABLE_MATRICES[context.colorspace]},"
            " which cannot be read.",
            "Export it with the BT.709 matrix and upload that.",
        )
    guess = "bt709" if height >= _HD_LINES else "bt601"
    if context.color_trc in HDR_NAMES:
        guess = "bt2020"
    pixels = context.format
    is_rgb = pixels is not None and (pixels.is_rgb or pixels.has_palette)
    says_full = context.color_range == _FULL_RANGE or (context.pix_fmt or "").startswith("yuvj")
    return Colour(
        matrix=_MATRIX_OF_CODE.get(context.colorspace, guess),
        full_range=says_full and not is_rgb,  # RGB becomes YUV of the usual range
        primaries=context.color_primaries,
        transfer=context.color_trc,
        tagged=context.colorspace in _MATRIX_OF_CODE,
    )


def tag(context: VideoCodecContext, colour: Colour) -> None:
    """Say in an encoder's stream how its samples encode colour."""
    context.colorspace = _CODE_OF_MATRIX[colour.matrix]
    context.color_range = _FULL_RANGE if colour.full_range else 1
    context.color_primaries = colour.primaries
    context.color_trc = colour.transfer


def to_rgb(frame: av.VideoFrame, colour: Colour) -> np.ndarray:
    """A decoded frame as (H, W, 3) uint8 RGB, full range."""
    reformatter = _reformatter(frame.format.name, frame.width, frame.height, colour)
    rgb = reformatter.reformat(
        frame,
        format="rgb24",
        src_colorspace=_matrix(colour),
        src_color_range="JPEG" if colour.full_range else "MPEG",
        dst_color_range="JPEG",
        interpolation=_scaling(),
    )
    return rgb.to_ndarray()


def from_rgb(picture: np.ndarray, colour: Colour, pixel_format: str) -> av.VideoFrame:
    """(H, W, 3) uint8 RGB as a frame of ``pixel_format``, encoded as ``colour`` says."""
    import av

    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    # libswscale rounds the chroma of 8-bit full range down, half a step on average.
    rounds = colour.full_range and pixel_format in _ROUNDED
    wanted = f"{pixel_format}16le" if rounds else pixel_format
    found = _reformatter(wanted, frame.width, frame.height, colour).reformat(
        frame,
        format=wanted,
        dst_colorspace=_matrix(colour),
        src_color_range="JPEG",
        dst_color_range="JPEG" if colour.full_range else "MPEG",
        interpolation=_scaling(),
    )
    return _rounded(found, pixel_format) if rounds else found


def _rounded(wide: av.VideoFrame, pixel_format: str) -> av.VideoFrame:
    """A full-range frame of 16 bits in 8: 257 steps become one, chroma's middle is 32768."""
    import av
    import numpy as np

    rows = []
    for plane, offset in zip(wide.planes, (128, 257, 257), strict=True):
        samples = np.frombuffer(bytes(plane), "<u2").reshape(plane.height, -1)[:, : plane.width]
        narrow = np.minimum((samples.astype(np.uint32) + offset) // 257, 255)
        rows.append(narrow.astype(np.uint8).ravel())
    shape = (3, wide.height, wide.width) if pixel_format == "yuv444p" else (-1, wide.width)
    return av.VideoFrame.from_ndarray(np.concatenate(rows).reshape(shape), format=pixel_format)


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.reformatters: dict[tuple, VideoReformatter] = {}


_of_thread = _OfThread()


def _reformatter(*conversion: object) -> VideoReformatter:
    """Converts frames of one kind, in this thread.

    Making one costs about a millisecond, half as much as converting a frame of 640×360.
    """
    from av.video.reformatter import VideoReformatter

    return _of_thread.reformatters.setdefault(conversion, VideoReformatter())


def _matrix(colour: Colour) -> int:
    from av.video.reformatter import Colorspace

    return Colorspace[_SWSCALE_NAME[colour.matrix]]


def _scaling() -> int:
    from av.video.reformatter import Interpolation

    # Full chroma and exact rounding: without them flat colours are off by several steps.
    return (
        Interpolation.BICUBIC
        | Interpolation.ACCURATE_RND
        | Interpolation.FULL_CHR_H_INT
        | Interpolation.FULL_CHR_H_INP
    )
