"""What goes wrong with an account, in one sentence that says what to do.

The SDK's own errors are never passed on: they can hold the URL of the request, with the SAS.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceModifiedError,
)

from stylejobs.storage.account import sas_expiry
from stylejobs.storage.store import StoreError

_BUSY = {408, 429, 500, 502, 503, 504}
_MISSING_PLACE = {"ContainerNotFound", "ContainerBeingDeleted", "QueueNotFound"}
# Somebody else has received the message since.
_TAKEN = "PopReceiptMismatch"


class ObjectGone(StoreError):
    """There is no such object."""


class ObjectChanged(StoreError):
    """The object was replaced while it was read."""


class AccessDenied(StoreError):
    """The credential does not allow it."""


@contextmanager
def explained_for(
    account: str, place: str, path: str, action: str, sas: str | None
) -> Iterator[None]:
    """Turn the SDK's errors into a `StoreError`.

    Args:
        place: the container or queue, as an error names it.
        path: the object, as an error names it.
        action: what was tried, as an infinitive: "read", "list", …
        sas: the token in use, for its expiry; None for an identity or a key.
    """
    where = f"{place} of the account '{account}'"
    try:
        yield
    except ResourceModifiedError:
        raise ObjectChanged(f"{path} was replaced while it was read.") from None
    except ClientAuthenticationError as error:
        raise AccessDenied(_denied(error, action, where, sas)) from None
    except HttpResponseError as error:
        code = getattr(error, "error_code", None) or ""
        code = str(getattr(code, "value", code))
        if error.status_code == 404 and code in _MISSING_PLACE:
            raise StoreError(
                f"There is no {where}. Create it, or name another in the settings."
            ) from None
        if error.status_code == 404 or code == _TAKEN:
            raise ObjectGone(f"{path} is not in {where}.") from None
        if error.status_code in (401, 403):
            raise AccessDenied(_denied(error, action, where, sas)) from None
        if error.status_code == 412:
            raise ObjectChanged(f"{path} was replaced while it was read.") from None
        if error.status_code in _BUSY:
            raise StoreError(
                f"The account '{account}' is too busy to {action} {path}"
                f" ({error.status_code} {code}), also after several tries. Try again later."
            ) from None
        if error.status_code is None:  # the connection was lost in the middle of the answer
            raise _unreachable(account, action, path, error) from None
        reason = code or type(error).__name__
        raise StoreError(
            f"The account '{account}' did not {action} {path}: {error.status_code} {reason}."
        ) from None
    except AzureError as error:
        raise _unreachable(account, action, path, error) from None


def _unreachable(account: str, action: str, path: str, error: AzureError) -> StoreError:
    return StoreError(
        f"The account '{account}' could not be reached to {action} {path}, also after several"
        f" tries ({type(error).__name__})."
    )


def _denied(error: AzureError, action: str, where: str, sas: str | None) -> str:
    if sas is None:
        if getattr(error, "response", None) is None:
            return (
                "No identity is available here to use the account with. Give this machine or pod a"
                " managed or workload identity, or set STYLEJOBS_SAS."
            )
        return (
            f"The identity may not {action} in {where}. Give it the role"
            " 'Storage Blob Data Contributor', or 'Storage Queue Data Contributor', there."
        )
    expiry = sas_expiry(sas)
    if expiry and _is_past(expiry):
        return f"The SAS token for {where} expired at {expiry}. Set STYLEJOBS_SAS to a new one."
    return (
        f"The SAS token does not allow to {action} in {where}. Use one made for it,"
        " with the permissions read, add, create, write, delete and list; for a queue, process and"
        " update as well."
    )


def _is_past(moment: str) -> bool:
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return False
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) < datetime.now(UTC)
