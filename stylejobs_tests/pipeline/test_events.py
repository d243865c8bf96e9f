"""The queue trigger: Event Grid's messages, in any number, order and state."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from azure.storage.queue import QueueClient, QueueServiceClient

from stylejobs.azurite import ACCOUNT_KEY
from stylejobs.sensors import inbox_events
from stylejobs.storage.inbox_events import Malformed, blob_path
from stylejobs.storage.store import StoreError
from stylejobs_tests.emulator import Emulator
from stylejobs_tests.pipeline.desk import STYLE, Desk

Clips = Callable[[str], Path]


def event(container: str, blob: str, kind: str = "Microsoft.Storage.BlobCreated") -> dict:
    """As Event Grid documents it for Blob storage."""
    subject = f"/blobServices/default/containers/{container}/blobs/{blob}"
    return {
        "topic": "/subscriptions/…/storageAccounts/media",
        "subject": subject,
        "eventType": kind,
        "id": "831e1650-001e-001b-66ab-eeb76e069631",
        "eventTime": "2026-06-26T18:41:00.9584103Z",
        "data": {"api": "PutBlockList", "eTag": "0x8D4BCC2E4835CD0", "blobType": "BlockBlob"},
        "dataVersion": "",
        "metadataVersion": "1",
    }


def cloud_event(container: str, blob: str) -> dict:
    old = event(container, blob)
    kept = {key: old[key] for key in ("subject", "id", "data")}
    return {"specversion": "1.0", "source": old["topic"], "type": old["eventType"], **kept}


def in_base64(message: object) -> str:
    return base64.b64encode(json.dumps(message).encode()).decode()


class TestMessages:
    @pytest.mark.parametrize("schema", [event, cloud_event])
    @pytest.mark.parametrize("spelling", [json.dumps, in_base64, lambda m: json.dumps([m])])
    def test_every_schema_and_spelling_is_read(
        self, schema: Callable[..., dict], spelling: Callable[[object], str]
    ) -> None:
        text = spelling(schema("inbox", "mosaic/a b/ü.mp4"))
        assert blob_path(text, "inbox") == "inbox/mosaic/a b/ü.mp4"

    def test_what_is_no_new_upload_is_none_of_ours(self) -> None:
        assert blob_path(json.dumps(event("painted", "a.mp4")), "inbox") is None
        deleted = event("inbox", "a.mp4", "Microsoft.Storage.BlobDeleted")
        assert blob_path(json.dumps(deleted), "inbox") is None

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "no json",
            "{",
            "[" * 100_000,
            "[]",
            "null",
            "{}",
            '{"subject": 1, "type": []}',
            json.dumps({"type": "Microsoft.Storage.BlobCreated", "subject": "/x"}),
            base64.b64encode(b"\xff\xfe").decode(),
        ],
    )
    def test_anything_else_is_malformed(self, text: str) -> None:
        with pytest.raises(Malformed):
            blob_path(text, "inbox")


@pytest.fixture
def queue(account: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[QueueClient]:
    name = f"events-{uuid4().hex[:12]}"
    monkeypatch.setenv("STYLEJOBS_TRIGGER", "queue")
    monkeypatch.setenv("STYLEJOBS_QUEUE_SERVICE", account.queue_url)
    monkeypatch.setenv("STYLEJOBS_EVENTS_QUEUE", name)
    monkeypatch.setenv("STYLEJOBS_POISON_QUEUE", f"{name}-poison")
    monkeypatch.setattr("stylejobs.sensors.events._SECONDS_TO_NEXT_TRY", 0)
    with QueueServiceClient(account.queue_url, credential=ACCOUNT_KEY) as service:
        queue = service.get_queue_client(name)
        queue.create_queue()
        yield queue


@pytest.fixture
def desk(desk: Desk, queue: QueueClient) -> Desk:
    desk.sensor = inbox_events
    return desk


def announce(queue: QueueClient, account: Emulator, path: str) -> None:
    _, _, blob = path.partition("/")
    queue.send_message(in_base64(event(account.containers["inbox"], blob)))


def left_in(queue: QueueClient) -> int:
    return int(queue.get_queue_properties().approximate_message_count or 0)


class TestSensor:
    def test_an_upload_is_painted_once_however_often_it_is_told_of(
        self, desk: Desk, clip: Clips, account: Emulator, queue: QueueClient
    ) -> None:
        video = desk.drop(clip("single_frame.mp4"))
        for _ in range(3):
            announce(queue, account, video.upload_path)
        desk.tick()
        assert [r.job_name for r in desk.requests] == ["prepare", "paint"]
        assert left_in(queue) == 3  # until it is certain that the runs were started
        announce(queue, account, video.upload_path)
        desk.tick()
        desk.tick()
        assert left_in(queue) == 0
        assert len(desk.requests) == 2

    def test_a_late_message_about_an_older_version_starts_nothing_false(
        self, desk: Desk, clip: Clips, account: Emulator, queue: QueueClient
    ) -> None:
        video = desk.drop(clip("single_frame.mp4"), "a.mp4")
        announce(queue, account, video.upload_path)
        desk.drop(clip("cfr.mp4"), "a.mp4")
        announce(queue, account, video.upload_path)
        desk.tick(3)
        assert len(desk.requests) == 2
        assert desk.studio.manifest(desk.studio.workplace(video)).frame_count == 48

    def test_a_message_about_what_is_gone_is_forgotten(
        self, desk: Desk, account: Emulator, queue: QueueClient
    ) -> None:
        announce(queue, account, f"inbox/{STYLE}/gone.mp4")
        desk.tick(2)
        assert (desk.requests, left_in(queue)) == ([], 0)

    def test_a_daemon_that_dies_after_the_tick_loses_nothing(
        self,
        desk: Desk,
        clip: Clips,
        account: Emulator,
        queue: QueueClient,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("stylejobs.storage.inbox_events.HIDDEN_SECONDS", 1)
        video = desk.drop(clip("single_frame.mp4"))
        announce(queue, account, video.upload_path)
        lost = [r.run_key for r in desk.look().run_requests or ()]
        assert len(lost) == 2
        for _ in range(50):
            desk.tick()
            if desk.requests:
                break
            time.sleep(0.1)  # the message comes back when its time is up
        assert [r.run_key for r in desk.requests] == lost

    def test_what_nobody_can_use_ends_in_the_poison_queue_with_the_reason(
        self,
        desk: Desk,
        clip: Clips,
        account: Emulator,
        queue: QueueClient,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("STYLEJOBS_EVENT_TRIES", "3")
        queue.send_message("{ no event")
        video = desk.drop(clip("single_frame.mp4"))
        announce(queue, account, video.upload_path)
        desk.tick()
        assert len(desk.requests) == 2  # it stops nobody
        desk.tick(3)
        assert left_in(queue) == 0
        with QueueServiceClient(account.queue_url, credential=ACCOUNT_KEY) as service:
            poison = service.get_queue_client(f"{queue.queue_name}-poison")
            (buried,) = (json.loads(m.content) for m in poison.receive_messages())
        assert buried["reason"] == "It is no JSON."
        assert buried["message"] == "{ no event"
        assert buried["tries"] == 3

    def test_an_upload_that_cannot_be_painted_is_refused_and_its_message_removed(
        self, desk: Desk, account: Emulator, queue: QueueClient
    ) -> None:
        desk.studio.store.write(f"inbox/{STYLE}/a.mp4", b"no video")
        announce(queue, account, f"inbox/{STYLE}/a.mp4")
        desk.tick(2)
        assert desk.names("rejected") == [f"rejected/{STYLE}/a.mp4.txt"]
        assert left_in(queue) == 0

    def test_a_flood_waits_in_the_queue(
        self, desk: Desk, account: Emulator, queue: QueueClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("stylejobs.sensors.events.MAX_UPLOADS_PER_TICK", 2)
        for number in range(3):
            path = f"inbox/{STYLE}/{number}.mp4"
            desk.studio.store.write(path, b"no video")
            announce(queue, account, path)
        with monkeypatch.context() as crowded:
            crowded.setenv("STYLEJOBS_MAX_QUEUED_RUNS", "0")
            desk.tick()
            assert desk.names("rejected") == []
        counts = []
        for _ in range(3):
            desk.tick()
            counts.append(len(desk.names("rejected")))
        assert counts == [2, 3, 3]
        assert left_in(queue) == 0

    def test_a_queue_that_does_not_exist_is_named(
        self, desk: Desk, account: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STYLEJOBS_EVENTS_QUEUE", "nowhere")
        with pytest.raises(StoreError, match="no queue 'nowhere' of the account"):
            desk.tick()
