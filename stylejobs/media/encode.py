"""Writing a shard's frames as a closed segment, exact in time and colour."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from stylejobs.media.colour import tag
from stylejobs.media.errors import UnusableMedia
from stylejobs.media.manifest import VideoTrack
from stylejobs.media.normalise import working_format

if TYPE_CHECKING:
    import av

# One number everywhere: x264's output depends on how many threads share the work.
_ENCODER_THREADS = 4
_X265_SMALLEST = 64  # below, x265 writes past its buffers
# From the third frame x265 learns how far B-frames move the others; the DTS that it gives before
# that are whatever was in memory.
_X265_KNOWS_DTS = 3
_X265 = ("frame-threads=1", f"pools={_ENCODER_THREADS}", "log-level=error")

Codec = Literal["h264", "hevc", "av1"]
PixelFormat = Literal["auto", "yuv420p", "yuv444p", "yuv420p10le"]
_ENCODERS = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}
_DEFAULTS = {"h264": (18, "veryfast"), "hevc": (20, "veryfast"), "av1": (24, "8")}  # CRF, preset

_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"),
    *("veryslow", "placebo"),
)
_AV1_PRESETS = tuple(str(speed) for speed in range(14))


class EncoderSettings(BaseModel):
    """How the painted frames are compressed.

    Attributes:
        codec: ``h264`` plays everywhere; ``hevc`` and ``av1`` are smaller, and hevc slower.
        crf: the encoder's constant rate factor; lower is better and larger. H.264 and HEVC: 0 to
            51, by default 18 and 20; AV1: 0 to 63, by default 24. All three then look alike.
        preset: the encoder's speed. H.264 and HEVC: ``ultrafast`` to ``placebo``, by default
            ``veryfast``: on painted frames slower ones save nothing. AV1: 13 (fast) to 0, by
            default 8.
        pixel_format: ``auto`` is 4:2:0, or 4:4:4 for odd sizes, which 4:2:0 has only in AV1.
            AV1 has no 4:4:4.
        keyframe_seconds: a player can jump to every such step.

    Raises:
        pydantic.ValidationError: the codec does not have the pixel format, CRF or preset.
    """

    model_config = ConfigDict(frozen=True)

    codec: Codec = "h264"
    crf: int | None = None
    preset: str | None = None
    pixel_format: PixelFormat = "auto"
    keyframe_seconds: float = 2.0

    @model_validator(mode="after")
    def _is_possible(self) -> EncoderSettings:
        largest = 63 if self.codec == "av1" else 51
        if self.crf is not None and not 0 <= self.crf <= largest:
            raise ValueError(f"the CRF of {self.codec} goes from 0 to {largest}")
        presets = _AV1_PRESETS if self.codec == "av1" else _PRESETS
        if self.preset is not None and self.preset not in presets:
            raise ValueError(f"the presets of {self.codec} are: {', '.join(presets)}")
        if self.codec == "av1" and self.pixel_format == "yuv444p":
            raise ValueError("AV1 is written in 4:2:0 only; choose yuv420p or yuv420p10le")
        return self

    def pixels(self, width: int, height: int) -> str:
        """The pixel format of pictures of this size.

        Raises:
            UnusableMedia: the codec cannot encode pictures of this size.
        """
        if self.codec == "hevc" and min(width, height) < _X265_SMALLEST:
            raise UnusableMedia(
                f"The picture is {width}×{height}; HEVC is written from {_X265_SMALLEST} pixels"
                " a side.",
                "Set the codec to 'h264' or 'av1', or upload a larger video.",
            )
        if self.codec == "av1":
            return "yuv420p" if self.pixel_format == "auto" else self.pixel_format
        fitting = working_format(width, height)
        if self.pixel_format == "auto" or fitting == "yuv420p":
            return fitting if self.pixel_format == "auto" else self.pixel_format
        return "yuv444p10le" if self.pixel_format == "yuv420p10le" else fitting

    def options(self, keyint: int) -> dict[str, str]:
        """The encoder's options for closed groups of at most ``keyint`` frames.

        Everything is named that the bytes depend on: the number of threads too.
        """
        crf, preset = _DEFAULTS[self.codec]
        options = {
            "crf": str(crf if self.crf is None else self.crf),
            "preset": self.preset or preset,
        }
        b_frames = 0 if self == MEZZANINE else 2
        match self.codec:
            case "h264":
                threads = f"threads={_ENCODER_THREADS}"
                params = (
                    "open-gop=0",
                    f"keyint={keyint}",
                    f"bframes={b_frames}",
                    threads,
                    *_no_avx512(),
                )
                return {**options, "x264-params": ":".join(params)}
            case "hevc":
                params = (
                    "open-gop=0",
                    f"keyint={keyint}",
                    f"bframes={b_frames}",
                    *_X265,
                    *_no_avx512(),
                )
                return {**options, "x265-params": ":".join(params)}
            case "av1":
                return {**options, "g": str(keyint), "svtav1-params": f"lp={_ENCODER_THREADS}"}


# Lossless and cheap: what a shard's source frames are kept as.
MEZZANINE = EncoderSettings(crf=0, preset="ultrafast", keyframe_seconds=1.0)


class SegmentWriter:
    """Encodes consecutive frames into one MP4 segment that starts with a keyframe.

    Args:
        path: file to write.
        pts: presentation times of the frames to come, in ticks of ``track.time_base``.

    The segment's own time starts at zero. Use as a context manager; leaving it normally with
    fewer frames written than announced raises ``ValueError``.
    """

    def __init__(
        self, path: Path, track: VideoTrack, pts: Sequence[int], settings: EncoderSettings
    ) -> None:
        import av
        from av import VideoStream

        self.pixel_format = settings.pixels(track.width, track.height)
        self._pts = pts
        self._written = 0
        os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes to stderr all that is no error
        self._container = av.open(str(path), "w", format="mp4")
        fps = track.fps
        stream = self._container.add_stream(
            _ENCODERS[settings.codec],
            rate=fps,
            options=settings.options(max(1, round(settings.keyframe_seconds * fps))),
        )
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = track.width, track.height
        stream.pix_fmt = self.pixel_format
        stream.time_base = track.tick
        context = stream.codec_context
        context.time_base = track.tick
        context.sample_aspect_ratio = Fraction(*track.sample_aspect_ratio)
        tag(context, track.colour)
        self._stream = stream
        self._track = track
        self._has_dts = settings.codec != "hevc" or len(pts) >= _X265_KNOWS_DTS

    def write(self, frame: av.VideoFrame) -> None:
        """Encode the next frame; its own PTS is replaced by the announced one."""
        from av.video.frame import PictureType

        frame.pts = self._pts[self._written] - self._pts[0]
        frame.time_base = self._track.tick
        frame.pict_type = PictureType.NONE
        self._written += 1
        self._encode(frame)

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._encode(None)
        self._container.close()
        if error is None and self._written != len(self._pts):
            raise ValueError(f"{self._written} of {len(self._pts)} frames were written")

    def _encode(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            if not self._has_dts:  # so few frames stay in their order
                packet.dts = packet.pts
            self._container.mux(packet)


@cache
def _no_avx512() -> tuple[str, ...]:
    """Keeps x264 and x265 off AVX-512: one encode in five chose other bits for equal pictures.

    Tried with the x264 of PyAV 18.1 on an EPYC: 58 of 300 equal encodes differed with AVX-512,
    none with AVX2, which gives the same bits as SSE4.2, at the same speed. x265 has its own SSE
    bits; with AVX2, 40 equal encodes at each of five sizes were equal.
    """
    try:
        has_avx512 = " avx512f" in Path("/proc/cpuinfo").read_text()
    except OSError:  # no Linux
        return ()
    return ("asm=avx2",) if has_avx512 else ()
