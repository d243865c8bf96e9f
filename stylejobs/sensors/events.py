"""The queue sensor: takes in the uploads that messages tell of, for inboxes too large to list."""

from dagster import (
    DefaultSensorStatus,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)
from pydantic import Field

from stylejobs.jobs import paint, prepare
from stylejobs.resources import StudioResource
from stylejobs.sensors.intake import MAX_UPLOADS_PER_TICK, Taken, Upload, crowd, take
from stylejobs.sensors.memory import Cursor, known_versions, present_boundary
from stylejobs.sensors.recipes import ChangedRecipes
from stylejobs.storage.clips import Clip
from stylejobs.storage.store import StoreError
from stylejobs.studio import Studio

_SECONDS_TO_NEXT_TRY = 10


class EventsCursor(Cursor):
    """
    Attributes:
        done: message to receipt of what the tick saw to. They are removed in the next one: only
            then it is certain that the tick's runs were started.
        recipes: style to version of its recipe, when all clips were last looked through.
    """

    done: dict[str, str] = Field(default_factory=dict)
    recipes: dict[str, str] = Field(default_factory=dict)


@sensor(
    jobs=[prepare, paint],
    minimum_interval_seconds=1,
    default_status=DefaultSensorStatus.RUNNING,
    description=(
        "Reads Event Grid's messages about new blobs in the inbox from a queue and starts the"
        " painting of each new or changed video."
    ),
)
def inbox_events(context: SensorEvaluationContext, studio: StudioResource) -> SensorResult:
    from stylejobs.storage.inbox_events import Malformed, Message, blob_path

    rules = studio.get()
    queue = studio.events()
    last = EventsCursor.model_validate_json(context.cursor or "{}")
    for message_id, receipt in last.done.items():
        queue.remove(message_id, receipt)
    if full := crowd(context.instance, rules.settings):
        cursor = last.model_copy(update={"done": {}})
        return SensorResult(skip_reason=full, cursor=cursor.model_dump_json())

    boundary = present_boundary(context.instance)
    done: dict[str, str] = {}

    def failed(message: Message, error: Exception) -> None:
        context.log.warning("message %s: %s", message.id, error)
        if message.tries >= rules.settings.event_tries:
            queue.bury(message, str(error))
        else:
            queue.put_back(message, _SECONDS_TO_NEXT_TRY)

    told: dict[str, tuple[Upload, list[Message]]] = {}
    for message in queue.receive():
        try:
            path = blob_path(message.text, rules.settings.inbox_container)
            found = _look(rules, path) if path else None
        except (Malformed, StoreError) as error:
            failed(message, error)
            continue
        if found is None:
            done[message.id] = message.receipt  # gone again, or no concern of ours
        else:
            told.setdefault(found[0].key, (found, []))[1].append(message)

    known = known_versions(context.instance, last, list(told))
    taken = Taken()
    for key, ((clip, upload), messages) in told.items():
        if upload.etag in known.get(key, ()):
            done |= {each.id: each.receipt for each in messages}
            continue
        try:
            if len(taken.versions) < MAX_UPLOADS_PER_TICK:
                take(rules, clip, upload, taken)
        except StoreError as error:
            for message in messages:
                failed(message, error)
            continue
        for message in messages:
            if key in taken.versions:
                done[message.id] = message.receipt
            else:
                queue.put_back(message, 0)  # for the next tick
    changed = ChangedRecipes(rules, context.instance, last.recipes)
    taken.events += changed.events()
    cursor = EventsCursor(taken=taken.versions, boundary=boundary, done=done, recipes=changed.seen)
    return taken.result(cursor.model_dump_json())


def _look(studio: Studio, path: str) -> Upload | None:
    """The upload at ``path`` as it is now; None if there is none.

    Raises:
        StoreError: the account does not say.
    """
    upload = studio.store.head(path)
    if upload is None:
        return None
    clip = Clip.of_upload(path, upload.metadata)
    return None if clip.is_temporary else (clip, upload)
