"""A studio in a temporary folder, and a Dagster instance to run its assets in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance

# Before the definitions are loaded: the versions of the assets depend on it.
os.environ["STYLEJOBS_MIN_SHARD_FRAMES"] = "13"

from stylejobs.studio import Studio
from stylejobs_tests.pipeline.desk import STYLE, Desk, studio_of_environment


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, style_file: Path) -> Studio:
    """An empty store with one style, `tiny`; videos are cut into shards of 13 frames or more."""
    store = tmp_path / "store"
    (store / "styles").mkdir(parents=True)
    shutil.copyfile(style_file, store / "styles" / f"{STYLE}.safetensors")
    monkeypatch.setenv("STYLEJOBS_STORE", str(store))
    monkeypatch.setenv("STYLEJOBS_SETTLE_SECONDS", "0")
    return studio_of_environment()


@pytest.fixture
def studio_root(studio: Studio) -> Path:
    return studio.store.root


@pytest.fixture
def desk(studio: Studio) -> Iterator[Desk]:
    with DagsterInstance.ephemeral() as instance:
        yield Desk(studio, instance)
