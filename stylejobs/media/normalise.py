"""Frames as the network and the encoder want them: whole, upright, SDR, 8-bit YUV.

Turning follows the container's display matrix (ISO/IEC 14496-12, 8.5.2.2), mirroring included.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from stylejobs.media.container import MediaFile
from stylejobs.media.decode import read_frames
from stylejobs.media.manifest import Colour, Manifest, VideoTrack

if TYPE_CHECKING:
    import av

Filter = tuple[str, dict[str, str]]  # name and options

_PLAIN_FORMATS = {"yuv420p": "yuv420p", "yuvj420p": "yuv420p"}
_RANGE = {False: "limited", True: "full"}


def swaps_sides(display_matrix: tuple[int, ...] | None) -> bool:
    """Whether a picture shown through ``display_matrix`` is as wide as it was high."""
    return display_matrix is not None and display_matrix[0] == 0


def working_format(width: int, height: int) -> str:
    """The pixel format of everything made from a source: 4:2:0 where the size allows it."""
    return "yuv420p" if width % 2 == 0 and height % 2 == 0 else "yuv444p"


def turning_filters(display_matrix: tuple[int, ...] | None) -> list[Filter]:
    """The ffmpeg filters that do what ``display_matrix`` asks a player to do."""
    if display_matrix is None:
        return []
    a, b, _, c, d = display_matrix[:5]
    filters: list[Filter] = []
    if a == 0:
        filters.append(("transpose", {"dir": "cclock_flip"}))
        mirror, flip = c < 0, b < 0
    else:
        mirror, flip = a < 0, d < 0
    if mirror:
        filters.append(("hflip", {}))
    if flip:
        filters.append(("vflip", {}))
    return filters


def normalised_frames(
    path: MediaFile, manifest: Manifest, wanted: Sequence[int], repair: bool = False
) -> Iterable[av.VideoFrame]:
    """The frames whose PTS are ``wanted``, a contiguous part of ``manifest.pts``, as painted.

    They do not depend on where a shard starts and ends: a frame of two fields is put together
    with the help of its neighbours, which are read as well.

    Args:
        repair: as in ``read_frames``.

    Raises:
        FramesMismatch: the file does not give these frames, each once and in order.
    """
    if not wanted or not manifest.video.interlaced:
        return normalise(read_frames(path, manifest, wanted, repair), manifest.video)
    first = bisect_left(manifest.pts, wanted[0])
    end = first + len(wanted)
    before = min(first, 1)
    frames = read_frames(path, manifest, manifest.pts[first - before : end + 1], repair)
    return islice(normalise(frames, manifest.video), before, before + len(wanted))


def normalise(frames: Iterable[av.VideoFrame], track: VideoTrack) -> Iterator[av.VideoFrame]:
    """Each frame whole, upright, SDR, in the working format and of the track's size.

    Count, order and PTS stay. A stream may change its size or its pixels anywhere.
    """
    form = None
    pipe: _Pipe | None = None
    for frame in frames:
        if form != (form := (frame.width, frame.height, frame.format.name)):
            if pipe is not None:
                yield from pipe.rest()
            filters = _filters(frame, track)
            pipe = _Pipe(frame, filters, track) if filters else None
        if pipe is None:
            yield frame
        else:
            yield from pipe.push(frame)
    if pipe is not None:
        yield from pipe.rest()


def _filters(frame: av.VideoFrame, track: VideoTrack) -> list[Filter]:
    filters: list[Filter] = []
    if track.interlaced:
        # Of every frame one; frames that are not interlaced pass as they are.
        filters.append(("bwdif", {"mode": "send_frame", "deint": "interlaced"}))
    filters += turning_filters(track.display_matrix)
    turned = swaps_sides(track.display_matrix)
    size = (frame.height, frame.width) if turned else (frame.width, frame.height)
    if size != (track.width, track.height):
        # As ffmpeg does it: broadcasters change the shape of the pixels along with their number.
        colour = track.hdr or track.colour
        filters.append(_scale(colour, colour, track.width, track.height))
    return [*filters, *_colour_filters(frame.format.name, track)]


def _colour_filters(pixel_format: str, track: VideoTrack) -> list[Filter]:
    wanted = working_format(track.width, track.height)
    colour = track.colour
    if track.hdr is None:
        if _PLAIN_FORMATS.get(pixel_format, pixel_format) == wanted:
            return []
        return [_scale(colour, colour), ("format", {"pix_fmts": wanted})]
    from stylejobs.media.hdr import cube

    table = cube(track.hdr.transfer, track.hdr.primaries)
    return [
        _scale(track.hdr, track.hdr),
        ("format", {"pix_fmts": "gbrp16le"}),
        ("lut3d", {"file": str(table), "interp": "tetrahedral"}),
        ("setparams", {"color_primaries": "bt709", "color_trc": "bt709"}),
        _scale(colour, colour),
        ("format", {"pix_fmts": wanted}),
    ]


def _scale(source: Colour, result: Colour, *size: int) -> Filter:
    # Matrix and range are named on both sides so that the filter keeps them, and takes them for
    # RGB, which has none.
    return "scale", {
        **dict(zip(("width", "height"), map(str, size), strict=False)),
        "in_range": _RANGE[source.full_range],
        "out_range": _RANGE[result.full_range],
        "in_color_matrix": source.matrix,
        "out_color_matrix": result.matrix,
        "flags": "accurate_rnd+full_chroma_int+full_chroma_inp",
    }


class _Pipe:
    """Frames of one form through filters: one out for each one in, with its PTS.

    A filter may give a frame some frames later.
    """

    def __init__(self, first: av.VideoFrame, filters: Sequence[Filter], track: VideoTrack) -> None:
        from av.filter import Graph

        self._times: deque[int | None] = deque()
        self._graph = Graph()
        nodes = [
            self._graph.add_buffer(
                width=first.width, height=first.height, format=first.format, time_base=track.tick
            )
        ]
        nodes += [self._graph.add(name, **arguments) for name, arguments in filters]
        nodes.append(self._graph.add("buffersink"))
        self._graph.link_nodes(*nodes).configure()

    def push(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        self._times.append(frame.pts)
        self._graph.vpush(frame)
        yield from self._ready()

    def rest(self) -> Iterator[av.VideoFrame]:
        self._graph.vpush(None)
        yield from self._ready()

    def _ready(self) -> Iterator[av.VideoFrame]:
        import av

        while True:
            try:
                frame = self._graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            frame.pts = self._times.popleft()
            yield frame
