"""Writing a shard's frames as a closed H.264 segment, exact in time and colour."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from stylejobs.media.colour import tag
from stylejobs.media.manifest import VideoTrack
from stylejobs.media.normalise import working_format

if TYPE_CHECKING:
    import av

# One number everywhere: x264's output depends on how many threads share the work.
_ENCODER_THREADS = 4


class EncoderSettings(BaseModel):
    """How the painted frames are compressed.

    Attributes:
        crf: x264's constant rate factor, 0 (lossless) to 51; lower is better and larger.
        preset: x264's speed; on painted frames slower ones save nothing.
        keyframe_seconds: a player can jump to every such step.
    """

    model_config = ConfigDict(frozen=True)

    crf: int = 18
    preset: str = "veryfast"
    keyframe_seconds: float = 2.0


# Lossless and cheap: what a shard's source frames are kept as.
MEZZANINE = EncoderSettings(crf=0, preset="ultrafast", keyframe_seconds=1.0)


class SegmentWriter:
    """Encodes consecutive frames into one MP4 segment that starts with an IDR picture.

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

        self.pixel_format = working_format(track.width, track.height)
        self._pts = pts
        self._written = 0
        self._container = av.open(str(path), "w", format="mp4")
        fps = track.fps
        keyint = max(1, round(settings.keyframe_seconds * fps))
        stream = self._container.add_stream(
            "libx264",
            rate=fps,
            options={
                "preset": settings.preset,
                "crf": str(settings.crf),
                "bf": "2" if settings is not MEZZANINE else "0",
                "x264-params": ":".join(
                    ("open-gop=0", f"keyint={keyint}", f"threads={_ENCODER_THREADS}", *_asm())
                ),
            },
        )
        stream.width, stream.height = track.width, track.height
        stream.pix_fmt = self.pixel_format
        stream.time_base = track.tick
        context = stream.codec_context
        context.time_base = track.tick
        context.sample_aspect_ratio = Fraction(*track.sample_aspect_ratio)
        tag(context, track.colour)
        self._stream = stream
        self._track = track

    def write(self, frame: av.VideoFrame) -> None:
        """Encode the next frame; its own PTS is replaced by the announced one."""
        from av.video.frame import PictureType

        frame.pts = self._pts[self._written] - self._pts[0]
        frame.time_base = self._track.tick
        frame.pict_type = PictureType.NONE
        self._written += 1
        self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        if error is None and self._written != len(self._pts):
            raise ValueError(f"{self._written} of {len(self._pts)} frames were written")


@cache
def _asm() -> tuple[str, ...]:
    """Keeps x264 off AVX-512: there, one encode in five chose other bits for the same pictures.

    Tried with the x264 of PyAV 18.1 on an EPYC: 58 of 300 equal encodes differed with AVX-512,
    none with AVX2, which gives the same bits as SSE4.2, at the same speed.
    """
    try:
        has_avx512 = " avx512f" in Path("/proc/cpuinfo").read_text()
    except OSError:  # no Linux
        return ()
    return ("asm=avx2",) if has_avx512 else ()
