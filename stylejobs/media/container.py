"""Opening files safely, and choosing the container of a result."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterable
from functools import cache
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stylejobs.media.errors import UnusableMedia
from stylejobs.ranged_file import RangedFile

if TYPE_CHECKING:
    import av.container
    from av.video.stream import VideoStream

# Formats that hold media themselves. Playlists and scripts (hls, concat, dash, …), which make
# ffmpeg open other files and addresses, and still pictures are left out on purpose.
DEMUXERS = frozenset(
    {
        # Files of phones, cameras, editors and the web.
        *("aiff", "asf", "avi", "flv", "ivf", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "mp3"),
        *("mpeg", "mpegts", "mxf", "nut", "ogg", "wav", "yuv4mpegpipe"),
        # Bare streams of pictures.
        *("av1", "cavsvideo", "dirac", "dnxhd", "dv", "h261", "h263", "h264", "hevc", "m4v"),
        *("mjpeg", "mpegvideo", "obu", "vc1", "vc1test", "vvc"),
        # Archives: recorders of old, RealMedia, games.
        *("bink", "dhav", "ea", "film_cpk", "flic", "gxf", "idcin", "lxf", "nsv", "nuv"),
        *("psxstr", "pva", "rm", "roq", "smk", "swf", "thp", "ty", "vmd", "wc3movie", "wsvqa"),
        *("wtv", "xmv"),
    }
)
# No decoder makes larger pictures than this, whatever a stream declares in its middle.
_MOST_PIXELS = 2**26
_DECODER_THREADS = 2  # each needs memory, which is limited where a stranger's file is probed
_FAULTS_OF_THE_MACHINE = frozenset(
    (errno.EACCES, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOENT, errno.ENOMEM)
)
_LARGEST_TIMESCALE = 2**31 - 1
# In order of preference: what plays in most places first.
_SUFFIX = {"mp4": ".mp4", "mov": ".mov", "matroska": ".mkv"}

# What ffmpeg's list of codecs promises, but its muxer refuses to write.
_REFUSED = {"mov": frozenset({"av1", "flac", "opus", "truehd", "vp8", "vp9"})}

MediaFile = Path | RangedFile
Sound = tuple[str, Collection[str]]
Container = Literal["auto", "mp4", "mov", "mkv"]


def size_of(file: MediaFile) -> int:
    """The size in bytes."""
    return file.stat().st_size if isinstance(file, Path) else file.size


def open_media(file: MediaFile) -> av.container.InputContainer:
    """Open a media file for reading; nothing but that file is ever opened.

    Raises:
        UnusableMedia: it is not a media file, or of a format that is not accepted.
        OSError: this machine could not read it.
    """
    import av

    if size_of(file) == 0:
        raise UnusableMedia("The file is empty (0 bytes).", "Upload it again.")
    try:
        container = av.open(
            # An absolute path after "file:" is never taken for a URL or an option.
            f"file:{file.resolve()}" if isinstance(file, Path) else file.open(),
            "r",
            options={
                "protocol_whitelist": "file" if isinstance(file, Path) else "none",
                "format_whitelist": format_whitelist(),
            },
            metadata_errors="replace",
        )
    except (av.FFmpegError, ValueError) as error:
        number = getattr(error, "errno", None)
        if number in _FAULTS_OF_THE_MACHINE:
            raise
        if number == errno.EINVAL:  # what the white-list is answered with
            raise UnusableMedia(
                "The file is no video, or one of a rare format that is not accepted.",
                "Convert it to MP4 first.",
            ) from None
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


def video_stream(container: av.container.InputContainer, index: int) -> VideoStream:
    """The video stream with an index, ready to be decoded."""
    stream = next(stream for stream in container.streams.video if stream.index == index)
    stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}
    stream.codec_context.thread_count = _DECODER_THREADS
    return stream


def format_whitelist() -> str:
    """The accepted formats as ffmpeg's option of this name wants them."""
    return ",".join(sorted(DEMUXERS))


def _cause(error: Exception) -> str:
    """ffmpeg's own words, without the error number and the path."""
    return str(getattr(error, "strerror", None) or error)


def suffix_for(codec: str | None, sounds: Collection[Sound], container: Container = "auto") -> str:
    """The file suffix of the first of MP4, MOV and MKV that can hold pictures and sound.

    Args:
        codec: of the pictures; None for a file of sound only.
        sounds: codec of each audio track, and the suffixes of the containers that can hold it.
        container: the only one to consider, unless it is ``auto``.

    Raises:
        UnusableMedia: none of them can.
    """
    chosen = [s for s in _SUFFIX.values() if container in ("auto", s[1:])]
    for suffix in chosen:
        if (codec is None or holds(suffix, codec)) and all(suffix in fits for _, fits in sounds):
            return suffix
    if container == "auto":
        names = sorted({name for name, _ in sounds})
        raise UnusableMedia(
            f"No container for the result can hold the sound as it is ({', '.join(names)}).",
            "Convert it to MP4 with AAC sound and upload that.",
        )
    refused = {name for name, fits in sounds if chosen[0] not in fits}
    if codec is not None and not holds(chosen[0], codec):
        refused.add(codec)
    raise UnusableMedia(
        f"The result is to be an {container.upper()} file, which cannot hold"
        f" {', '.join(sorted(refused))}.",
        "Set the container to 'auto' or 'mkv', or convert the sound to AAC.",
    )


def suffixes() -> Iterable[str]:
    """Those of the containers that a result can be in, the preferred first."""
    return _SUFFIX.values()


def holds(suffix: str, codec: str) -> bool:
    """Whether a file with ``suffix`` can hold packets of ``codec``, as ffmpeg names it."""
    return codec in _holdable(muxer_of(suffix))


@cache
def _holdable(muxer: str) -> frozenset[str]:
    import av

    with av.open(os.devnull, "w", format=muxer) as container:
        return frozenset(container.supported_codecs) - _REFUSED.get(muxer, frozenset())


def muxer_of(suffix: str) -> str:
    """ffmpeg's name for the container that a suffix stands for."""
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

    muxer = muxer_of(path.suffix)
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
