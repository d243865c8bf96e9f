"""Opening files safely, and choosing the container of a result."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection
from functools import cache
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING, Literal

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
_LARGEST_TIMESCALE = 2**31 - 1
# In order of preference: what plays in most places first.
_SUFFIX = {"mp4": ".mp4", "mov": ".mov", "matroska": ".mkv"}

# What ffmpeg's list of codecs promises, but its muxer refuses to write.
_REFUSED = {"mov": frozenset({"av1", "flac", "opus", "truehd", "vp8", "vp9"})}

Container = Literal["auto", "mp4", "mov", "mkv"]


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
            options={"protocol_whitelist": "file", "format_whitelist": format_whitelist()},
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


def format_whitelist() -> str:
    """The accepted formats as ffmpeg's option of this name wants them."""
    return ",".join(sorted(DEMUXERS))


def _cause(error: Exception) -> str:
    """ffmpeg's own words, without the error number and the path."""
    return str(getattr(error, "strerror", None) or error)


def suffix_for(codecs: Collection[str], container: Container = "auto") -> str:
    """The file suffix of the first of MP4, MOV and MKV that can hold streams of ``codecs``.

    Args:
        container: the only one to consider, unless it is ``auto``.

    Raises:
        UnusableMedia: none of them can.
    """
    chosen = [s for s in _SUFFIX.values() if container in ("auto", s[1:])]
    for suffix in chosen:
        if all(holds(suffix, codec) for codec in codecs):
            return suffix
    if container == "auto":
        raise UnusableMedia(
            "No container for the result can hold the sound as it is"
            f" ({', '.join(sorted(codecs))}).",
            "Convert it to MP4 with AAC sound and upload that.",
        )
    refused = sorted(codec for codec in codecs if not holds(chosen[0], codec))
    raise UnusableMedia(
        f"The result is to be an {container.upper()} file, which cannot hold {', '.join(refused)}.",
        "Set the container to 'auto' or 'mkv', or convert the sound to AAC.",
    )


def holds(suffix: str, codec: str) -> bool:
    """Whether a file with ``suffix`` can hold packets of ``codec``, as ffmpeg names it."""
    return codec in _holdable(_muxer(suffix))


@cache
def _holdable(muxer: str) -> frozenset[str]:
    import av

    with av.open(os.devnull, "w", format=muxer) as container:
        return frozenset(container.supported_codecs) - _REFUSED.get(muxer, frozenset())


def _muxer(suffix: str) -> str:
    return next(name for name, known in _SUFFIX.items() if known == suffix.lower())


def create_media(path: Path, rates: Collection[int]) -> av.container.OutputContainer:
    """Open ``path`` for writing; its suffix chooses the container.

    Args:
        rates: ticks a second of the streams to come, and their sample rates. MP4 and MOV store
            where a late stream starts in ticks of the whole file, milliseconds by default: a
            common multiple of all rates keeps the start exact.

    MP4 and MOV are written with the index first, so that a player can start at once.
    """
    import av

    muxer = _muxer(path.suffix)
    options = {}
    if muxer != "matroska":
        timescale = lcm(*rates)
        if timescale > _LARGEST_TIMESCALE:
            timescale = max(rates)
        options = {"movflags": "+faststart", "movie_timescale": str(timescale)}
    return av.open(str(path), "w", format=muxer, options=options)


def suffix_of(result: Path) -> str:
    """The suffix of the container that a result is in, whatever it is called."""
    with open_media(result) as container:
        if container.format.name.startswith("matroska"):
            return ".mkv"
        return ".mov" if container.metadata.get("major_brand", "").strip() == "qt" else ".mp4"
