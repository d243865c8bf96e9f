"""The frame index: when every frame of a video is shown, found without decoding if possible.

Where the packets tell, frame n is the packet with the nth time. The first frames are decoded to
see whether that holds; for short videos, these are all frames. Where it does not hold (no times,
fields or hidden pictures in packets of their own, pictures that nothing decodes) everything is
decoded once, and the frames are counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from stylejobs.media.container import MediaFile, open_media, video_stream
from stylejobs.media.errors import UnusableMedia, broken, encrypted

if TYPE_CHECKING:
    from av import VideoFrame

# Containers that store no PTS: what their packets are given is a guess.
_WITHOUT_PTS = {"avi", "h264", "hevc", "mjpeg", "mpegvideo"}
# Those that find their way after a jump. In all others, or where the palette came with the first
# packet, frames are read from the start of the file.
_SEEKABLE = {"asf", "avi", "flv", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "mpegts", "mxf"}
_TELLING_DAMAGE = {"h264", "hevc", "mpeg1video", "mpeg2video"}
# VP8 hides reference pictures in packets of their own.
_WITH_HIDDEN_PICTURES = {"vp8"}
# Enough to see past the pictures before the first keyframe, and all of a short, small clip: these
# pixels take half a second or so.
_CHECKED_FRAMES = 32
_CHECKED_PIXELS = 2**26


@dataclass(frozen=True)
class FrameIndex:
    """When every frame is shown.

    Attributes:
        pts: of every frame that a decoder gives, in ticks of the stream, ascending.
        keyframe_pts: where decoding can start, ascending.
        counted: the frames do not carry these times; the nth that a decoder gives has the nth.
        undecodable: pictures at the start that refer to what is not in the file, as in a
            recording that begins in the middle of a group; players do not show them either.
        interlaced: one of the frames that were looked at is made of two fields.
        sizes: width and height of the frames that were looked at, in order of appearance.
        damage_span: after the first frame for which the decoder had to make nothing up, and before
            the last packet; None if there is no such frame, or the decoder does not tell.
        last_ticks: how long the last frame is shown; 0 where the file does not say.
    """

    pts: tuple[int, ...]
    keyframe_pts: tuple[int, ...]
    counted: bool
    undecodable: int
    interlaced: bool
    sizes: tuple[tuple[int, int], ...]
    damage_span: tuple[int, int] | None
    last_ticks: int


def frame_index(path: MediaFile, stream_index: int, max_frames: int) -> FrameIndex:
    """Index a video stream.

    Raises:
        UnusableMedia: broken, too many frames, or no clear order of frames.
    """
    packets = _packets(path, stream_index, max_frames)
    shown = _decode(path, stream_index, max_frames, whole=False)
    if not shown.pts:
        raise UnusableMedia("No picture of the video can be decoded.", "Upload the file again.")
    times = packets.frame_times
    if times and (leading := _leading(times, shown)) is not None:
        kept = tuple(times[leading:])
        keyframes = tuple(p for p in packets.keyframes if p >= kept[0])
        last = packets.durations.get(kept[-1], 0)
        return _index(packets, shown, kept, keyframes, last, undecodable=leading)
    if not shown.is_all:
        shown = _decode(path, stream_index, max_frames, whole=True)
    own = _known(shown.pts)
    if own and _ascends(own):
        return _index(packets, shown, tuple(own), tuple(shown.keyframes), shown.durations[-1])
    counted = _counted_times(packets, shown)
    return _index(packets, shown, counted, (), shown.durations[-1], counted=True)


def _index(
    packets: _Packets,
    shown: _Shown,
    pts: tuple[int, ...],
    keyframes: tuple[int, ...],
    last_ticks: int,
    counted: bool = False,
    undecodable: int = 0,
) -> FrameIndex:
    span = None
    if shown.tells_damage and shown.first_clean is not None:
        last = packets.pts[-1]
        span = (pts[shown.first_clean], pts[-1] if counted or last is None else last)
    return FrameIndex(
        pts=pts,
        keyframe_pts=keyframes if shown.is_seekable else (),
        counted=counted,
        undecodable=undecodable,
        interlaced=shown.interlaced,
        sizes=tuple(shown.sizes),
        damage_span=span,
        last_ticks=last_ticks,
    )


@dataclass
class _Packets:
    """What the packets of a stream say.

    Attributes:
        pts, dts: of each, in the file's order; None where the file does not say.
        durations: by PTS, ticks.
        keyframes: PTS of the keyframes, ascending.
        are_frames: whether each can be expected to be a frame with its own time.
    """

    pts: list[int | None] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)
    durations: dict[int, int] = field(default_factory=dict)
    keyframes: list[int] = field(default_factory=list)
    are_frames: bool = True

    @property
    def frame_times(self) -> list[int] | None:
        """The PTS in ascending order; None where they are missing or not those of frames."""
        times = _distinct(self.pts)
        return times if self.are_frames else None


def _packets(path: MediaFile, stream_index: int, max_frames: int) -> _Packets:
    import av

    found = _Packets()
    with open_media(path) as container:
        stream = video_stream(container, stream_index)
        codec = stream.codec_context.name
        sounds = container.streams.audio
        is_guess = container.format.name in _WITHOUT_PTS or codec in _WITH_HIDDEN_PICTURES
        found.are_frames = not is_guess
        try:
            for packet in container.demux(stream, *sounds):
                if packet.has_sidedata("encryption_info"):
                    raise encrypted()
                if packet.size == 0 or packet.is_discard or packet.stream_index != stream_index:
                    continue
                found.pts.append(packet.pts)
                found.dts.append(packet.dts)
                if packet.pts is not None:
                    found.durations[packet.pts] = packet.duration or 0
                    if packet.is_keyframe:
                        found.keyframes.append(packet.pts)
                _check_count(len(found.pts), max_frames)
        except av.FFmpegError as error:
            raise broken(error) from None
    found.keyframes.sort()
    return found


@dataclass
class _Shown:
    """What a decoder gives.

    Attributes:
        pts: of each frame.
        durations: of each frame in ticks, 0 where it is not known.
        keyframes: PTS of the keyframes.
        first_clean: place of the first frame for which the decoder had to make nothing up.
        tells_damage: whether the decoder marks what it had to make up, and nothing else.
        is_seekable: whether decoding can start at a keyframe.
        is_all: whether the end of the stream was reached.
        is_whole: whether every packet behind the first frame could be decoded.
        frame_ticks: how long a frame lasts on average.
    """

    frame_ticks: Fraction
    pts: list[int | None] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    keyframes: list[int] = field(default_factory=list)
    interlaced: bool = False
    sizes: dict[tuple[int, int], None] = field(default_factory=dict)
    first_clean: int | None = None
    tells_damage: bool = True
    is_seekable: bool = True
    is_all: bool = True
    is_whole: bool = True

    def add(self, frame: VideoFrame) -> None:
        if self.first_clean is None and not frame.is_corrupt:
            self.first_clean = len(self.pts)
        self.pts.append(frame.pts)
        self.durations.append(frame.duration)
        if frame.key_frame and frame.pts is not None:
            self.keyframes.append(frame.pts)
        self.interlaced |= frame.interlaced_frame
        self.is_seekable &= not frame.format.has_palette
        self.sizes[frame.width, frame.height] = None


def _decode(path: MediaFile, stream_index: int, max_frames: int, whole: bool) -> _Shown:
    """Decode the first frames, or all; what cannot be decoded is passed over."""
    import av

    with open_media(path) as container:
        stream = video_stream(container, stream_index)
        stream.thread_type = "AUTO"
        fps = stream.average_rate or stream.guessed_rate or Fraction(25)
        shown = _Shown(1 / fps / (stream.time_base or Fraction(1, 25)))
        shown.is_seekable = container.format.name in _SEEKABLE
        shown.tells_damage = stream.codec_context.name in _TELLING_DAMAGE
        for packet in container.demux(stream):
            try:
                for frame in stream.decode(packet):
                    shown.add(frame)
                    _check_count(len(shown.pts), max_frames)
            except av.FFmpegError:
                shown.is_whole &= not shown.pts
            if not whole and _is_enough(shown):
                shown.is_all = False
                break
    return shown


def _is_enough(shown: _Shown) -> bool:
    pixels = max((width * height for width, height in shown.sizes), default=0)
    return len(shown.pts) >= max(_CHECKED_FRAMES, _CHECKED_PIXELS // max(pixels, 1))


def _leading(times: list[int], shown: _Shown) -> int | None:
    """How many of the packets' times come before the first frame.

    None if the frames that follow are not those of the packets.
    """
    own = _known(shown.pts)
    if not own or not _ascends(own):
        return None
    leading = sum(1 for time in times if time < own[0])
    expected = times[leading:] if shown.is_all else [t for t in times[leading:] if t <= own[-1]]
    if shown.is_whole:
        return leading if expected == own else None
    # What damage took away is still to be shown: reading will name it, or repair it.
    return leading if set(own) <= set(expected) else None


def _counted_times(packets: _Packets, shown: _Shown) -> tuple[int, ...]:
    """When to show frames that carry no usable times.

    The sorted PTS of the packets if there is one for each frame, or else their DTS. Otherwise
    each frame has its own time, if it has one, or follows the one before.
    """
    for known in (_distinct(packets.pts), _distinct(packets.dts)):
        if known and len(known) == len(shown.pts):
            return tuple(known)
    times: list[int] = []
    following = Fraction(0)
    for pts, duration in zip(shown.pts, shown.durations, strict=True):
        time = round(following) if pts is None else pts
        if times and time <= times[-1]:
            raise UnusableMedia(
                "The times of the video's frames are not in order.", "Convert it to MP4 first."
            )
        times.append(time)
        start = Fraction(time) if pts is not None else following
        following = start + (duration or shown.frame_ticks)
    return tuple(times)


def _known(values: list[int | None]) -> list[int] | None:
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


def _distinct(values: list[int | None]) -> list[int] | None:
    """The values in ascending order; None if one is missing or there twice."""
    known = sorted(set(_known(values) or ()))
    return known if known and len(known) == len(values) else None


def _ascends(values: list[int]) -> bool:
    return all(a < b for a, b in pairwise(values))


def _check_count(frames: int, max_frames: int) -> None:
    if frames > max_frames:
        raise UnusableMedia(
            f"The video has more than {max_frames:,} frames.", "Cut it into shorter videos."
        )
