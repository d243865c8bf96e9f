"""Opening files safely, and choosing the container of a result."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.media.errors import UnusableMedia

if TYPE_CHECKING:
    import av.container

# Formats that hold media themselves. Playlists and scripts (hls, concat, dash, …), which make
# ffmpeg open other files and addresses, and still pictures are left out on purpose.
DEMUXERS = frozenset(
    {
        *("aiff", "asf", "avi", "flv", "h264", "hevc", "matroska,webm", "mjpeg"),
        *("mov,mp4,m4a,3gp,3g2,mj2", "mp3", "mpeg", "mpegts", "mpegvideo", "mxf", "nut"),
        *("ogg", "wav"),
    }
)
_FAULTS_OF_THE_MACHINE = frozenset(
    (errno.EACCES, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOENT, errno.ENOMEM)
)
# In order of preference: what plays in most places first.
_CONTAINERS = ("mp4", "mov", "matroska")
_LARGEST_TIMESCALE = 2**31 - 1
_SUFFIX = {"mp4": ".mp4", "mov": ".mov", "matroska": ".mkv"}


def open_media(path: Path) -> av.container.InputContainer:
    """Open a local media file for reading; nothing but that file is ever opened.

    Raises:
        UnusableMedia: it is not a media file, or of a format that is not accepted.
        OSError: this machine could not read it.
    """
    import av

    if path.stat().st_size == 0:
        raise UnusableMedia("The file is empty (0 bytes).", "Upload it again.")
    try:
        container = av.open(
            # An absolute path after "file:" is never taken for a URL or an option.
            f"file:{path.resolve()}",
            options={"protocol_whitelist": "file", "format_whitelist": _format_whitelist()},
            metadata_errors="replace",
        )
    except (av.FFmpegError, ValueError) as error:
        if getattr(error, "errno", None) in _FAULTS_OF_THE_MACHINE:
            raise
        raise UnusableMedia(
            f"The file is broken or no video ({_cause(error)}).",
            "Check that it plays, then upload it again, or convert it to MP4 first.",
        ) from None
    if container.format.name not in DEMUXERS:
        name = container.format.name
        container.close()
        raise UnusableMedia(
            f"Files of the format '{name}' are not accepted.", "Convert it to MP4 first."
        )
    return container


def _format_whitelist() -> str:
    return ",".join(sorted(DEMUXERS))


def _cause(error: Exception) -> str:
    """ffmpeg's own words, without the error number and the path."""
    return str(getattr(error, "strerror", None) or error)


def suffix_for(codecs: Collection[str]) -> str:
    """The file suffix of the first of MP4, MOV and MKV that can hold streams of ``codecs``.

    Raises:
        UnusableMedia: none of them can.
    """
    import av

    for name in _CONTAINERS:
        with av.open(os.devnull, "w", format=name) as container:
            if set(codecs) <= container.supported_codecs:
                return _SUFFIX[name]
    raise UnusableMedia(
        f"No container for the result can hold the sound as it is ({', '.join(sorted(codecs))}).",
        "Convert it to MP4 with AAC sound and upload that.",
    )


def create_media(path: Path, rates: Collection[int]) -> av.container.OutputContainer:
    """Open ``path`` for writing; its suffix chooses the container.

    Args:
        rates: ticks a second of the streams to come, and their sample rates. MP4 and MOV store
            where a late stream starts in ticks of the whole file, milliseconds by default: a
            common multiple of all rates keeps the start exact.

    MP4 and MOV are written with the index first, so that a player can start at once.
    """
    import av

    muxer = next(name for name, suffix in _SUFFIX.items() if suffix == path.suffix.lower())
    options = {}
    if muxer != "matroska":
        timescale = lcm(*rates)
        if timescale > _LARGEST_TIMESCALE:
            timescale = max(rates)
        options = {"movflags": "+faststart", "movie_timescale": str(timescale)}
    return av.open(str(path), "w", format=muxer, options=options)
