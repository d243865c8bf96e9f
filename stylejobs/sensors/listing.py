"""The inbox sensor: lists the inbox, and takes in what is new or changed and at rest."""

import time
from collections.abc import Sequence

from dagster import DefaultSensorStatus, SensorEvaluationContext, SensorResult, sensor
from pydantic import Field

from stylejobs.config import Settings
from stylejobs.jobs import paint, prepare
from stylejobs.resources import StudioResource
from stylejobs.sensors.intake import MAX_UPLOADS_PER_TICK, Taken, Upload, crowd, take
from stylejobs.sensors.memory import Cursor, known_versions, present_boundary
from stylejobs.sensors.recipes import ChangedRecipes
from stylejobs.storage.clips import INBOX, Clip
from stylejobs.storage.store import StoreError
from stylejobs.studio import Studio

MAX_PENDING = 200
# A listing of any length costs a tick no more than this; the next tick goes on with it.
MAX_LISTING_SECONDS = 2.0
# Dagster starts a tick every five seconds at best. Where to look costs nothing, a tick goes on
# looking until just before the next one, for a twentieth of the time.
LISTENING_SECONDS = 4.5
_SECONDS_BETWEEN_LOOKS = 0.25
_SHARE_OF_LOOKS = 0.05
# Leaves half of the minute that Dagster gives a tick.
MAX_TICK_SECONDS = 25.0


class InboxCursor(Cursor):
    """
    Attributes:
        growing: clip key to etag of uploads that were not taken yet.
        page: where in the listing the next tick goes on; None for the beginning.
        recipes: style to version of its recipe, when all clips were last looked through.
    """

    growing: dict[str, str] = Field(default_factory=dict)
    page: str | None = None
    recipes: dict[str, str] = Field(default_factory=dict)


@sensor(
    jobs=[prepare, paint],
    minimum_interval_seconds=1,
    # Where messages tell of new uploads, it is for people who do not trust them.
    default_status=(
        DefaultSensorStatus.RUNNING
        if Settings.from_environment().trigger == "listing"
        else DefaultSensorStatus.STOPPED
    ),
    description="Watches `inbox/<style>/` and starts the painting of each new or changed video.",
)
def inbox(context: SensorEvaluationContext, studio: StudioResource) -> SensorResult:
    rules = studio.get()
    rules.prepare_inbox()
    if full := crowd(context.instance, rules.settings):
        return SensorResult(skip_reason=full, cursor=context.cursor)
    last = InboxCursor.model_validate_json(context.cursor or "{}")
    boundary = present_boundary(context.instance)
    new, page = _listen(context, rules, last)
    rested, growing = _at_rest(rules, new, last)
    taken = Taken()
    deadline = time.monotonic() + MAX_TICK_SECONDS
    for clip, upload in rested:
        if len(taken.versions) < MAX_UPLOADS_PER_TICK and time.monotonic() < deadline:
            take(rules, clip, upload, taken)
        else:
            growing.append((clip, upload))
    changed = ChangedRecipes(rules, context.instance, last.recipes)
    taken.events += changed.events()
    cursor = InboxCursor(
        taken=taken.versions,
        boundary=boundary,
        growing={clip.key: upload.etag for clip, upload in growing[:MAX_PENDING]},
        page=page,
        recipes=changed.seen,
    )
    return taken.result(cursor.model_dump_json())


def _listen(
    context: SensorEvaluationContext, studio: Studio, last: InboxCursor
) -> tuple[list[Upload], str | None]:
    """What `_new_uploads` gives, as soon as that is something, or after a while."""
    listens = studio.store.reads_in_place and last.page is None
    end = time.monotonic() + (LISTENING_SECONDS if listens else 0.0)
    while True:
        started = time.monotonic()
        new, page = _new_uploads(context, studio, last)
        now = time.monotonic()
        pause = max(_SECONDS_BETWEEN_LOOKS, (now - started) / _SHARE_OF_LOOKS)
        if new or page is not None or now + pause > end:
            return new, page
        time.sleep(pause)


def _new_uploads(
    context: SensorEvaluationContext, studio: Studio, last: InboxCursor
) -> tuple[list[Upload], str | None]:
    """Uploads that were not taken in this version, and the page to go on with."""
    try:
        return _listed(context, studio, last, last.page)
    except StoreError:
        if last.page is None:
            raise
        return _listed(context, studio, last, None)  # the place in the listing is gone


def _listed(
    context: SensorEvaluationContext, studio: Studio, last: InboxCursor, start: str | None
) -> tuple[list[Upload], str | None]:
    new: list[Upload] = []
    deadline = time.monotonic() + MAX_LISTING_SECONDS
    for page in studio.store.pages(INBOX, start):
        uploads = [(Clip.of_upload(each.path, each.metadata), each) for each in page.objects]
        known = known_versions(context.instance, last, [clip.key for clip, _ in uploads])
        new += [
            (clip, upload)
            for clip, upload in uploads
            if not clip.is_temporary and upload.etag not in known.get(clip.key, ())
        ]
        if len(new) > MAX_UPLOADS_PER_TICK:
            return new, start  # more than this tick takes: the next one looks here again
        start = page.following
        if time.monotonic() > deadline:
            break
    return new, start


def _at_rest(
    studio: Studio, uploads: Sequence[Upload], last: InboxCursor
) -> tuple[list[Upload], list[Upload]]:
    """Split ``uploads`` into those at rest and those that may still be growing.

    At rest is what appears only when it is whole, and what has not changed for the settling time
    by its own clock, or since the last tick. If there is anything else, wait once, so that nobody
    waits for a whole tick.
    """
    settle = studio.settings.settle_seconds
    rested: list[Upload] = []
    growing: list[Upload] = []
    for clip, upload in uploads:
        unchanged = upload.is_whole or last.growing.get(clip.key) == upload.etag
        old = time.time() - upload.changed >= settle
        (rested if unchanged or old else growing).append((clip, upload))
    if growing:
        time.sleep(settle)
    for clip, before in growing.copy():
        growing.remove((clip, before))
        now = studio.store.head(clip.upload_path)
        if now is not None:
            (rested if now.etag == before.etag else growing).append((clip, now))
    return rested, growing
