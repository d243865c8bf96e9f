"""Messages of Event Grid that tell of blobs created in the inbox, in a queue of the account.

They come at least once, in any order, and anybody with access to the queue can write one: a
message only says where to look.

Imports azure-storage-queue: to be imported only where the store is an account.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient, QueueServiceClient

from stylejobs.storage.blob_errors import ObjectGone, explained_for
from stylejobs.storage.clips import INBOX

MOST_AT_A_TIME = 32
# Longer than a tick: what a tick has received, no other one receives.
HIDDEN_SECONDS = 120
_CREATED = "Microsoft.Storage.BlobCreated"
_LONGEST_BURIED = 20_000


class Malformed(Exception):
    """The message is none of Event Grid's. The text says why."""


@dataclass(frozen=True)
class Message:
    """A message that was received.

    Attributes:
        receipt: lets this receiver, and nobody after it, remove the message.
        tries: how often it was received, this time included.
    """

    id: str
    receipt: str
    text: str
    tries: int


class EventQueue:
    """The queue of events, and the queue where those end that nobody could use."""

    def __init__(
        self, service: QueueServiceClient, name: str, poison: str, sas: str | None = None
    ) -> None:
        self._account = str(service.account_name)
        self._sas = sas
        self._queue = service.get_queue_client(name)
        self._poison = service.get_queue_client(poison)

    def receive(self, most: int = MOST_AT_A_TIME) -> list[Message]:
        """Some messages, hidden from others for `HIDDEN_SECONDS`; those left come again.

        Raises:
            StoreError: the queue cannot be read.
        """
        with self._explained(self._queue, "read"):
            pages = self._queue.receive_messages(
                messages_per_page=most, max_messages=most, visibility_timeout=HIDDEN_SECONDS
            )
            return [
                Message(each.id, str(each.pop_receipt), str(each.content), each.dequeue_count or 1)
                for each in pages
            ]

    def remove(self, message_id: str, receipt: str) -> None:
        """Remove a message, unless somebody else has received it since.

        Raises:
            StoreError: the queue cannot be written.
        """
        with suppress(ObjectGone), self._explained(self._queue, "delete"):
            self._queue.delete_message(message_id, receipt)

    def put_back(self, message: Message, seconds: int) -> None:
        """Let a message come again in ``seconds``.

        Raises:
            StoreError: the queue cannot be written.
        """
        with suppress(ObjectGone), self._explained(self._queue, "write"):
            self._queue.update_message(message.id, message.receipt, visibility_timeout=seconds)

    def bury(self, message: Message, reason: str) -> None:
        """Move a message to the poison queue, with the reason.

        Raises:
            StoreError: the queues cannot be written.
        """
        letter = {
            "reason": reason,
            "tries": message.tries,
            "message_id": message.id,
            "message": message.text[:_LONGEST_BURIED],
        }
        with self._explained(self._poison, "write"):
            with suppress(ResourceExistsError):
                self._poison.create_queue()
            self._poison.send_message(json.dumps(letter), time_to_live=-1)
        self.remove(message.id, message.receipt)

    def _explained(self, queue: QueueClient, action: str) -> AbstractContextManager[None]:
        name = queue.queue_name
        place = f"queue '{name}'"
        return explained_for(self._account, place, f"the queue {name}", action, self._sas)


def blob_path(text: str, container: str) -> str | None:
    """Where in the store the blob lies that a message tells of; None if it is none of the inbox.

    Args:
        text: an event in Event Grid's own or the CloudEvents schema, as JSON, plain or in base64.
        container: the account's name of the inbox.

    Raises:
        Malformed: it is no such event.
    """
    event = _event(text)
    kind = event.get("eventType") or event.get("type")
    subject = event.get("subject")
    if not isinstance(kind, str) or not isinstance(subject, str):
        raise Malformed("It has no type and subject of an event.")
    if kind != _CREATED:
        return None
    _, found, place = subject.partition("/containers/")
    name, found_too, blob = place.partition("/blobs/")
    if not (found and found_too and blob):
        raise Malformed("Its subject names no blob.")
    return f"{INBOX}/{blob}" if name == container else None


def _event(text: str) -> Mapping[str, Any]:
    content = text.strip()
    if not content.startswith(("{", "[")):
        try:
            content = base64.b64decode(content, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Malformed("It is neither JSON nor base64.") from None
    try:
        event = json.loads(content)
    except (ValueError, RecursionError):
        raise Malformed("It is no JSON.") from None
    if isinstance(event, list) and len(event) == 1:
        event = event[0]
    if not isinstance(event, dict):
        raise Malformed("It is no event.")
    return event
