"""A studio in a temporary folder, and a Dagster instance to run its assets in."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance

# Before the definitions are loaded: the versions of the assets depend on it.
os.environ["STYLEJOBS_MIN_SHARD_FRAMES"] = "13"

from stylejobs.sensors import listing
from stylejobs.storage.folder import FolderStore
from stylejobs.studio import Studio
from stylejobs_tests.emulator import Emulator
from stylejobs_tests.pipeline.desk import STYLE, Desk, studio_of_environment


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of the pipeline run on each store, but for those that need a certain one."""
    if "studio" in metafunc.fixturenames:
        stores = ["folder", "azurite"]
        if "account" in metafunc.fixturenames:
            stores.remove("folder")
        elif "studio_root" in metafunc.fixturenames:
            stores.remove("azurite")
        metafunc.parametrize("studio", stores, indirect=True)


@pytest.fixture
def studio(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    style_file: Path,
) -> Studio:
    """An empty store with one style, `tiny`; videos are cut into shards of 13 frames or more."""
    monkeypatch.setenv("STYLEJOBS_SETTLE_SECONDS", "0")
    monkeypatch.setattr(listing, "LISTENING_SECONDS", 0.0)
    if request.param == "folder":
        monkeypatch.setenv("STYLEJOBS_STORE", str(tmp_path / "store"))
    else:
        # What a run leaves on its own disk is looked for here.
        (tmp_path / "tmp").mkdir()
        monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
        monkeypatch.setattr(tempfile, "tempdir", None)
        account: Emulator = request.getfixturevalue("account")
        for name, value in account.environment().items():
            monkeypatch.setenv(name, value)
    studio = studio_of_environment()
    studio.store.write(f"styles/{STYLE}.safetensors", style_file.read_bytes())
    return studio


@pytest.fixture
def studio_root(studio: Studio) -> Path:
    """The folder of the store, where it is one."""
    assert isinstance(studio.store, FolderStore)
    return studio.store.root


@pytest.fixture
def desk(studio: Studio, tmp_path: Path) -> Iterator[Desk]:
    with DagsterInstance.ephemeral() as instance:
        yield Desk(studio, instance, tmp_path)
