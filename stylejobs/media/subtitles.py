"""Subtitles: each track as it is where the result can hold it, otherwise as text it can hold.

A track that cannot come along never stops the video; it is left out, and a note says why.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.media.container import MediaFile, create_media, format_whitelist, holds, open_media
from stylejobs.media.manifest import Manifest
from stylejobs.media.streams import About, about, add_copy, shift

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.subtitles.stream import SubtitleStream

# The kind of text that every player of the container shows.
_TEXT_OF = {".mp4": "mov_text", ".mov": "mov_text", ".mkv": "subrip"}
_CONVERSION_SECONDS = 120.0


@dataclass(frozen=True)
class LeftOut:
    """A stream of the source that the result does not have, and why, for people."""

    stream: int
    note: str


@dataclass(frozen=True)
class SubtitleFile:
    """One subtitle track in a file of its own, ready to be copied into the result."""

    path: Path
    about: About


def take_subtitles(
    source: MediaFile, manifest: Manifest, suffix: str, folder: Path
) -> tuple[list[SubtitleFile], list[LeftOut]]:
    """Take the subtitle tracks out of ``source``, in its order, for a result with ``suffix``.

    Times are those of the result: earlier than the source's by ``manifest.start_offset``.
    """
    taken: list[SubtitleFile] = []
    left_out: list[LeftOut] = []
    with open_media(source) as container:
        wanted = []
        for stream in container.streams.subtitles:
            if form_in(suffix, stream):
                wanted.append(stream)
            else:
                why = f"{suffix[1:].upper()} cannot hold it"
                left_out.append(
                    LeftOut(stream.index, homeless(stream) or _left_out(stream, why).note)
                )
        copies = _copy(container, wanted, manifest, folder) if wanted else {}
        for stream in wanted:
            form = form_in(suffix, stream)
            file = copies[stream.index]
            if isinstance(file, str):
                left_out.append(_left_out(stream, file))
            elif form == stream.codec_context.name:
                taken.append(SubtitleFile(file, about(stream)))
            elif converted := _converted(file, str(form), suffix):
                taken.append(SubtitleFile(converted, about(stream)))
            else:
                left_out.append(_left_out(stream, f"it could not be converted to {form}"))
    return taken, left_out


def form_in(suffix: str, stream: SubtitleStream) -> str | None:
    """The codec that a subtitle track has in a file with ``suffix``; None if it has no place."""
    context = stream.codec_context
    if context is None:  # no decoder, though the stubs promise one
        return None
    if stream.container.format.name == "flv":  # commands to a player, which ffmpeg calls text
        return None
    if holds(suffix, context.name):
        return context.name
    return _TEXT_OF[suffix] if is_text(stream) else None


def is_text(stream: SubtitleStream) -> bool:
    return stream.codec_context.codec.text_sub


def says(codec: str, payload: bytes) -> bool:
    """Whether a subtitle packet shows anything: some only end the one before."""
    if codec == "mov_text":  # 3GPP TS 26.245: two bytes of length before the text
        return payload[:2] > bytes(2)
    if codec in {"ass", "ssa"}:  # eight fields before the text, styles in braces
        payload = re.sub(rb"\{[^}]*\}", b"", payload.split(b",", 8)[-1])
    return bool(payload.strip())


def homeless(stream: SubtitleStream) -> str | None:
    """A note for people if no container of a result can hold the track."""
    if any(form_in(suffix, stream) for suffix in _TEXT_OF):
        return None
    return _left_out(stream, "no container can hold it").note


def _left_out(stream: SubtitleStream, why: str) -> LeftOut:
    codec = stream.codec_context.name if stream.codec_context else "of an unknown kind"
    words = ["Subtitle track", codec, stream.language or "", f"(stream {stream.index})"]
    return LeftOut(stream.index, f"{' '.join(filter(None, words))} is left out: {why}.")


def _copy(
    container: InputContainer, streams: Sequence[SubtitleStream], manifest: Manifest, folder: Path
) -> dict[int, Path | str]:
    """Copy each track into a file of its own; for each stream its path, or why there is none."""
    import av

    targets = {}
    copies = {}
    results: dict[int, Path | str] = {stream.index: "it is empty" for stream in streams}
    for stream in streams:
        suffix = ".mkv" if holds(".mkv", stream.codec_context.name) else ".mp4"
        target = create_media(folder / f"subtitle{stream.index}{suffix}", [1000])
        targets[stream.index] = target
        copies[stream.index] = add_copy(target, stream)
    try:
        for packet in container.demux(streams):
            index = packet.stream_index
            if packet.size and index in targets:
                shift(packet, manifest.start_offset)
                packet.stream = copies[index]
                try:
                    targets[index].mux(packet)
                    results[index] = Path(targets[index].name)
                except (av.FFmpegError, ValueError):
                    results[index] = "its times are damaged"
                    targets.pop(index).close()
    except av.FFmpegError:
        results = dict.fromkeys(results, "the file is damaged")
    finally:
        for target in targets.values():
            target.close()
    return results


def _converted(file: Path, codec: str, suffix: str) -> Path | None:
    """The text in ``file`` as ``codec``; None if ffmpeg cannot, or finds no text."""
    import ffmpeg
    from imageio_ffmpeg import get_ffmpeg_exe

    out = file.with_name(f"{file.stem}-{codec}{suffix}")
    stream = ffmpeg.input(
        f"file:{file.resolve()}", protocol_whitelist="file", format_whitelist=format_whitelist()
    ).output(f"file:{out.resolve()}", map="0:s:0", scodec=codec, map_chapters=-1, map_metadata=-1)
    arguments = stream.global_args("-nostdin", "-copyts", "-loglevel", "error", "-y").compile(
        cmd=get_ffmpeg_exe()
    )
    try:
        run = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_CONVERSION_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None
    return out if run.returncode == 0 and _has_packets(out) else None


def _has_packets(file: Path) -> bool:
    with open_media(file) as container:
        return any(packet.size for packet in container.demux(container.streams.subtitles))
