"""Tables: one valid line of JSON a frame, whatever the model says."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stylejobs.media.manifest import Manifest
from stylejobs.media.probe import Limits, probe
from stylejobs.scoring.errors import UnusableModel
from stylejobs.scoring.records import (
    MAX_LINE_BYTES,
    RecordWriter,
    compare_table,
    join_tables,
    read_records,
)

Clip = Callable[[str], Path]


@pytest.fixture
def manifest(clip: Clip) -> Manifest:
    """48 frames at 24 frames a second."""
    return probe(clip("cfr.mp4"), Limits())


def table(path: Path, manifest: Manifest, frames: range, record: Any = None) -> Path:
    with RecordWriter(path, manifest, frames) as writer:
        for frame in frames:
            writer.write({"square": frame**2} if record is None else record)
    return path


def written(path: Path, manifest: Manifest, value: Any) -> Any:
    """``value`` after a round trip through a table, read by a parser that allows no NaN."""

    def refuse(text: str) -> None:
        raise ValueError(text)

    line = table(path, manifest, range(1), {"value": value}).read_text()
    return json.loads(line, parse_constant=refuse)["value"]


def test_a_line_has_the_frames_place_and_what_the_model_says(
    manifest: Manifest, tmp_path: Path
) -> None:
    lines = list(read_records(table(tmp_path / "t.jsonl", manifest, range(24, 26))))
    assert lines == [
        {"frame": 24, "pts": manifest.pts[24], "seconds": 1.0, "square": 576},
        {"frame": 25, "pts": manifest.pts[25], "seconds": 1.041667, "square": 625},
    ]


def test_seconds_are_those_of_a_player_where_the_source_starts_late(
    clip: Clip, tmp_path: Path
) -> None:
    stream = probe(clip("stream.ts"), Limits())
    assert stream.start_offset > 1
    (line,) = read_records(table(tmp_path / "t.jsonl", stream, range(24, 25)))
    first = next(read_records(table(tmp_path / "u.jsonl", stream, range(1))))
    assert first["seconds"] < 0.2
    assert line["seconds"] - first["seconds"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.1), 0.1),
        (np.float16(0.5), 0.5),
        (0.1 + 0.2, 0.3),
        (1234567890.125, 1234567890.12),
        (math.nan, None),
        (-math.inf, None),
        (np.array([[1, 2], [3, 4]], np.uint8), [[1, 2], [3, 4]]),
        (np.array([0.1, math.nan], np.float32), [0.1, None]),
        (torch.tensor([0.1, 7.0], requires_grad=True), [0.1, 7.0]),
        (np.bool_(True), True),
        (np.int64(-3), -3),
        (("a", None, {"b": (1, np.float32(2))}), ["a", None, {"b": [1, 2.0]}]),
        ({1: "é\n\ud800"}, {"1": "é\n\ud800"}),
    ],
)
def test_values_are_written_as_json_has_them(
    value: Any, expected: Any, manifest: Manifest, tmp_path: Path
) -> None:
    path = tmp_path / "t.jsonl"
    assert written(path, manifest, value) == expected
    assert len(path.read_bytes().splitlines()) == 1


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"boxes": {1, 2}}, "record of frame 0 holds a set"),
        ({"data": b"x"}, "holds a bytes"),
        ({"frame": 1}, "has an entry 'frame'"),
        ({"text": "x" * MAX_LINE_BYTES}, "at most 1,048,576"),
        ({"depth": np.zeros((1080, 1920), np.float32)}, "an array of 2,073,600 numbers"),
    ],
)
def test_a_record_that_no_line_can_hold_is_explained(
    record: Any, words: str, manifest: Manifest, tmp_path: Path
) -> None:
    with (
        pytest.raises(UnusableModel, match=words),
        RecordWriter(tmp_path / "t.jsonl", manifest, range(1)) as writer,
    ):
        writer.write(record)


def test_a_table_with_too_few_records_is_an_error(manifest: Manifest, tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="1 of 2 records"),
        RecordWriter(tmp_path / "t.jsonl", manifest, range(2)) as writer,
    ):
        writer.write({})


def test_joined_tables_are_the_table_of_the_whole_video(manifest: Manifest, tmp_path: Path) -> None:
    ranges = [range(20), range(20, 21), range(21, 48)]
    parts = [table(tmp_path / str(part.start), manifest, part) for part in ranges]
    joined, whole = tmp_path / "joined", table(tmp_path / "whole", manifest, range(48))
    assert join_tables(parts, joined) == 48
    assert joined.read_bytes() == whole.read_bytes()
    assert compare_table(manifest, joined) == []


def test_tables_with_a_gap_or_out_of_order_are_not_joined(
    manifest: Manifest, tmp_path: Path
) -> None:
    first, second = (table(tmp_path / str(n), manifest, range(n, n + 3)) for n in (0, 3))
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="does not have frame 0"):
        join_tables([second, first], out)
    with pytest.raises(ValueError, match="does not have frame 3"):
        join_tables([first, first], out)
    second.write_bytes(second.read_bytes()[:-1])
    with pytest.raises(ValueError, match="does not have frame 5"):
        join_tables([first, second], out)


def test_a_table_is_compared_with_the_frames_of_its_video(
    manifest: Manifest, tmp_path: Path
) -> None:
    path = table(tmp_path / "t.jsonl", manifest, range(47))
    assert compare_table(manifest, path) == ["lines: 47, the source has 48 frames"]
    late = manifest.model_copy(update={"pts": tuple(pts + 1 for pts in manifest.pts)})
    path = table(tmp_path / "t.jsonl", late, range(48))
    assert compare_table(manifest, path) == ["frame 0 and 47 others have another time"]
    path.write_text("no table\n")
    assert compare_table(manifest, path)[0].startswith("unreadable: ")
