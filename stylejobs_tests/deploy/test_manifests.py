"""The Kubernetes objects beside the chart."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest

from stylejobs.config import Settings
from stylejobs_tests.deploy.installation import NAMESPACE, helm_values, manifests, named
from stylejobs_tests.pipeline.kubernetes.cluster import SCHEMA


@pytest.mark.parametrize(
    "manifest", manifests(), ids=lambda m: f"{m['kind']} {m['metadata']['name']}"
)
def test_an_api_server_would_take_it(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, SCHEMA, strict=True)
    assert "${" not in str(manifest)


def test_settings_are_ones_that_exist_with_values_that_fit() -> None:
    data = named("ConfigMap", "stylejobs-settings")["data"]
    fields = {name.removeprefix("STYLEJOBS_").lower(): value for name, value in data.items()}
    assert fields.keys() <= Settings.model_fields.keys()
    settings = Settings(**fields)
    assert settings.separate_scoring
    assert settings.store == "https://stylejobsmedia.blob.core.windows.net"


def test_the_charts_pods_use_the_accounts_and_labels_that_the_objects_name() -> None:
    values = helm_values()
    accounts = {m["metadata"]["name"] for m in manifests() if m["kind"] == "ServiceAccount"}
    code = values["dagster-user-deployments"]["serviceAccount"]
    assert {values["serviceAccount"]["name"], code["name"]} == accounts
    assert {m["metadata"]["namespace"] for m in manifests() if "namespace" in m["metadata"]} == {
        NAMESPACE,
        "kube-system",
    }
    assert named("Namespace", NAMESPACE)
    # Pods get the identity's token only with this label.
    label = {"azure.workload.identity/use": "true"}
    (server,) = values["dagster-user-deployments"]["deployments"]
    for pod in (values["dagsterWebserver"], values["dagsterDaemon"], server):
        assert pod["labels"] == label
    assert [each["name"] for each in server["envConfigMaps"]] == ["stylejobs-settings"]


def test_preparation_goes_before_scoring_and_neither_pushes_out_the_other() -> None:
    preparation = named("PriorityClass", "stylejobs-preparation")
    scoring = named("PriorityClass", "stylejobs-scoring")
    assert preparation["value"] > scoring["value"]
    assert {preparation["preemptionPolicy"], scoring["preemptionPolicy"]} == {"Never"}
