"""The models in ``examples/`` do what they say, through the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from examples import light, posterise
from stylejobs.media.manifest import Manifest
from stylejobs.media.normalise import normalised_frames
from stylejobs.media.probe import Limits, probe
from stylejobs.scoring.engine import score
from stylejobs.scoring.models import Model
from stylejobs.scoring.scorer import Record

Clip = Callable[[str], Path]


@pytest.fixture
def video(clip: Clip) -> Path:
    return clip("odd.mp4")


class Results:
    """What a model makes of a video's frames, beside the frames."""

    def __init__(self, video: Path, model: str) -> None:
        self.sources: list[np.ndarray] = []
        self.pictures: list[np.ndarray | None] = []
        self.records: list[Record | None] = []
        manifest: Manifest = probe(video, Limits())
        size = manifest.video.height, manifest.video.width
        score(
            normalised_frames(video, manifest, manifest.pts),
            Model(model=model).scorer(*size, device="cpu"),
            self._write,
            manifest.video.colour,
            lambda _, source, __: self.sources.append(source),
        )
        assert len(self.sources) == len(self.pictures) == manifest.frame_count

    def _write(self, picture: np.ndarray | None, record: Record | None) -> None:
        self.pictures.append(picture)
        self.records.append(record)


def test_the_pencil_draws_lines_on_white(video: Path) -> None:
    results = Results(video, "examples.edges:create")
    for source, picture in zip(results.sources, results.pictures, strict=True):
        assert picture is not None
        assert picture.shape == source.shape
        assert (picture == picture[..., :1]).all()
        assert np.median(picture) > 200
        assert picture.min() < 50
    assert results.records[0] is None


def test_the_poster_has_four_shades_of_each_channel(video: Path, tmp_path: Path) -> None:
    posterise.export(tmp_path / "posterise.pt2")
    results = Results(video, str(tmp_path / "posterise.pt2"))
    for source, picture in zip(results.sources, results.pictures, strict=True):
        assert picture is not None
        assert set(np.unique(picture)) <= {0, 85, 170, 255}
        assert np.abs(picture.astype(int) - source).max() <= 43


def test_the_table_tells_brightness_contrast_and_colour(video: Path, tmp_path: Path) -> None:
    light.build(tmp_path / "light.onnx")
    results = Results(video, str(tmp_path / "light.onnx"))
    assert results.pictures[0] is None
    for source, record in zip(results.sources, results.records, strict=True):
        assert record is not None
        assert record["brightness"] == pytest.approx(source.mean() / 255, abs=1e-4)
        assert record["contrast"] == pytest.approx(source.std() / 255, abs=1e-4)
        assert record["colour"] == pytest.approx(source.mean((0, 1)) / 255, abs=1e-4)
