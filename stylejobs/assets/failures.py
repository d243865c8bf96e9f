"""What went wrong, as one sentence in the UI and a letter to the uploader: no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import Failure

from stylejobs.media.errors import FramesMismatch, UnusableMedia
from stylejobs.scoring.errors import UnusableModel
from stylejobs.storage.clips import Clip
from stylejobs.storage.store import StoreError
from stylejobs.studio import MissingInput, NotIdentical, Studio, Superseded
from stylejobs.training.errors import CannotTrain

# On a failure that nobody needs to see to.
SUPERSEDED = "superseded"


@contextmanager
def explained(studio: Studio, clip: Clip | None = None) -> Iterator[None]:
    """Turn the errors that have a cause and a remedy into a Dagster failure that shows them.

    What lies in the upload is also told to its uploader, and is never retried.
    """
    try:
        yield
    except UnusableMedia as error:
        where = f" See {studio.reject(clip, error)}." if clip else ""
        raise Failure(f"{error}{where}", allow_retries=False) from None
    except FramesMismatch as error:
        damage = UnusableMedia(
            f"The video is damaged: {error}",
            "Check that it plays to its end, then upload it again.",
        )
        where = f" See {studio.reject(clip, damage)}." if clip else ""
        raise Failure(f"{damage}{where}", allow_retries=False) from None
    except Superseded as error:
        raise Failure(str(error), metadata={SUPERSEDED: True}, allow_retries=False) from None
    except (CannotTrain, MissingInput, NotIdentical, UnusableModel) as error:
        raise Failure(str(error), allow_retries=False) from None
    except (StoreError, OSError) as error:
        # Worth another try: space may be freed, a disk may come back.
        raise Failure(f"{type(error).__name__}: {error}") from error
