"""The infrastructure: it parses, is closed by default, and fits the chart and the code."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import hcl2
import pytest
from dagster_azure.blob import AzureBlobComputeLogManager

from stylejobs.config import Settings
from stylejobs_tests.deploy.installation import (
    DEPLOY,
    NAMESPACE,
    SITE,
    helm_values,
    launcher,
    named,
)

FOLDER = DEPLOY / "terraform"
FILES = sorted(FOLDER.glob("*.tf"))


def _plain(part: Any) -> Any:
    """What the parser read, without the quotes and marks that it keeps."""
    if isinstance(part, dict):
        return {_plain(k): _plain(v) for k, v in part.items() if not k.startswith("__")}
    if isinstance(part, list):
        return [_plain(each) for each in part]
    return part.strip('"') if isinstance(part, str) else part


PARSED = [_plain(hcl2.loads(file.read_text())) for file in FILES]


def _blocks(kind: str) -> Iterator[dict[str, Any]]:
    for parsed in PARSED:
        yield from parsed.get(kind, [])


def resources(kind: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for block in _blocks("resource"):
        found |= block.get(kind, {})
    return found


LOCALS: dict[str, Any] = {}
for block in _blocks("locals"):
    LOCALS |= block
VARIABLES: dict[str, Any] = {}
for block in _blocks("variable"):
    VARIABLES |= block


def test_it_is_formatted() -> None:
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("terraform is not installed")
    done = subprocess.run(
        [terraform, "fmt", "-check", "-diff", FOLDER], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_name_that_is_used_is_defined() -> None:
    text = "\n".join(file.read_text() for file in FILES)
    assert set(re.findall(r"\bvar\.(\w+)", text)) == VARIABLES.keys()
    assert set(re.findall(r"\blocal\.(\w+)", text)) <= LOCALS.keys()
    for kind, name in set(re.findall(r"(?<!data\.)\b((?:azurerm|random)_\w+)\.(\w+)", text)):
        assert name in resources(kind), f"{kind}.{name}"


def test_the_accounts_are_closed_and_know_no_keys() -> None:
    accounts = resources("azurerm_storage_account")
    assert accounts.keys() == {"media", "ops"}
    for account in accounts.values():
        assert account["shared_access_key_enabled"] is False
        assert account["allow_nested_items_to_be_public"] is False
        assert account["https_traffic_only_enabled"] is True
        assert account["min_tls_version"] == "TLS1_2"
        assert account["network_rules"][0]["default_action"] == "Deny"
        for kind in ("delete_retention_policy", "container_delete_retention_policy"):
            assert account["blob_properties"][0][kind][0]["days"] >= 7
    endpoints = LOCALS["private_endpoints"]
    assert {e["account"] for e in endpoints.values()} == {
        f"${{azurerm_storage_account.{name}.id}}" for name in accounts
    }
    assert {e["service"] for e in endpoints.values()} <= LOCALS["private_zones"].keys()


def test_the_containers_and_queues_are_the_stores() -> None:
    settings = Settings()
    assert LOCALS["media_containers"] == list(settings.containers.values())
    (uploads,) = resources("azurerm_eventgrid_system_topic_event_subscription").values()
    inbox = f"/blobServices/default/containers/{settings.inbox_container}/"
    assert uploads["subject_filter"][0]["subject_begins_with"] == inbox
    assert LOCALS["media_queues"] == [settings.events_queue, settings.poison_queue]
    assert uploads["storage_queue_endpoint"][0]["queue_name"] == (
        f'${{azurerm_storage_queue.media["{settings.events_queue}"].name}}'
    )
    logs = helm_values()["computeLogManager"]["config"]["azureBlobComputeLogManager"]
    assert logs["container"] in LOCALS["ops_containers"]
    assert logs["storageAccount"] == SITE["OPS_ACCOUNT"]


def test_each_identity_may_do_what_it_must_and_no_more() -> None:
    grants = {
        (grant["who"], re.findall(r'\["?([\w-]+)', grant["scope"])[0], grant["role"])
        for grant in LOCALS["grants"].values()
        if "[" in grant["scope"]
    }
    reads, writes = "Storage Blob Data Reader", "Storage Blob Data Contributor"
    assert grants == {
        ("pipeline", "inbox", reads),
        ("pipeline", "styles", reads),
        ("pipeline", "work", writes),
        ("pipeline", "painted", writes),
        ("pipeline", "rejected", writes),
        ("pipeline", "inbox-events", "Storage Queue Data Contributor"),
        ("pipeline", "inbox-events-poison", "Storage Queue Data Message Sender"),
        ("pipeline", "compute-logs", writes),
        ("operator", "compute-logs", reads),
        ("reader", "painted", reads),
    }
    on_accounts = {
        (grant["who"], grant["scope"], grant["role"])
        for grant in LOCALS["grants"].values()
        if "[" not in grant["scope"]
    }
    # The UI reads logs by links, which the manager signs with a key that the account gives to its
    # identity: AzureBlobComputeLogManager.download_url_for_type.
    assert on_accounts == {
        ("operator", "${azurerm_storage_account.ops.id}", "Storage Blob Delegator")
    }
    assert helm_values()["computeLogManager"]["type"] == AzureBlobComputeLogManager.__name__
    assert hasattr(AzureBlobComputeLogManager, "_request_user_delegation_key")
    (uploader,) = resources("azurerm_role_definition").values()
    actions = [a.rpartition("/blobs/")[2] for a in uploader["permissions"][0]["data_actions"]]
    assert actions == ["write", "add/action"]
    assert "actions" not in uploader["permissions"][0]


def test_pods_get_the_identities_through_the_accounts_that_they_run_under() -> None:
    accounts = LOCALS["service_accounts"]
    assert LOCALS["namespace"] == NAMESPACE
    assert accounts.keys() <= set(LOCALS["identities"])
    values = helm_values()
    assert accounts == {
        "pipeline": launcher(values)["config"]["service_account_name"],
        "operator": values["serviceAccount"]["name"],
    }
    for identity, account in accounts.items():
        annotations = named("ServiceAccount", account)["metadata"]["annotations"]
        client = annotations["azure.workload.identity/client-id"]
        assert client == SITE[f"{identity.upper()}_CLIENT_ID"]
    (credential,) = resources("azurerm_federated_identity_credential").values()
    assert credential["subject"] == "system:serviceaccount:${local.namespace}:${each.value}"


def nodes_of(pool: str) -> tuple[dict[str, str], set[tuple[str, str, str]]]:
    """The labels and taints of a pool's nodes."""
    node_pool = resources("azurerm_kubernetes_cluster_node_pool")[pool]
    pairs = re.findall(r'"([\w./-]+)" ?[=:] ?"(\w+)"', str(node_pool["node_labels"]))
    labels = dict(pairs) or node_pool["node_labels"]
    taints = re.findall(r"([\w./-]+)=(\w+):(\w+)", str(node_pool.get("node_taints", "")))
    return labels, set(taints)


def test_runs_find_and_tolerate_the_nodes_of_their_pool() -> None:
    config = launcher(helm_values())["config"]
    everything = config["run_k8s_config"]["pod_spec_config"]
    scoring = config["pool_k8s_config"]["scoring"]["pod_spec_config"]
    for pool, pod in (("cpu", everything), ("gpu", scoring)):
        labels, taints = nodes_of(pool)
        assert pod["node_selector"].items() <= labels.items()
        tolerated = {(t["key"], t["value"], t["effect"]) for t in pod.get("tolerations", ())}
        assert tolerated == taints
    plugin = named("DaemonSet", "nvidia-device-plugin")["spec"]["template"]["spec"]
    assert plugin["nodeSelector"].items() <= nodes_of("gpu")[0].items()
    assert plugin["tolerations"] == scoring["tolerations"]
    (cluster,) = resources("azurerm_kubernetes_cluster").values()
    control = cluster["default_node_pool"][0]["node_labels"]
    assert helm_values()["dagsterDaemon"]["nodeSelector"] == control


def test_nothing_but_the_control_plane_is_there_when_idle() -> None:
    for pool in ("cpu", "gpu"):
        node_pool = resources("azurerm_kubernetes_cluster_node_pool")[pool]
        assert node_pool["auto_scaling_enabled"] is True
        assert node_pool["min_count"] == f"${{var.{pool}_min_nodes}}"
        assert VARIABLES[f"{pool}_min_nodes"]["default"] == 0


def test_as_many_gpus_as_runs_may_score() -> None:
    values = helm_values()
    gpus = VARIABLES["gpu_max_nodes"]["default"]
    assert values["concurrency"]["pools"]["defaultLimit"] == gpus
    settings = named("ConfigMap", "stylejobs-settings")["data"]
    assert int(settings["STYLEJOBS_SCORING_MACHINES"]) == gpus
    assert int(settings["STYLEJOBS_SHARDS"]) % gpus == 0


def test_as_many_cpu_nodes_as_all_runs_may_need() -> None:
    values = helm_values()
    runs = values["concurrency"]["runs"]["maxConcurrentRuns"]
    assert runs > values["concurrency"]["pools"]["defaultLimit"]  # scoring never blocks the rest
    container = launcher(values)["config"]["run_k8s_config"]["container_config"]
    (cpus,) = re.findall(r"Standard_D(\d+)", VARIABLES["cpu_vm_size"]["default"])
    # Kubernetes and its agents take less than one CPU of a node.
    on_a_node = (int(cpus) - 1) // int(container["resources"]["requests"]["cpu"])
    assert on_a_node * VARIABLES["cpu_max_nodes"]["default"] >= runs


def test_it_gives_all_that_is_left_to_be_filled_in() -> None:
    text = (FOLDER / "outputs.tf").read_text()
    given = set(re.findall(r"^    ([A-Z_]+)=", text, re.MULTILINE))
    files = [*(DEPLOY / "helm").glob("*.yaml"), *(DEPLOY / "kubernetes").glob("*.yaml")]
    wanted = {name for file in files for name in re.findall(r"\$\{([A-Z_]+)\}", file.read_text())}
    assert wanted == given == SITE.keys()


def test_the_database_is_the_one_that_the_chart_expects() -> None:
    values: dict[str, Any] = helm_values()["postgresql"]
    (server,) = resources("azurerm_postgresql_flexible_server").values()
    (database,) = resources("azurerm_postgresql_flexible_server_database").values()
    assert values["postgresqlUsername"] == server["administrator_login"]
    assert values["postgresqlDatabase"] == database["name"]
    assert server["public_network_access_enabled"] is False
