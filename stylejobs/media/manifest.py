"""The manifest: all that the pipeline must know of a video, found once, before any work."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from pydantic import BaseModel, ConfigDict

# Part of every version hash: raise it when the manifest's meaning changes.
MANIFEST_FORMAT = 3


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Colour(_Record):
    """How the samples of a video encode colour (ITU-T H.273).

    Attributes:
        matrix: ``bt709``, ``bt601`` or ``bt2020``; guessed when the source does not say.
        full_range: whether luma uses 0 to 255 in place of 16 to 235.
        primaries: H.273 code, as the source says; 2 means unspecified.
        transfer: H.273 code, as the source says; 2 means unspecified.
        tagged: whether the source names its matrix.
    """

    matrix: str
    full_range: bool
    primaries: int
    transfer: int
    tagged: bool


class VideoTrack(_Record):
    """The main video stream.

    Attributes:
        width, height: of a frame as it is shown, pixels: after rotation.
        sample_aspect_ratio: of a shown pixel, (width, height).
        display_matrix: the nine numbers of the container's transform, when there is one.
        colour: of the frames that are painted and of the result; the source's own, unless it is
            HDR.
        time_base: seconds a PTS tick, (numerator, denominator).
        frame_rate: average, frames a second, (numerator, denominator).
        interlaced: the source has frames made of two fields, which become one picture.
        hdr: how the samples of an HDR source encode colour (transfer 16 is PQ, 18 HLG), before
            they are tone-mapped to ``colour``; None for SDR.
    """

    stream: int
    codec: str
    pixel_format: str
    width: int
    height: int
    sample_aspect_ratio: tuple[int, int]
    display_matrix: tuple[int, ...] | None
    colour: Colour
    time_base: tuple[int, int]
    frame_rate: tuple[int, int]
    interlaced: bool = False
    hdr: Colour | None = None

    @property
    def tick(self) -> Fraction:
        return Fraction(*self.time_base)

    @property
    def fps(self) -> Fraction:
        return Fraction(*self.frame_rate)


class AudioTrack(_Record):
    """An audio track, which is copied as it is.

    Attributes:
        suffixes: of the containers that can hold it, as a trial with its first packets showed.
    """

    stream: int
    codec: str
    sample_rate: int
    channels: int
    language: str | None
    suffixes: tuple[str, ...]


class Manifest(_Record):
    """Probe and frame index of one video.

    Attributes:
        container: the demuxer's name.
        start_seconds: where the source's clock starts, (numerator, denominator); results start
            at zero. Not zero only for MPEG streams, whose clocks start anywhere, and for pictures
            before zero.
        notes: what of the source the result will not have, for people.
        pts: presentation time of every frame in ticks of ``video.time_base``, ascending.
        last_frame_ticks: how long the last frame is shown.
        keyframe_pts: where decoding can start beside the start of the file, ascending.
        counted: the frames do not carry their times; the nth that a decoder gives has the nth.
        damage_span: between these times, what a decoder had to make up is damage; a recording may
            begin and end in the middle of a picture. None where decoders do not tell.
        shard_starts: first frame of each shard, and the frame count as the last entry; a shard
            past the end of a short video is empty.
    """

    container: str
    start_seconds: tuple[int, int]
    video: VideoTrack
    audio: tuple[AudioTrack, ...]
    notes: tuple[str, ...]
    pts: tuple[int, ...]
    last_frame_ticks: int
    keyframe_pts: tuple[int, ...]
    counted: bool
    damage_span: tuple[int, int] | None
    shard_starts: tuple[int, ...]

    @property
    def sounds(self) -> list[tuple[str, tuple[str, ...]]]:
        """Codec of each audio track, and the suffixes of the containers that can hold it."""
        return [(track.codec, track.suffixes) for track in self.audio]

    @property
    def start_offset(self) -> Fraction:
        return Fraction(*self.start_seconds)

    @property
    def frame_count(self) -> int:
        return len(self.pts)

    @property
    def duration(self) -> float:
        """Seconds from the first frame's appearance to the last one's end."""
        return float((self.pts[-1] + self.last_frame_ticks - self.pts[0]) * self.video.tick)

    def shard_pts(self, shard: int) -> tuple[int, ...]:
        return self.pts[self.shard_starts[shard] : self.shard_starts[shard + 1]]


def split_evenly(frame_count: int, shards: int, min_shard_frames: int) -> tuple[int, ...]:
    """Boundaries of ``shards`` contiguous ranges that cover ``frame_count`` frames.

    As many ranges as hold ``min_shard_frames`` each are filled evenly, at least one; the rest
    are empty. Returns ``shards + 1`` ascending indices from 0 to ``frame_count``.
    """
    filled = max(1, min(shards, frame_count // max(1, min_shard_frames)))
    return tuple(min(n, filled) * frame_count // filled for n in range(shards + 1))


def last_duration(pts: Sequence[int], fps: Fraction, tick: Fraction) -> int:
    """Ticks that the last frame lasts when the source does not say: as long as the one before."""
    if len(pts) > 1:
        return pts[-1] - pts[-2]
    return max(1, round(1 / (fps or Fraction(25)) / tick))
