"""Frames as the network and the encoder want them: upright, 8-bit YUV.

Turning follows the container's display matrix (ISO/IEC 14496-12, 8.5.2.2), mirroring included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from stylejobs.media.manifest import VideoTrack

if TYPE_CHECKING:
    import av

_PLAIN_FORMATS = {"yuv420p": "yuv420p", "yuvj420p": "yuv420p"}


def swaps_sides(display_matrix: tuple[int, ...] | None) -> bool:
    """Whether a picture shown through ``display_matrix`` is as wide as it was high."""
    return display_matrix is not None and display_matrix[0] == 0


def working_format(width: int, height: int) -> str:
    """The pixel format of everything made from a source: 4:2:0 where the size allows it."""
    return "yuv420p" if width % 2 == 0 and height % 2 == 0 else "yuv444p"


def turning_filters(display_matrix: tuple[int, ...] | None) -> list[tuple[str, str]]:
    """The ffmpeg filters that do what ``display_matrix`` asks a player to do."""
    if display_matrix is None:
        return []
    a, b, _, c, d = display_matrix[:5]
    filters = []
    if a == 0:
        filters.append(("transpose", "dir=cclock_flip"))
        mirror, flip = c < 0, b < 0
    else:
        mirror, flip = a < 0, d < 0
    if mirror:
        filters.append(("hflip", ""))
    if flip:
        filters.append(("vflip", ""))
    return filters


def normalise(frames: Iterable[av.VideoFrame], track: VideoTrack) -> Iterable[av.VideoFrame]:
    """Each frame upright and in the working format; count, order and PTS stay as they are."""
    wanted = working_format(track.width, track.height)
    filters = turning_filters(track.display_matrix)
    if _PLAIN_FORMATS.get(track.pixel_format, track.pixel_format) != wanted:
        # Matrix and range are named on both sides so that the filter keeps them, and takes them
        # for RGB sources, which have none.
        side = "full" if track.colour.full_range else "limited"
        matrix = track.colour.matrix
        filters += [
            (
                "scale",
                f"in_range={side}:out_range={side}:in_color_matrix={matrix}"
                f":out_color_matrix={matrix}:flags=accurate_rnd+full_chroma_int",
            ),
            ("format", f"pix_fmts={wanted}"),
        ]
    if not filters:
        return frames
    return _filtered(frames, filters, track)


def _filtered(
    frames: Iterable[av.VideoFrame], filters: list[tuple[str, str]], track: VideoTrack
) -> Iterable[av.VideoFrame]:
    from av.filter import Graph

    apply: Callable[[av.VideoFrame], av.VideoFrame] | None = None
    for frame in frames:
        if apply is None:
            graph = Graph()
            nodes = [
                graph.add_buffer(
                    width=frame.width,
                    height=frame.height,
                    format=frame.format,
                    time_base=track.tick,
                )
            ]
            nodes += [graph.add(name, arguments or None) for name, arguments in filters]
            nodes.append(graph.add("buffersink"))
            graph.link_nodes(*nodes).configure()

            def apply(frame: av.VideoFrame, graph: Graph = graph) -> av.VideoFrame:
                graph.vpush(frame)
                return graph.vpull()

        pts = frame.pts
        turned = apply(frame)
        turned.pts = pts
        yield turned
