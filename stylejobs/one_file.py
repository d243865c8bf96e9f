"""Painting one file from the command line, without Dagster: `stylejobs style`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from stylejobs.media.encode import EncoderSettings
    from stylejobs.media.manifest import Manifest
    from stylejobs.media.subtitles import LeftOut
    from stylejobs.scoring.controls import Controls
    from stylejobs.scoring.models import Model
    from stylejobs.scoring.scorer import Record, Scorer, Scores
    from stylejobs.scoring.weights import Network, StyleWeights

FAILED = 1


class CannotDo(Exception):
    """What was asked for cannot be done. The message is for people."""


def style(arguments: argparse.Namespace) -> int:
    """Paint a file as the options say, or make a table of its frames; return the exit status."""
    import numpy as np

    from stylejobs.media.mux import final_suffix, mux_with_sound
    from stylejobs.media.probe import Limits, probe
    from stylejobs.media.verify import compare
    from stylejobs.painting import TABLE_SUFFIX
    from stylejobs.scoring.controls import ShrinkingScorer
    from stylejobs.scoring.records import compare_table

    source: Path = arguments.source
    name, scorer_for = _chosen(arguments)
    controls = _controls(arguments)
    # The floor of frames a shard is for jobs, where a shard costs a start-up; here N means N.
    limits = Limits(shards=arguments.shards, min_shard_frames=1, hdr=arguments.hdr)
    manifest = probe(source, limits)
    size = manifest.video.height, manifest.video.width
    painted_size = controls.painted_size(*size)
    try:
        scorer = scorer_for(*painted_size)
    except ValueError as error:
        raise CannotDo(str(error)) from None
    if painted_size != size:
        scorer = ShrinkingScorer(scorer, *painted_size)
    # Which kind of file to write shows when the model has seen a picture.
    makes = scorer(np.zeros((1, *size, 3), np.uint8))
    paints = makes.pictures is not None
    suffix = TABLE_SUFFIX
    encoder = _encoder(arguments)
    if paints:
        encoder.pixels(manifest.video.width, manifest.video.height)  # refuses what it cannot do
        suffix = final_suffix(manifest, arguments.codec, arguments.container)
    out = _checked_out(source, arguments.out or source.parent, f"{source.stem}-{name}{suffix}")
    # Beside the result, so that the last step is a rename and nothing unfinished has its name.
    with TemporaryDirectory(prefix=".stylejobs-", dir=out.parent) as name_of_folder:
        folder = Path(name_of_folder)
        job = _Job(source, manifest, encoder, controls, arguments.repair_damage)
        segments, table = _score(job, scorer, makes, folder)
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
        return report(differences, manifest)
    print(f"{manifest.frame_count} lines, one a frame")
    return 0


class _Job(NamedTuple):
    source: Path
    manifest: Manifest
    encoder: EncoderSettings
    controls: Controls
    repair: bool


def _chosen(arguments: argparse.Namespace) -> tuple[str, Callable[[int, int], Scorer]]:
    """The name of the style or model that is asked for, and what makes its scorer."""
    from stylejobs.scoring.backends import create_scorer

    if (model := _model(arguments.style)) is not None:
        return model.name, partial(model.scorer, device=arguments.device)
    weights = _weights(arguments.style, arguments.network)
    device, backend = arguments.device, arguments.backend
    name = weights.name.replace(":", "_").replace(",", "-")  # of a blend
    return name, partial(create_scorer, weights, device=device, backend=backend)


def _weights(text: str | None, network: Network) -> StyleWeights:
    """The weights of the style, the file or the blend that ``--style`` names."""
    from stylejobs.scoring.blend import blend, parse_blend
    from stylejobs.scoring.weights import load_weights

    if text is None or Path(text).is_file() or not (parts := parse_blend(text)):
        return load_weights(style_file(text, network))
    return blend([(load_weights(style_file(part, network)), share) for part, share in parts])


def _controls(arguments: argparse.Namespace) -> Controls:
    from stylejobs.scoring.controls import Controls

    asked = {name: getattr(arguments, name) for name in Controls.model_fields}
    return Controls().with_wishes({k: v for k, v in asked.items() if v is not None})


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
        raise CannotDo(f"--style {text}: {faults.strip()}.") from None
    except json.JSONDecodeError as error:
        raise CannotDo(f"--style {text}: this is no JSON object ({error}).") from None


def _encoder(arguments: argparse.Namespace) -> EncoderSettings:
    from pydantic import ValidationError

    from stylejobs.media.encode import EncoderSettings

    try:
        return EncoderSettings(
            codec=arguments.codec,
            crf=arguments.crf,
            preset=arguments.preset,
            pixel_format=arguments.pixel_format,
        )
    except ValidationError as error:
        raise CannotDo(error.errors()[0]["msg"].removeprefix("Value error, ") + ".") from None


def style_file(name: str | None, network: Network) -> Path:
    """The file of a shipped style, or the one that is named."""
    from stylejobs.scoring.weights import shipped_styles

    shipped = shipped_styles(network)
    if name is None:
        if not shipped:
            raise CannotDo("No style is shipped. Name a checkpoint with --style.")
        return next(iter(shipped.values()))
    if name in shipped:
        return shipped[name]
    if not Path(name).is_file():
        raise CannotDo(
            f"{name}: no such style or file."
            f" Shipped styles: {', '.join(shipped) or 'none'}; or give a checkpoint's path."
        )
    return Path(name)


def _checked_out(source: Path, wanted: Path, name: str) -> Path:
    """The absolute path to write: ``wanted``, or ``name`` in it if it is a folder."""
    out = (wanted / name if wanted.is_dir() else wanted).absolute()
    if not out.parent.is_dir():
        raise CannotDo(f"{out.parent}: no such folder. Make it first, or choose another --out.")
    if out.exists() and out.samefile(source):
        raise CannotDo(f"{out}: this is the input. Choose another name with --out.")
    if out.suffix.lower() != Path(name).suffix:
        raise CannotDo(f"{out}: let its name end in {Path(name).suffix}, which holds the result.")
    return out


def _score(
    job: _Job, scorer: Scorer, makes: Scores, folder: Path
) -> tuple[list[Path], Path | None]:
    """Score the source, shard by shard as the jobs do, into files in ``folder``.

    Returns the painted segments, and the table of the records; whichever the model ``makes``.
    """
    from tqdm import tqdm

    from stylejobs.media.colour import from_rgb
    from stylejobs.media.encode import SegmentWriter
    from stylejobs.media.normalise import normalised_frames
    from stylejobs.scoring.controls import finishing
    from stylejobs.scoring.engine import score
    from stylejobs.scoring.records import RecordWriter
    from stylejobs.scoring.steady import FramePlan

    manifest, track = job.manifest, job.manifest.video
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
            piece = range(*manifest.shard_starts[shard : shard + 2])
            if piece:
                plan = FramePlan([piece], job.controls.warm_up)
                scored = [manifest.pts[n] for n in plan.frames]
                pts = manifest.shard_pts(shard)
                file = folder / f"{shard}.mp4"
                frames = normalised_frames(job.source, manifest, scored, job.repair)
                with (
                    SegmentWriter(file, track, pts, job.encoder)
                    if paints
                    else nullcontext() as segment
                ):
                    score(
                        frames,
                        scorer,
                        plan.for_kept(write),
                        track.colour,
                        plan.for_kept(on_frame),
                        finishing(job.controls, plan),
                    )
                segments += [file] if paints else []
    return segments, folder / "table" if tells else None


def report(differences: Sequence[str], manifest: Manifest) -> int:
    """Print the outcome of a comparison and return the exit status."""
    for line in differences:
        print(line)
    if differences:
        return FAILED
    tracks = len(manifest.audio)
    print(
        f"identical: {manifest.frame_count} frames, {manifest.duration:.3f} s,"
        f" {manifest.video.width}×{manifest.video.height}, audio tracks: {tracks}"
    )
    return 0


def _printable(path: Path) -> str:
    """The path for people; a name that is no valid text is spelled out."""
    return str(path).encode(errors="backslashreplace").decode()
