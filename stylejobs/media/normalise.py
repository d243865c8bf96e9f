"""Frames as the network and the encoder want them: whole, upright, SDR, 8-bit YUV.

Turning follows the container's display matrix (ISO/IEC 14496-12, 8.5.2.2), mirroring included.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.media.decode import read_frames
from stylejobs.media.hdr import cube
from stylejobs.media.manifest import Colour, Manifest, VideoTrack

if TYPE_CHECKING:
    import av
    from av.filter import Graph

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
    path: Path, manifest: Manifest, wanted: Sequence[int], repair: bool = False
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


def normalise(frames: Iterable[av.VideoFrame], track: VideoTrack) -> Iterable[av.VideoFrame]:
    """Each frame whole, upright, SDR and in the working format; count, order and PTS stay."""
    filters: list[Filter] = []
    if track.interlaced:
        # Of every frame one; frames that are not interlaced pass as they are.
        filters.append(("bwdif", {"mode": "send_frame", "deint": "interlaced"}))
    filters += turning_filters(track.display_matrix)
    filters += _colour_filters(track)
    return _filtered(frames, filters, track) if filters else frames


def _colour_filters(track: VideoTrack) -> list[Filter]:
    wanted = working_format(track.width, track.height)
    colour = track.colour
    if track.hdr is None:
        if _PLAIN_FORMATS.get(track.pixel_format, track.pixel_format) == wanted:
            return []
        return [_scale(colour, colour), ("format", {"pix_fmts": wanted})]
    table = cube(track.hdr.transfer, track.hdr.primaries)
    return [
        _scale(track.hdr, track.hdr),
        ("format", {"pix_fmts": "gbrp16le"}),
        ("lut3d", {"file": str(table), "interp": "tetrahedral"}),
        ("setparams", {"color_primaries": "bt709", "color_trc": "bt709"}),
        _scale(colour, colour),
        ("format", {"pix_fmts": wanted}),
    ]


def _scale(source: Colour, result: Colour) -> Filter:
    # Matrix and range are named on both sides so that the filter keeps them, and takes them for
    # RGB, which has none.
    return "scale", {
        "in_range": _RANGE[source.full_range],
        "out_range": _RANGE[result.full_range],
        "in_color_matrix": source.matrix,
        "out_color_matrix": result.matrix,
        "flags": "accurate_rnd+full_chroma_int+full_chroma_inp",
    }


def _filtered(
    frames: Iterable[av.VideoFrame], filters: Sequence[Filter], track: VideoTrack
) -> Iterator[av.VideoFrame]:
    """One frame for each of ``frames``, with its PTS; a filter may give it some frames later."""
    import av

    graph: Graph | None = None
    times: deque[int | None] = deque()

    def ready(graph: Graph) -> Iterator[av.VideoFrame]:
        while True:
            try:
                frame = graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            frame.pts = times.popleft()
            yield frame

    for frame in frames:
        if graph is None:
            graph = _graph(frame, filters, track)
        times.append(frame.pts)
        graph.vpush(frame)
        yield from ready(graph)
    if graph is not None:
        graph.vpush(None)
        yield from ready(graph)


def _graph(first: av.VideoFrame, filters: Sequence[Filter], track: VideoTrack) -> Graph:
    from av.filter import Graph

    graph = Graph()
    nodes = [
        graph.add_buffer(
            width=first.width, height=first.height, format=first.format, time_base=track.tick
        )
    ]
    nodes += [graph.add(name, **arguments) for name, arguments in filters]
    nodes.append(graph.add("buffersink"))
    graph.link_nodes(*nodes).configure()
    return graph
