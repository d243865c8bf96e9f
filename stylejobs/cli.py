"""The command line: paint a file, list styles, compare files, measure, check the installation.

Imports that take time stay inside the functions, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Sequence
from pathlib import Path

from stylejobs.one_file import FAILED, CannotDo, report, style, style_file
from stylejobs.training.settings import FINE_TUNING

_STOPPED = 130
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


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
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stylejobs", description="Paint videos with a style-transfer network."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    paint = commands.add_parser("style", help="paint one video, or make a table of its frames")
    paint.add_argument("source", type=Path, metavar="IN", help="the video to paint")
    paint.add_argument(
        "--style",
        metavar="NAME_OR_FILE",
        help="a shipped style, or a .safetensors or .pth file (default: the first shipped style);"
        " or a blend of styles of one family, as great_wave:0.7,starry_night:0.3;"
        " or a model: package.module:factory, an .onnx, .pt2 or .ts file, or a JSON object as in"
        " STYLEJOBS_MODELS",
    )
    paint.add_argument(
        "--out", type=Path, help="file to write (default: beside IN, with the style's name)"
    )
    _add_runtime(paint)
    _add_controls(paint)
    paint.add_argument(
        "--shards", type=_positive, default=1, metavar="N", help="parts to paint one by one"
    )
    paint.add_argument(
        "--container",
        choices=["auto", "mp4", "mov", "mkv"],
        default="auto",
        help="of the result (default: MP4 unless the sound needs another)",
    )
    paint.add_argument(
        "--codec",
        choices=["h264", "hevc", "av1"],
        default="h264",
        help="of the result (default: h264, which plays everywhere)",
    )
    paint.add_argument(
        "--crf",
        type=int,
        metavar="N",
        help="quality, lower is better (default: 18 for H.264, 20 for HEVC, 24 for AV1)",
    )
    paint.add_argument(
        "--preset", help="speed of the encoder (default: veryfast; 8 for AV1)", metavar="NAME"
    )
    paint.add_argument(
        "--pixel-format",
        choices=["auto", "yuv420p", "yuv444p", "yuv420p10le"],
        default="auto",
        help="of the result (default: 4:2:0 where the size allows it)",
    )
    paint.add_argument(
        "--hdr",
        choices=["tonemap", "refuse"],
        default="tonemap",
        help="what becomes of PQ and HLG video: SDR by BT.2390, or an error (default: tonemap)",
    )
    paint.add_argument(
        "--repair-damage",
        action="store_true",
        help="paint a damaged video, with the last good frame in place of each bad one",
    )
    paint.set_defaults(command=style)

    styles = commands.add_parser("styles", help="list the shipped styles")
    styles.add_argument(
        "--sheet", type=Path, metavar="FILE", help="write a picture painted in each of them, too"
    )
    styles.add_argument(
        "--clip", type=Path, help="to take a frame of (default: the shipped sample)"
    )
    _add_network(styles)
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

    train = commands.add_parser("train", help="make a style from a painting")
    train.add_argument("painting", type=Path, metavar="PAINTING", help="a picture of it")
    train.add_argument("--name", help="of the style (default: the picture's)")
    train.add_argument("--out", type=Path, help="file to write (default: NAME.safetensors)")
    train.add_argument(
        "--whole-network",
        action="store_true",
        help="train all of the network, not only what belongs to the style: slower",
    )
    train.add_argument(
        "--iterations",
        type=_positive,
        default=FINE_TUNING.iterations,
        metavar="N",
        help="at most (default: %(default)s)",
    )
    for about in ("title", "artist", "year"):
        train.add_argument(f"--{about}", default="", help="of the painting, for the style's card")
    _add_learning(train)
    _add_network(train)
    train.set_defaults(command=_train)

    evaluate = commands.add_parser("evaluate", help="measure styles on photos and on a clip")
    evaluate.add_argument("styles", nargs="+", metavar="STYLE", help="names or files")
    evaluate.add_argument("--painting", type=Path, help="for the style loss")
    evaluate.add_argument("--clip", type=Path, help="(default: the shipped sample)")
    evaluate.add_argument(
        "--steady",
        metavar="0..0.8",
        default="0",
        help="measure the clip with so much of the frame before in each frame, as for 'style'",
    )
    evaluate.add_argument("--out", type=Path, help="folder for contact sheets")
    _add_network(evaluate)
    evaluate.add_argument("--json", action="store_true", help="print JSON, for machines")
    _add_learning(evaluate)
    evaluate.set_defaults(command=_evaluate)

    doctor = commands.add_parser("doctor", help="check this installation and say what to do")
    doctor.add_argument("--json", action="store_true", help="for programs")
    doctor.set_defaults(command=_doctor)
    return parser


def _add_controls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strength",
        metavar="0..1",
        help="of the style: 1 is all paint, 0 is the source (default: 1)",
    )
    parser.add_argument(
        "--colours",
        choices=["style", "source"],
        help="source keeps the video's colours and paints only light and dark (default: style)",
    )
    parser.add_argument(
        "--lines",
        metavar="N",
        help="paint at N pixels on the shorter side, deliver at the source's size: faster, with"
        " broader strokes (default: the source's)",
    )
    parser.add_argument(
        "--steady",
        metavar="0..0.8",
        help="against flicker: how much of the frame before, moved along with the picture, is in"
        " each frame (default: 0)",
    )


def _add_runtime(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--backend", choices=["auto", "openvino", "torch"], default="auto")
    _add_network(parser)


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--network",
        choices=["lean", "full"],
        default="lean",
        help="of the shipped styles: lean, for CPUs, or full, for GPUs (default: lean)",
    )


def _add_learning(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--photos", type=Path, metavar="FOLDER", help="(default: frames of the shipped sample)"
    )
    parser.add_argument(
        "--vgg", type=Path, metavar="FILE", help="VGG16's weights (default: torchvision's)"
    )
    parser.add_argument(
        "--painting-side",
        type=_positive,
        default=FINE_TUNING.painting_side,
        metavar="PIXELS",
        help="the painting's shorter side: sets the size of the strokes (default: %(default)s)",
    )


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
    from stylejobs.training.errors import CannotTrain

    if isinstance(error, CannotDo | CannotTrain):
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


def _styles(arguments: argparse.Namespace) -> int:
    from stylejobs.scoring.weights import load_weights, shipped_styles

    shipped = shipped_styles(arguments.network)
    for name, file in shipped.items():
        style = load_weights(file)
        title, artist, year = (style.about.get(key, "?") for key in ("title", "artist", "year"))
        print(f"{name}: {title}, {artist}, {year} (width {style.width})")
    if arguments.sheet:
        if not arguments.sheet.absolute().parent.is_dir():
            raise CannotDo(f"{arguments.sheet.parent}: no such folder. Make it first.")
        from stylejobs.sample import SAMPLE
        from stylejobs.style_sheet import write_sheet
        from stylejobs.training.photos import film_frames

        arguments.source, arguments.out = arguments.clip or SAMPLE, arguments.sheet
        frames = film_frames(arguments.source, 3)
        write_sheet(shipped, frames[len(frames) // 2], arguments.sheet)
        print(arguments.sheet)
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from stylejobs.media.probe import probe
    from stylejobs.media.verify import NO_LIMITS, compare

    differences = compare(arguments.source, arguments.result)
    return report(differences, probe(arguments.source, NO_LIMITS))


def _bench(arguments: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from stylejobs.media.probe import Limits, probe
    from stylejobs.sample import SAMPLE
    from stylejobs.scoring.bench import BenchFailed, Case, measure, report
    from stylejobs.scoring.weights import load_weights

    arguments.source = clip = arguments.source or SAMPLE
    style = style_file(arguments.style, arguments.network)
    # Looked at here, so that a wrong file is explained before anything is started.
    load_weights(style)
    frames = min(arguments.frames, probe(clip, Limits()).frame_count)
    case = Case(str(clip), str(style), frames, arguments.device, arguments.backend)

    def progress(what: str) -> None:
        print(f"stylejobs: {what}", file=sys.stderr)

    try:
        figures = measure(case, arguments.reference, progress)
    except BenchFailed as error:
        raise CannotDo(f"The benchmark failed: {error}") from None
    print(json.dumps(asdict(figures), indent=2) if arguments.json else report(figures))
    return 0


def _train(arguments: argparse.Namespace) -> int:
    from stylejobs.training import commands

    return commands.train(arguments)


def _evaluate(arguments: argparse.Namespace) -> int:
    from stylejobs.training import commands

    return commands.evaluate(arguments)


def _doctor(arguments: argparse.Namespace) -> int:
    from stylejobs import doctor

    return doctor.main(arguments.json)
    return 0
