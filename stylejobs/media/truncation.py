"""Finding out that the end of a file is missing, where its container says how long it is.

ffmpeg reads a cut file up to the cut and calls that its end; painting it would drop frames.
MPEG streams do not say how long they are: a cut one is a shorter one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stylejobs.media.container import MediaFile, size_of

if TYPE_CHECKING:
    from av.container import InputContainer

_SEGMENT_ID = b"\x18\x53\x80\x67"  # RFC 8794/9559: Matroska's Segment element
_HEAD_BYTES = 4096


def missing_bytes(container: InputContainer, media: MediaFile) -> int:
    """How many bytes the file lacks of what its container announces; 0 if it lacks none."""
    size = size_of(media)
    name = container.format.name
    if name.startswith("mov"):
        return max(0, _end_of_samples(container) - size)
    with media.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if name.startswith("matroska"):
        return max(0, _end_of_segment(head) - size)
    if name in ("avi", "wav") and head[:4] == b"RIFF":
        return max(0, 8 + int.from_bytes(head[4:8], "little") - size)
    return 0


def _end_of_samples(container: InputContainer) -> int:
    """Where the last sample of an MP4 or MOV ends, by its sample tables."""
    ends = (
        entry.pos + entry.size for stream in container.streams for entry in stream.index_entries
    )
    return max(ends, default=0)


def _end_of_segment(head: bytes) -> int:
    """Where a Matroska file's Segment ends; 0 if it does not say, as in a live recording."""
    start = head.find(_SEGMENT_ID)
    if start < 0 or start + 12 > len(head):
        return 0
    start += len(_SEGMENT_ID)
    # The size is a number whose leading zero bits tell its length in bytes.
    length = 9 - head[start].bit_length()
    if length > 8:
        return 0
    value = int.from_bytes(head[start : start + length], "big") & ((1 << 7 * length) - 1)
    unknown = value == (1 << 7 * length) - 1
    return 0 if unknown else start + length + value
