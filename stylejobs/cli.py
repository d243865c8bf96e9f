"""The command line: paint a file, list styles, compare files, measure. No Dagster involved.

Imports that take time stay inside the functions, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import errno
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from stylejobs.media.manifest import Manifest
    from stylejobs.media.subtitles import LeftOut
    from stylejobs.scoring.models import Model
    from stylejobs.scoring.scorer import Record, Scorer, Scores

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

    style = commands.add_parser("style", help="paint one video, or make a table of its frames")
    style.add_argument("source", type=Path, metavar="IN", help="the video to paint")
    style.add_argument(
        "--style",
        metavar="NAME_OR_FILE",
        help="a shipped style, or a .safetensors or .pth file (default: the first shipped style);"
        " or a model: package.module:factory, an .onnx, .pt2 or .ts file, or a JSON object as in"
        " STYLEJOBS_MODELS",
    )
    style.add_argument(
        "--out", type=Path, help="file to write (default: beside IN, with the style's name)"
    )
    _add_runtime(style)
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

    bench = commands.add_parser("bench", help="measure how fast this machine paints")
    bench.add_argument(
        "source", type=Path, nargs="?", metavar="CLIP", help="(default: the shipped sample)"
    )
    bench.add_argument("--style", metavar="NAME_OR_CHECKPOINT", help="as for 'style'")
    bench.add_argument(
        "--frames", type=_positive, default=96, metavar="N", help="to paint (default: 96)"
    )
    _add_runtime(bench)
    bench.add_argument(
        "--reference", action="store_true", help="compare with a plain torch loop too"
    )
    bench.add_argument("--json", action="store_true", help="print JSON, for machines")
    bench.set_defaults(command=_bench)
    return parser


def _add_runtime(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--backend", choices=["auto", "openvino", "torch"], default="auto")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _explain(error: Exception, arguments: argparse.Namespace) -> str | None:
    """What went wrong, where, and what to do, in one line; None for a fault of our own."""
    from av import FFmpegError

    from stylejobs.media.errors import FramesMismatch, UnusableMedia
    from stylejobs.scoring.errors import UnusableModel
    from stylejobs.scoring.weights import UnusableStyle

    if isinstance(error, _CannotDo):
        return str(error)
    if isinstance(error, UnusableMedia):
        return f"{arguments.source}: {error.reason} {error.remedy}"
    if isinstance(error, UnusableStyle):
        return f"{error} Choose another file, or a shipped style: see 'stylejobs styles'."
    if isinstance(error, UnusableModel):
        return str(error)
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
    import numpy as np

    from stylejobs.media.mux import final_suffix, mux_with_sound
    from stylejobs.media.probe import Limits, probe
    from stylejobs.media.verify import compare
    from stylejobs.painting import TABLE_SUFFIX
    from stylejobs.scoring.records import compare_table

    source: Path = arguments.source
    name, scorer_for = _chosen(arguments)
    # The floor of frames a shard is for jobs, where a shard costs a start-up; here N means N.
    manifest = probe(source, Limits(shards=arguments.shards, min_shard_frames=1))
    size = manifest.video.height, manifest.video.width
    try:
        scorer = scorer_for(*size)
    except ValueError as error:
        raise _CannotDo(str(error)) from None
    # Which kind of file to write shows when the model has seen a picture.
    makes = scorer(np.zeros((1, *size, 3), np.uint8))
    paints = makes.pictures is not None
    suffix = final_suffix(manifest, container=arguments.container) if paints else TABLE_SUFFIX
    out = _checked_out(source, arguments.out or source.parent, f"{source.stem}-{name}{suffix}")
    # Beside the result, so that the last step is a rename and nothing unfinished has its name.
    with TemporaryDirectory(prefix=".stylejobs-", dir=out.parent) as name_of_folder:
        folder = Path(name_of_folder)
        segments, table = _score(source, manifest, scorer, makes, folder)
        differences = compare_table(manifest, table) if table else []
        left_out: tuple[LeftOut, ...] = ()
        if paints:
            painted = folder / f"painted{suffix}"
            left_out = mux_with_sound(manifest, source, segments, painted)
            differences += compare(source, painted, {each.stream for each in left_out})
            painted.replace(out)
        if table:
            table.replace(out.with_suffix(TABLE_SUFFIX))
    for each in left_out:
        print(f"stylejobs: {each.note}", file=sys.stderr)
    print(_printable(out))
    if table and paints:
        print(_printable(out.with_suffix(TABLE_SUFFIX)))
    if paints or differences:
        return _report(differences, manifest)
    print(f"{manifest.frame_count} lines, one a frame")
    return 0


def _chosen(arguments: argparse.Namespace) -> tuple[str, Callable[[int, int], Scorer]]:
    """The name of the style or model that is asked for, and what makes its scorer."""
    from stylejobs.scoring.backends import create_scorer
    from stylejobs.scoring.weights import load_weights

    if (model := _model(arguments.style)) is not None:
        return model.name, partial(model.scorer, device=arguments.device)
    weights = load_weights(_style_file(arguments.style))
    device, backend = arguments.device, arguments.backend
    return weights.name, partial(create_scorer, weights, device=device, backend=backend)


def _model(text: str | None) -> Model | None:
    """The model that ``--style`` describes; None if it names a style."""
    from pydantic import ValidationError

    from stylejobs.scoring.entry_point import is_entry_point
    from stylejobs.scoring.models import FILES, Model
    from stylejobs.scoring.weights import SUFFIXES

    if text is None:
        return None
    suffix = Path(text).suffix.lower()
    is_file = suffix in FILES and suffix not in SUFFIXES  # .pt holds weights of a style here
    if not (is_file or is_entry_point(text) or text.startswith("{")):
        return None
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # as ``python -m`` does
    try:
        return Model.model_validate(json.loads(text) if text.startswith("{") else text)
    except ValidationError as error:
        faults = "; ".join(".".join(map(str, e["loc"])) + f" {e['msg']}" for e in error.errors())
        raise _CannotDo(f"--style {text}: {faults.strip()}.") from None
    except json.JSONDecodeError as error:
        raise _CannotDo(f"--style {text}: this is no JSON object ({error}).") from None


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


def _score(
    source: Path, manifest: Manifest, scorer: Scorer, makes: Scores, folder: Path
) -> tuple[list[Path], Path | None]:
    """Score ``source``, shard by shard as the jobs do, into files in ``folder``.

    Returns the painted segments, and the table of the records; whichever the model ``makes``.
    """
    from tqdm import tqdm

    from stylejobs.media.colour import from_rgb
    from stylejobs.media.encode import EncoderSettings, SegmentWriter
    from stylejobs.media.normalise import normalised_frames
    from stylejobs.scoring.engine import score
    from stylejobs.scoring.records import RecordWriter

    track = manifest.video
    paints, tells = makes.pictures is not None, makes.records is not None
    segments = []
    # Where nobody watches, a line now and then is enough.
    pace = 0.1 if sys.stderr.isatty() else 5.0

    def on_frame(*_: object) -> None:
        bar.update()

    def write(picture: np.ndarray | None, record: Record | None) -> None:
        if segment and picture is not None:
            segment.write(from_rgb(picture, track.colour, segment.pixel_format))
        if table and record is not None:
            table.write(record)

    with (
        tqdm(
            total=manifest.frame_count, unit=" frames", desc=scorer.device, mininterval=pace
        ) as bar,
        RecordWriter(folder / "table", manifest, range(manifest.frame_count))
        if tells
        else nullcontext() as table,
    ):
        for shard in range(len(manifest.shard_starts) - 1):
            pts = manifest.shard_pts(shard)
            if pts:
                file = folder / f"{shard}.mp4"
                frames = normalised_frames(source, manifest, pts)
                with (
                    SegmentWriter(file, track, pts, EncoderSettings())
                    if paints
                    else nullcontext() as segment
                ):
                    score(frames, scorer, write, track.colour, on_frame)
                segments += [file] if paints else []
    return segments, folder / "table" if tells else None


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


def _bench(arguments: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from stylejobs.media.probe import Limits, probe
    from stylejobs.scoring.bench import SAMPLE, BenchFailed, Case, measure, report
    from stylejobs.scoring.weights import load_weights

    arguments.source = clip = arguments.source or SAMPLE
    style = _style_file(arguments.style)
    # Looked at here, so that a wrong file is explained before anything is started.
    load_weights(style)
    frames = min(arguments.frames, probe(clip, Limits()).frame_count)
    case = Case(str(clip), str(style), frames, arguments.device, arguments.backend)

    def progress(what: str) -> None:
        print(f"stylejobs: {what}", file=sys.stderr)

    try:
        figures = measure(case, arguments.reference, progress)
    except BenchFailed as error:
        raise _CannotDo(f"The benchmark failed: {error}") from None
    print(json.dumps(asdict(figures), indent=2) if arguments.json else report(figures))
    return 0


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
