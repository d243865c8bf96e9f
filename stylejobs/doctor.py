"""``stylejobs doctor``: checks an installation and says what to do.

Each check looks at the real thing: it decodes, writes, reads, deletes, loads.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from stylejobs.config import Settings
from stylejobs.storage.clips import INBOX, PAINTED, REJECTED, STYLES, WORK
from stylejobs.studio import Studio

State = Literal["ok", "warning", "fault"]

_DECODERS = ("h264", "hevc", "vp9", "av1", "mpeg4", "aac", "mp3", "opus")
_ENCODERS = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}
_LEAST_FREE_BYTES = 5 * 2**30
_HEARTBEAT_SECONDS = 300.0
_SIGNS = {"ok": "ok", "warning": "look", "fault": "FAULT"}


@dataclass(frozen=True)
class Finding:
    """What a check found; ``remedy`` says what to do, empty where nothing is to be done."""

    about: str
    state: State
    found: str
    remedy: str = ""


def main(as_json: bool) -> int:
    """Print what was found, and return the exit status: 1 if there is a fault."""
    findings = list(examine())
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        print(as_table(findings))
    return int(any(finding.state == "fault" for finding in findings))


def as_table(findings: list[Finding]) -> str:
    width = max(len(finding.about) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{_SIGNS[finding.state]:5}  {finding.about:{width}}  {finding.found}")
        if finding.remedy:
            lines.append(f"{'':5}  {'':{width}}  → {finding.remedy}")
    return "\n".join(lines)


def examine() -> Iterator[Finding]:
    """Check all there is to check; a check that breaks is a finding itself."""
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        yield Finding(
            *("settings", "fault", str(error)),
            remedy="Correct the STYLEJOBS_… variables: see docs/configuration.md.",
        )
        return
    from stylejobs.resources import StudioResource

    studio = StudioResource().get()
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "ffmpeg": lambda: _ffmpeg(settings),
        "processor": _processor,
        "gpu": lambda: _gpu(settings),
        "store": lambda: _store(studio),
        "disk": lambda: _disk(settings),
        "styles": lambda: _styles(studio),
        "dagster": _dagster,
        "operator": lambda: _operator(settings),
    }
    for about, check in checks.items():
        try:
            yield from check()
        except Exception as error:
            yield Finding(
                about, "fault", f"{type(error).__name__}: {error}", "This check itself broke."
            )


def _ffmpeg(settings: Settings) -> Iterator[Finding]:
    import av
    from imageio_ffmpeg import get_ffmpeg_exe

    wanted = [*_DECODERS, _ENCODERS[settings.codec]]
    missing = [name for name in wanted if name not in av.codecs_available]
    version = ".".join(map(str, av.library_versions["libavcodec"]))
    yield Finding(
        "ffmpeg libraries",
        "fault" if missing else "ok",
        f"PyAV {av.__version__}, libavcodec {version}"
        + (f", without {', '.join(missing)}" if missing else ", all codecs"),
        "Install the wheel of `av` from PyPI, not one built on a bare system." if missing else "",
    )
    answer = subprocess.run([get_ffmpeg_exe(), "-version"], capture_output=True, text=True)
    fine = answer.returncode == 0
    yield Finding(
        "ffmpeg program",
        "ok" if fine else "fault",
        answer.stdout.split(" Copyright")[0] if fine else answer.stderr[-200:],
        "" if fine else "Reinstall `imageio-ffmpeg`, or point IMAGEIO_FFMPEG_EXE at an ffmpeg.",
    )


def _processor() -> Iterator[Finding]:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    flags = next((line.split()[2:] for line in lines if line.startswith("flags")), [])
    fast = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    known = not flags or "avx2" in fast
    yield Finding(
        "processor",
        "ok" if known else "warning",
        f"{len(os.sched_getaffinity(0))} cores, {', '.join(fast) or 'no vector extensions named'}",
        "" if known else "Without AVX2, painting on the CPU is several times slower.",
    )


def _gpu(settings: Settings) -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        yield Finding("gpu", "ok", f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB")
        return
    state: State = "ok"
    found, remedy = "none; painting on the CPU", ""
    if shutil.which("nvidia-smi"):
        state, found = "warning", f"there is a driver, but torch {torch.__version__} cannot use it"
        remedy = "Install a CUDA build of torch: see pytorch.org."
    if settings.device == "cuda":
        state, remedy = "fault", remedy or "Set STYLEJOBS_DEVICE=auto, or run where a GPU is."
    yield Finding("gpu", state, found, remedy)


def _store(studio: Studio) -> Iterator[Finding]:
    """Write, read and delete a hidden object in every folder."""
    for folder in (INBOX, WORK, PAINTED, REJECTED, STYLES):
        path = f"{folder}/.doctor-{secrets.token_hex(6)}.tmp"
        content = secrets.token_bytes(16)
        step = "list"
        try:
            next(iter(studio.store.list(folder)), None)
            step = "write"
            studio.store.write(path, content)
            step = "read"
            if studio.store.read(path) != content:
                raise OSError("other bytes came back")
            step = "delete"
            studio.store.delete(path)
        except Exception as error:
            yield Finding(
                f"store {folder}/",
                "fault",
                f"cannot {step}: {error}",
                "Check STYLEJOBS_STORE, that the place exists, and that this user or identity"
                f" may {step} there.",
            )
        else:
            yield Finding(f"store {folder}/", "ok", "list, write, read, delete")


def _disk(settings: Settings) -> Iterator[Finding]:
    place = Path("." if "://" in settings.store else settings.store).resolve()
    free = shutil.disk_usage(place if place.exists() else place.parent).free
    enough = free >= _LEAST_FREE_BYTES
    yield Finding(
        "disk",
        "ok" if enough else "warning",
        f"{free / 2**30:.0f} GiB free at {place}",
        "" if enough else "Free some space: lossless frames take about 1 MB each at 1080p.",
    )


def _styles(studio: Studio) -> Iterator[Finding]:
    names = studio.styles()
    if not names:
        yield Finding("styles", "fault", "none", "Put a checkpoint in the store's styles/.")
    for name in names:
        try:
            scorer = studio.scorer(studio.recipe(name), 64, 64)
        except Exception as error:
            yield Finding(
                f"style {name}", "fault", str(error), f"Replace the file of '{name}' in styles/."
            )
        else:
            yield Finding(f"style {name}", "ok", f"loads; painted on {scorer.device}")


def _dagster() -> Iterator[Finding]:
    from dagster import DagsterInstance

    home = os.environ.get("DAGSTER_HOME")
    if not home:
        yield Finding(
            "dagster instance",
            "warning",
            "DAGSTER_HOME is not set",
            "Set it to the folder with dagster.yaml: without it, history ends with the process.",
        )
        return
    if not (Path(home) / "dagster.yaml").exists():
        yield Finding(
            "dagster instance",
            "fault",
            f"there is no {home}/dagster.yaml",
            "Copy dagster.yaml of this project there; `make dev` does it.",
        )
        return
    with DagsterInstance.from_config(home) as instance:
        runs = instance.get_runs_count()
        storage = type(instance.run_storage).__name__
        yield Finding("dagster instance", "ok", f"{home}, {storage}, {runs} runs")
        yield _heartbeats(instance.get_daemon_heartbeats())


def _heartbeats(heartbeats: object) -> Finding:
    beats = {name: beat for name, beat in dict(heartbeats).items()}  # type: ignore[call-overload]
    start = "Start it: `make dev`, or `dagster-daemon run`. Without it nothing starts by itself."
    if not beats:
        return Finding("dagster daemon", "fault", "it never ran here", start)
    newest = max(beat.timestamp for beat in beats.values())
    age = time.time() - newest
    if age > _HEARTBEAT_SECONDS:
        return Finding("dagster daemon", "fault", f"last heartbeat {age / 60:.0f} min ago", start)
    late = [name for name, beat in beats.items() if newest - beat.timestamp > _HEARTBEAT_SECONDS]
    if late:
        found = f"no heartbeat from {', '.join(late)}"
        return Finding("dagster daemon", "warning", found, "Look into its log, restart it.")
    return Finding("dagster daemon", "ok", f"{len(beats)} loops, last heartbeat {age:.0f} s ago")


def _operator(settings: Settings) -> Iterator[Finding]:
    yield Finding(
        "alerts",
        "ok",
        f"to a webhook, as {settings.alert_format}" if settings.alert_webhook else "off",
    )
    if settings.telemetry == "off":
        yield Finding("telemetry", "ok", "off")
        return
    from stylejobs.telemetry import Telemetry

    try:
        Telemetry.to(settings.telemetry)
    except (ImportError, ValueError) as error:
        extra = {"otlp": "telemetry", "azure": "telemetry-azure"}[settings.telemetry]
        remedy = f"pip install 'stylejobs[{extra}]' -c constraints.txt, and set its address."
        yield Finding("telemetry", "fault", str(error), remedy)
    else:
        yield Finding("telemetry", "ok", f"to {settings.telemetry}")
