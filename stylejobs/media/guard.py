"""Probing a stranger's file in a process of its own, within limits of time and memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel, ValidationError

from stylejobs.media.errors import UnusableMedia
from stylejobs.media.manifest import Manifest
from stylejobs.media.probe import Limits, probe

_MEMORY_BYTES = 4 * 2**30


class _Answer(BaseModel):
    manifest: Manifest | None = None
    reason: str = ""
    remedy: str = ""


def probe_guarded(path: Path, limits: Limits, seconds: float) -> Manifest:
    """As ``probe``, but a file that crashes, hangs or swells the decoder harms nobody.

    Raises:
        UnusableMedia: as ``probe``, and when the probe crashes.
        TimeoutError: it took more than ``seconds``.
    """
    command = [sys.executable, "-m", __name__, str(path.resolve()), limits.model_dump_json()]
    try:
        child = subprocess.run(
            command, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"probing took more than {seconds:.0f} s") from None
    try:
        answer = _Answer.model_validate_json(child.stdout)
    except ValidationError:
        raise UnusableMedia(
            "The file is broken: reading it makes the decoder fail.",
            "Convert it to MP4 and upload that.",
        ) from None
    if answer.manifest is None:
        raise UnusableMedia(answer.reason, answer.remedy)
    return answer.manifest


def _main() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    path, limits = sys.argv[1:]
    try:
        answer = _Answer(manifest=probe(Path(path), Limits.model_validate_json(limits)))
    except UnusableMedia as error:
        answer = _Answer(reason=error.reason, remedy=error.remedy)
    sys.stdout.write(answer.model_dump_json())


if __name__ == "__main__":
    _main()
