"""The command line: paint one file, list the styles, compare two files, check the installation.

Imports that take time stay inside the functions, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stylejobs.media.manifest import Manifest
    from stylejobs.media.subtitles import LeftOut
    from stylejobs.scoring.scorer import Scorer

_FAILED, _STOPPED = 1, 130
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class _CannotDo(Exception):
    """What was asked for cannot be done. The message is for people."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, 1 for a failure, 130 for Ctrl-C."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.command(arguments)
        return status
    except KeyboardInterrupt:
        print("stylejobs: stopped", file=sys.stderr)
        return _STOPPED
    except Exception as error:
        line = _explain(error, arguments)
        if line is None:
            raise
        print(f"stylejobs: error: {line}", file=sys.stderr)
        return _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stylejobs", description="Paint videos with a style-transfer network."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    style = commands.add_parser("style", help="paint one video")
    style.add_argument("source", type=Path, metavar="IN", help="the video to paint")
    style.add_argument(
        "--style",
        metavar="NAME_OR_CHECKPOINT",
        help="a shipped style, or a .safetensors or .pth file (default: the first shipped style)",
    )
    style.add_argument(
        "--out", type=Path, help="file to write (default: beside IN, with the style's name)"
    )
    style.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    style.add_argument("--backend", choices=["auto", "openvino", "torch"], default="auto")
    style.add_argument(
        "--shards", type=_positive, default=1, metavar="N", help="parts to paint one by one"
    )
    style.add_argument(
        "--container",
        choices=["auto", "mp4", "mov", "mkv"],
        default="auto",
        help="of the result (default: MP4 unless the sound needs another)",
    )
    style.set_defaults(command=_style)

    styles = commands.add_parser("styles", help="list the shipped styles")
    styles.set_defaults(command=_styles)

    verify = commands.add_parser("verify", help="compare a painted video with its source")
    verify.add_argument("source", type=Path, metavar="SOURCE")
    verify.add_argument("result", type=Path, metavar="RESULT")
    verify.set_defaults(command=_verify)

    doctor = commands.add_parser("doctor", help="check this installation and say what to do")
    doctor.add_argument("--json", action="store_true", help="for programs")
    doctor.set_defaults(command=_doctor)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _explain(error: Exception, arguments: argparse.Namespace) -> str | None:
    """What went wrong, where, and what to do, in one line; None for a fault of our own."""
    from av import FFmpegError

    from stylejobs.media.errors import FramesMismatch, UnusableMedia
    from stylejobs.scoring.weights import UnusableStyle

    if isinstance(error, _CannotDo):
        return str(error)
    if isinstance(error, UnusableMedia):
        return f"{arguments.source}: {error.reason} {error.remedy}"
    if isinstance(error, UnusableStyle):
        return f"{error} Choose another file, or a shipped style: see 'stylejobs styles'."
    if isinstance(error, FramesMismatch):
        return f"{arguments.source}: {error} Check that it plays to its end, or convert it first."
    if isinstance(error, OSError | FFmpegError):
        cause = error.strerror or str(error)
        if error.errno in _DISK_FULL:
            place = getattr(arguments, "out", None) or arguments.source.parent
            return f"{place}: {cause}. Free some space, or write elsewhere with --out."
        place = error.filename or arguments.source
        return f"{place}: {cause}. Check its name, its folder and its permissions."
    return None


def _style(arguments: argparse.Namespace) -> int:
    from stylejobs.media.mux import final_suffix
    from stylejobs.media.probe import Limits, probe
    from stylejobs.media.verify import compare
    from stylejobs.scoring.backends import create_scorer
    from stylejobs.scoring.weights import load_weights

    source: Path = arguments.source
    weights = load_weights(_style_file(arguments.style))
    # The floor of frames a shard is for jobs, where a shard costs a start-up; here N means N.
    manifest = probe(source, Limits(shards=arguments.shards, min_shard_frames=1))
    suffix = final_suffix(manifest, container=arguments.container)
    name = f"{source.stem}-{weights.name}{suffix}"
    out = _checked_out(source, arguments.out or source.parent, name)
    try:
        scorer = create_scorer(
            weights,
            manifest.video.height,
            manifest.video.width,
            arguments.device,
            arguments.backend,
        )
    except ValueError as error:
        raise _CannotDo(str(error)) from None
    # Beside the result, so that the last step is a rename and nothing unfinished has its name.
    with TemporaryDirectory(prefix=".stylejobs-", dir=out.parent) as folder:
        painted, left_out = _paint(source, manifest, scorer, Path(folder), out.suffix)
        differences = compare(source, painted, {each.stream for each in left_out})
        painted.replace(out)
    for each in left_out:
        print(f"stylejobs: {each.note}", file=sys.stderr)
    print(_printable(out))
    return _report(differences, manifest)


def _style_file(name: str | None) -> Path:
    from stylejobs.scoring.weights import shipped_styles

    shipped = shipped_styles()
    if name is None:
        if not shipped:
            raise _CannotDo("No style is shipped. Name a checkpoint with --style.")
        return next(iter(shipped.values()))
    if name in shipped:
        return shipped[name]
    if not Path(name).is_file():
        raise _CannotDo(
            f"{name}: no such style or file."
            f" Shipped styles: {', '.join(shipped) or 'none'}; or give a checkpoint's path."
        )
    return Path(name)


def _checked_out(source: Path, wanted: Path, name: str) -> Path:
    """The absolute path to write: ``wanted``, or ``name`` in it if it is a folder."""
    out = (wanted / name if wanted.is_dir() else wanted).absolute()
    if not out.parent.is_dir():
        raise _CannotDo(f"{out.parent}: no such folder. Make it first, or choose another --out.")
    if out.exists() and out.samefile(source):
        raise _CannotDo(f"{out}: this is the input. Choose another name with --out.")
    if out.suffix.lower() != Path(name).suffix:
        raise _CannotDo(f"{out}: let its name end in {Path(name).suffix}, which holds the result.")
    return out


def _paint(
    source: Path, manifest: Manifest, scorer: Scorer, folder: Path, suffix: str
) -> tuple[Path, tuple[LeftOut, ...]]:
    """Paint ``source`` in ``folder``, shard by shard as the jobs do.

    Returns the finished file and what of the source it does not have.
    """
    from tqdm import tqdm

    from stylejobs.media.encode import EncoderSettings, SegmentWriter
    from stylejobs.media.mux import mux_with_sound
    from stylejobs.media.normalise import normalised_frames
    from stylejobs.scoring.engine import paint

    track = manifest.video
    segments = []

    def on_frame(*_: object) -> None:
        bar.update()

    # Where nobody watches, a line now and then is enough.
    pace = 0.1 if sys.stderr.isatty() else 5.0
    with tqdm(
        total=manifest.frame_count, unit=" frames", desc=scorer.device, mininterval=pace
    ) as bar:
        for shard in range(len(manifest.shard_starts) - 1):
            pts = manifest.shard_pts(shard)
            if pts:
                segment = folder / f"{shard}.mp4"
                frames = normalised_frames(source, manifest, pts)
                with SegmentWriter(segment, track, pts, EncoderSettings()) as writer:
                    paint(frames, scorer, writer, track.colour, on_frame)
                segments.append(segment)
    painted = folder / f"painted{suffix}"
    return painted, mux_with_sound(manifest, source, segments, painted)


def _styles(arguments: argparse.Namespace) -> int:
    from stylejobs.scoring.weights import load_weights, shipped_styles

    for name, file in shipped_styles().items():
        style = load_weights(file)
        title, artist, year = (style.about.get(key, "?") for key in ("title", "artist", "year"))
        print(f"{name}: {title}, {artist}, {year} (width {style.width})")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from stylejobs.media.probe import probe
    from stylejobs.media.verify import NO_LIMITS, compare

    differences = compare(arguments.source, arguments.result)
    return _report(differences, probe(arguments.source, NO_LIMITS))


def _doctor(arguments: argparse.Namespace) -> int:
    from stylejobs import doctor

    return doctor.main(arguments.json)


def _report(differences: Sequence[str], manifest: Manifest) -> int:
    """Print the outcome of a comparison and return the exit status."""
    for line in differences:
        print(line)
    if differences:
        return _FAILED
    tracks = len(manifest.audio)
    print(
        f"identical: {manifest.frame_count} frames, {manifest.duration:.3f} s,"
        f" {manifest.video.width}×{manifest.video.height}, audio tracks: {tracks}"
    )
    return 0


def _printable(path: Path) -> str:
    """The path for people; a name that is no valid text is spelled out."""
    return str(path).encode(errors="backslashreplace").decode()
