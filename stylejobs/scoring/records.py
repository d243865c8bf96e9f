"""Tables: what a model says of each frame, one line of JSON a frame (JSON Lines, UTF-8).

A line begins with the frame's place in the video; the model's own entries follow::

    {"frame":48,"pts":24576,"seconds":2.0,"brightness":0.4183,"mean_colour":[0.5,0.4,0.3]}
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from stylejobs.media.manifest import Manifest
from stylejobs.scoring.errors import UnusableModel
from stylejobs.scoring.scorer import Record

# A line is read as a whole by most programs. This holds an embedding of 100,000 numbers.
MAX_LINE_BYTES = 2**20

_OURS = ("frame", "pts", "seconds")
_FRAME = re.compile(rb'\{"frame":(\d+),')
# Significant digits that are more than noise in numbers of 4 bytes or fewer, and in longer ones.
_SHORT, _LONG = 7, 12
_TOO_LONG = f"a line has at most {MAX_LINE_BYTES:,}. Let the model sum it up, or give a picture."


class RecordWriter:
    """Writes the records of consecutive frames to a table.

    Use as a context manager; leaving it normally with fewer records written than ``frames``
    promises raises ``ValueError``.

    Args:
        path: file to write.
        manifest: of the video that the frames are of.
        frames: their numbers in the video, which starts with frame 0.
    """

    def __init__(self, path: Path, manifest: Manifest, frames: range) -> None:
        self._manifest = manifest
        self._frames = frames
        self._written = 0
        self._file = path.open("wb")

    def write(self, record: Record) -> None:
        """Write the next frame's line.

        ``frame`` is its number; ``pts`` its time in the upload, in ticks of the video track's
        time base; ``seconds`` its time in a player.

        Raises:
            UnusableModel: JSON cannot hold the record, it has a name that is ours, or its line
                is longer than ``MAX_LINE_BYTES``.
        """
        frame = self._frames[self._written]
        pts = self._manifest.pts[frame]
        seconds = pts * self._manifest.video.tick - self._manifest.start_offset
        place = {"frame": frame, "pts": pts, "seconds": round(float(seconds), 6)}
        self._file.write(_line(place, record))
        self._written += 1

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if error is None and self._written != len(self._frames):
            raise ValueError(f"{self._written} of {len(self._frames)} records were written")


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a table, each with ``frame``, ``pts``, ``seconds`` and the model's entries."""
    with path.open("rb") as table:
        yield from map(json.loads, table)


def join_tables(tables: Sequence[Path], out: Path) -> int:
    """Write the lines of ``tables``, one after the other, to ``out``; return their number.

    Raises:
        ValueError: they are not those of frames 0, 1, 2 and so on.
    """
    count = 0
    with out.open("wb") as joined:
        for path in tables:
            with path.open("rb") as table:
                for line in table:
                    found = _FRAME.match(line)
                    if found is None or int(found[1]) != count or not line.endswith(b"\n"):
                        raise ValueError(f"{path} does not have frame {count} in its place")
                    joined.write(line)
                    count += 1
    return count


def compare_table(manifest: Manifest, table: Path) -> list[str]:
    """How a joined table differs from the frames of its video, in words; empty if in nothing."""
    try:
        times = [(record["frame"], record["pts"]) for record in read_records(table)]
    except (ValueError, KeyError, TypeError) as error:
        return [f"unreadable: {type(error).__name__}: {error}"]
    if len(times) != manifest.frame_count:
        return [f"lines: {len(times)}, the source has {manifest.frame_count} frames"]
    wrong = [n for n, place in enumerate(times) if place != (n, manifest.pts[n])]
    return [f"frame {wrong[0]} and {len(wrong) - 1} others have another time"] if wrong else []


def _line(place: Mapping[str, Any], record: Record) -> bytes:
    where = f"The model's record of frame {place['frame']}"
    taken = [name for name in _OURS if name in record]
    if taken:
        raise UnusableModel(
            f"{where} has an entry '{taken[0]}', which every line has already: rename it."
        )
    try:
        entries = {str(name): _plain(value) for name, value in record.items()}
    except _NoJson as error:
        raise UnusableModel(f"{where} {error}") from None
    line = json.dumps({**place, **entries}, separators=(",", ":"), allow_nan=False).encode()
    if len(line) > MAX_LINE_BYTES:
        raise UnusableModel(f"{where} has {len(line):,} bytes; {_TOO_LONG}")
    return line + b"\n"


class _NoJson(Exception):
    """The value has no form in JSON; the message follows the record's name."""


def _plain(value: Any, digits: int = _LONG) -> Any:
    """``value`` as JSON has it: numbers that are none as null, arrays as lists."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(each, digits) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, digits) for each in value]
    if hasattr(value, "tolist"):  # numpy's and torch's numbers and arrays
        numbers = math.prod(value.shape)
        if 2 * numbers > MAX_LINE_BYTES:
            raise _NoJson(f"has an array of {numbers:,} numbers; {_TOO_LONG}")
        return _plain(value.tolist(), _SHORT if value.dtype.itemsize <= 4 else _LONG)
    raise _NoJson(f"holds a {type(value).__name__}, which JSON cannot: convert it.")
