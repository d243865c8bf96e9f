"""A live `dagster dev` in a temporary home: webserver, daemon and sensors, as users have them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stylejobs.demo import dagster_running
from stylejobs.resources import StudioResource
from stylejobs.storage.clips import Clip
from stylejobs.studio import Studio
from stylejobs_tests.operate.receiver import Receiver, receiving
from stylejobs_tests.patience import until

ROOT = Path(__file__).parents[2]
# 96 frames fill two shards, painted by runs of their own: one can fail alone.
SHARDS = 2
_SETTINGS = {"SHARDS": str(SHARDS), "SHARDS_PER_RUN": "1", "MIN_SHARD_FRAMES": "48"}


@dataclass
class Live:
    """Dagster at ``url`` over the store of ``studio``; its alerts go to ``webhook``."""

    url: str
    studio: Studio
    webhook: Receiver

    def drop(self, video: Path, name: str) -> Clip:
        clip = Clip(style="tiny", name=name)
        target = self.studio.store.root / clip.upload_path
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{name}")
        shutil.copyfile(video, partial)
        partial.replace(target)
        return clip

    def painted(self, clip: Clip) -> Path:
        return self.studio.store.root / "painted" / clip.style / clip.name

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send a GraphQL query or mutation; give its only field."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = json.load(answer)
        assert "errors" not in content, content["errors"]
        (field,) = content["data"].values()
        return dict(field)

    def runs(self) -> list[dict[str, Any]]:
        """Every run, the newest first; its tags as a mapping."""
        query = "{runsOrError {... on Runs {results {jobName status tags {key value}}}}}"
        found = self.ask(query)["results"]
        return [{**r, "tags": {t["key"]: t["value"] for t in r["tags"]}} for r in found]

    def rests(self) -> bool:
        """Whether no run is at work or waits."""
        return all(run["status"] in ("SUCCESS", "FAILURE", "CANCELED") for run in self.runs())


@pytest.fixture(scope="package")  # its settings must not outlive these tests
def live(tmp_path_factory: pytest.TempPathFactory, style_file: Path) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    home, store = folder / "home", folder / "store"
    home.mkdir()
    (store / "styles").mkdir(parents=True)
    shutil.copyfile(ROOT / "dagster.yaml", home / "dagster.yaml")
    shutil.copyfile(style_file, store / "styles" / "tiny.safetensors")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with receiving() as webhook, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STYLEJOBS_ALERT_WEBHOOK", webhook.url)
        for name, value in {**_SETTINGS, "STORE": str(store)}.items():
            patch.setenv(f"STYLEJOBS_{name}", value)
        patch.setenv("DAGSTER_HOME", str(home))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        patch.chdir(ROOT)
        dev = ("dagster", "dev", "-h", "127.0.0.1", "-p", str(port))
        with dagster_running(folder / "dagster.log", *dev) as process:
            live = Live(f"http://127.0.0.1:{port}", StudioResource().get(), webhook)

            def answers() -> bool:
                assert process.poll() is None, (folder / "dagster.log").read_text()[-3000:]
                try:
                    live.ask("{answer: __schema {description}}")
                except OSError:
                    return False
                return True

            until(answers, "the start of Dagster")
            yield live
