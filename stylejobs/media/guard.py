"""Probing a stranger's file in a process of its own, within limits of time and memory."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from pydantic import BaseModel, ValidationError

from stylejobs.media.container import MediaFile, size_of
from stylejobs.media.errors import UnusableMedia
from stylejobs.media.manifest import Manifest
from stylejobs.media.probe import Limits, probe
from stylejobs.ranged_file import RangedFile

_MEMORY_BYTES = 4 * 2**30


class _Question(BaseModel):
    """What the process is to do; ``channel`` reads a file that lies elsewhere."""

    file: Path
    size: int
    channel: int | None
    limits: Limits


class _Answer(BaseModel):
    manifest: Manifest | None = None
    reason: str = ""
    remedy: str = ""


def probe_guarded(file: MediaFile, limits: Limits, seconds: float) -> Manifest:
    """As ``probe``, but a file that crashes, hangs or swells the decoder harms nobody.

    Raises:
        UnusableMedia: as ``probe``, and when the probe crashes.
        TimeoutError: it took more than ``seconds``.
    """
    path = file.resolve() if isinstance(file, Path) else Path(file.name)
    with _served(file) as channel:
        question = _Question(file=path, size=size_of(file), channel=channel, limits=limits)
        try:
            child = subprocess.run(
                [sys.executable, "-m", __name__, question.model_dump_json()],
                capture_output=True,
                timeout=seconds,
                stdin=subprocess.DEVNULL,
                pass_fds=() if channel is None else (channel,),
                check=False,
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


@contextmanager
def _served(file: MediaFile) -> Iterator[int | None]:
    """A descriptor over which another process reads ``file``; it gets no credential for it."""
    if isinstance(file, Path):
        yield None
        return
    here, there = Pipe()
    threading.Thread(target=_serve, args=(file, here), daemon=True).start()
    with there:  # once it is closed, the thread ends
        yield there.fileno()


def _serve(file: RangedFile, channel: Connection) -> None:
    # Whatever cannot be read ends the channel: the process sees a file that cannot be read.
    with channel, suppress(Exception):
        while True:
            position, length = (int(word) for word in channel.recv_bytes().split())
            channel.send_bytes(file.read_at(position, length))


def _read_through(channel: Connection, position: int, length: int) -> bytes:
    channel.send_bytes(b"%d %d" % (position, length))
    return channel.recv_bytes()


def _main() -> None:
    import resource
    from functools import partial

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    question = _Question.model_validate_json(sys.argv[1])
    file: MediaFile = question.file
    if question.channel is not None:
        read_at = partial(_read_through, Connection(question.channel))
        file = RangedFile(question.file.name, question.size, read_at)
    try:
        answer = _Answer(manifest=probe(file, question.limits))
    except UnusableMedia as error:
        answer = _Answer(reason=error.reason, remedy=error.remedy)
    sys.stdout.write(answer.model_dump_json())


if __name__ == "__main__":
    _main()
