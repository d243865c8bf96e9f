"""The whole pipeline against two emulated accounts, started by messages, under the real daemon."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote

import pytest
import requests
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient
from dagster import DagsterEventType, DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster_graphql.schema import create_schema

from stylejobs.azurite import ACCOUNT_KEY
from stylejobs.dev_azurite import LOGS, OPS_ACCOUNT, OPS_KEY
from stylejobs.media.verify import compare
from stylejobs_tests.emulator import Emulator
from stylejobs_tests.patience import one_at_a_time, until
from stylejobs_tests.pipeline.desk import Desk
from stylejobs_tests.pipeline.test_events import event
from stylejobs_tests.pipeline.test_live import live

__all__ = ["live"]
pytestmark = one_at_a_time
Clips = Callable[[str], Path]


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set before the daemon starts."""
    monkeypatch.setenv("STYLEJOBS_TRIGGER", "queue")
    monkeypatch.setenv("STYLEJOBS_CLEAN_WORK", "true")
    monkeypatch.setenv("STYLEJOBS_ORPHAN_DAYS", "1")


def logs(account: Emulator) -> Iterator[tuple[str, bytes]]:
    with BlobServiceClient(f"{account.blob}/{OPS_ACCOUNT}", credential=OPS_KEY) as service:
        container = service.get_container_client(LOGS)
        for name in container.list_blob_names():
            yield name, container.download_blob(name).readall()


def shown_in_the_ui(instance: DagsterInstance, run_id: str) -> str:
    """What the UI shows as a run's stderr; its link to the whole log leads to the ops account."""
    (captured,) = {
        entry.dagster_event.logs_captured_data.file_key
        for entry in instance.all_logs(run_id, of_type=DagsterEventType.LOGS_CAPTURED)
        if entry.dagster_event
    }
    query = """query logs($key: [String!]!) {
        capturedLogs(logKey: $key) {stderr}
        capturedLogsMetadata(logKey: $key) {stderrDownloadUrl}
    }"""
    key = instance.compute_log_manager.build_log_key_for_run(run_id, captured)
    with WorkspaceProcessContext(instance, None) as webserver:
        answer = create_schema().execute(
            query,
            variable_values={"key": list(key)},
            context_value=webserver.create_request_context(),
        )
    assert answer.errors is None
    assert answer.data
    url = answer.data["capturedLogsMetadata"]["stderrDownloadUrl"]
    assert f"//{OPS_ACCOUNT}.blob." in url
    stderr = answer.data["capturedLogs"]["stderr"]
    assert requests.get(url, timeout=30).text == stderr
    return str(stderr)


def everything_written(desk: Desk, account: Emulator) -> Iterator[tuple[str, bytes]]:
    """All that a run leaves for people to see: event log, logs, metadata, errors, results."""
    for file in desk.folder.rglob("*"):
        if file.is_file():
            yield str(file), file.read_bytes()
    for container in ("work", "painted", "rejected"):
        for path in desk.names(container):
            yield path, desk.studio.store.read(path)
    yield from logs(account)
    yield "instance", json.dumps(desk.instance.info_dict(), default=str).encode()


def test_a_video_told_of_by_a_message_is_painted_cleared_logged_and_no_secret_is_written(
    live: Desk, clip: Clips, account: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = live.drop(clip("cfr.mp4"))
    queues = QueueServiceClient(account.queue_url, credential=ACCOUNT_KEY)
    queue = queues.get_queue_client("inbox-events")
    blob = video.upload_path.partition("/")[2]
    queue.send_message(json.dumps(event(account.containers["inbox"], blob)))
    until(lambda: live.names("painted"), "the delivery")
    assert compare(clip("cfr.mp4"), live.painted(video)) == []
    until(lambda: len(live.names("work")) == 3, "the clearing of the work folder")
    until(lambda: not queue.get_queue_properties().approximate_message_count, "the last message")
    # Runs that fail for want of access write their errors too.
    tokens = [os.environ["STYLEJOBS_SAS"], account.sas("rl"), account.sas(minutes=-5)]
    for token in tokens[1:]:
        monkeypatch.setenv("STYLEJOBS_SAS", token)
        assert not live.run("paint", video, (0, 7), raises=False).success
    time.sleep(1)

    names = [name for name, _ in logs(account)]
    finished = [run.run_id for run in live.instance.get_runs() if run.is_success]
    # On the operator's machine there is no copy of what a run printed: it comes from the account.
    shutil.rmtree(os.environ["STYLEJOBS_OPS_LOCAL_DIR"])
    for run_id in finished:
        assert f"{run_id} - " in shown_in_the_ui(live.instance, run_id)
    assert len(finished) >= 3
    for run_id in finished:
        assert any(run_id in name and name.endswith(".err") for name in names)
        assert any(run_id in name and name.endswith(".out") for name in names)

    secrets = {ACCOUNT_KEY, OPS_KEY}
    for token in tokens:
        signature = parse_qs(token)["sig"][0]
        secrets |= {signature, quote(signature, safe="")}
    seen = 0
    for name, content in everything_written(live, account):
        seen += 1
        for secret in secrets:
            assert secret.encode() not in content, f"a secret is in {name}"
    assert seen > 20
