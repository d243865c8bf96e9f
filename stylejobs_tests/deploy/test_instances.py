"""The templates of `dagster.yaml`: Dagster itself must take them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster_azure.blob import AzureBlobComputeLogManager

from stylejobs_tests.deploy.installation import DEPLOY

TEMPLATES = sorted((DEPLOY / "dagster").glob("*.yaml"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_dagster_takes_it(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLEJOBS_OPS_ACCOUNT", "stylejobsops")
    monkeypatch.setenv("STYLEJOBS_OPS_KEY", "a2V5")
    monkeypatch.setenv("STYLEJOBS_OPS_ENDPOINT_SUFFIX", "core.localhost:10000")
    monkeypatch.setenv("STYLEJOBS_OPS_LOCAL_DIR", str(tmp_path / "logs"))
    (tmp_path / "dagster.yaml").write_text(template.read_text())
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.run_retries_enabled
        assert instance.run_monitoring_enabled
        assert not instance.telemetry_enabled
        limits = instance.get_concurrency_config()
        assert limits.pool_config.default_pool_limit == 1
        assert limits.run_queue_config
        assert limits.run_queue_config.max_concurrent_runs == 3
        logs = instance.compute_log_manager
        if template.stem == "local":
            assert isinstance(logs, LocalComputeLogManager)
        else:
            assert isinstance(logs, AzureBlobComputeLogManager)
            assert logs._container_client.url.startswith("https://stylejobsops.blob.core.")


def test_they_differ_in_where_logs_go_and_in_nothing_else() -> None:
    settings = {path.stem: yaml.safe_load(path.read_text()) for path in TEMPLATES}
    for each in settings.values():
        each.pop("compute_logs", None)
    assert settings["local"] == settings["azurite"] == settings["azure"]


def test_the_one_at_the_top_is_that_for_one_machine() -> None:
    assert (DEPLOY.parent / "dagster.yaml").read_text() == (TEMPLATES[-1]).read_text()
