"""`stylejobs train` and `stylejobs evaluate`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stylejobs.one_file import CannotDo, style_file
from stylejobs.sample import SAMPLE

if TYPE_CHECKING:
    import numpy as np

    from stylejobs.training.evaluate import StyleScores
    from stylejobs.training.train import Progress, Training

_FRAMES_TO_LEARN = 48  # of the sample, where no photos are given
_HEADER = (
    *("style", "style loss", "content loss", "Ewarp", "Ewarp long", "sharpness", "seams"),
    "gained",
)


def train(arguments: argparse.Namespace) -> int:
    """Train a style from a painting; a run that was stopped goes on where it was."""
    from tqdm import tqdm

    from stylejobs.training.new_style import train_new_style
    from stylejobs.training.perceptual import VGG16Features
    from stylejobs.training.pictures import load_painting
    from stylejobs.training.settings import FINE_TUNING
    from stylejobs.training.style_files import save_style

    arguments.source = arguments.painting  # what errors of reading are about
    name: str = arguments.name or arguments.painting.stem
    out: Path = arguments.out or Path(f"{name}.safetensors")
    if out.suffix != ".safetensors":
        raise CannotDo(f"{out}: let its name end in .safetensors, which holds the style.")
    settings = replace(
        FINE_TUNING, iterations=arguments.iterations, painting_side=arguments.painting_side
    )
    painting = load_painting(arguments.painting)
    with tqdm(total=settings.iterations, unit=" it", desc=name) as bar:

        def show(progress: Progress, training: Training) -> None:
            del training
            bar.update(progress.step - bar.n)
            if progress.step % 10 == 0:
                bar.set_postfix({k: f"{v:.3g}" for k, v in progress.recent(50).items()})

        style = train_new_style(
            painting,
            _photos(arguments.photos),
            VGG16Features(arguments.vgg),
            out.with_suffix(".checkpoint"),
            settings,
            arguments.network,
            arguments.whole_network,
            on_progress=show,
        )
    about = {each: getattr(arguments, each) for each in ("title", "artist", "year")}
    save_style(
        style.weights,
        out,
        {
            **about,
            "training": json.dumps(asdict(style.settings)),
            "began_as": style.began_as,
        },
    )
    out.with_suffix(".checkpoint").unlink()
    print(out)
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Print the scores of styles, and write their contact sheets."""
    from stylejobs.media.preview import contact_sheet
    from stylejobs.scoring.controls import Controls
    from stylejobs.scoring.weights import load_weights
    from stylejobs.training.evaluate import FRAMES_TO_MEASURE, painter
    from stylejobs.training.evaluate import evaluate as measure
    from stylejobs.training.perceptual import VGG16Features
    from stylejobs.training.photos import film_frames
    from stylejobs.training.pictures import fitted, load_painting

    arguments.source = arguments.clip or SAMPLE  # what errors of reading are about
    controls = Controls().with_wishes({"steady": arguments.steady})
    vgg = VGG16Features(arguments.vgg)
    painting = load_painting(arguments.painting) if arguments.painting else None
    photos = [fitted(photo) for photo in _photos(arguments.photos)]
    clip = film_frames(arguments.source, FRAMES_TO_MEASURE, consecutive=True)
    found: dict[str, StyleScores] = {}
    for name in arguments.styles:
        print(f"stylejobs: {name}", file=sys.stderr)
        paint = painter(load_weights(style_file(name, arguments.network)))
        scores = measure(
            paint, paint, photos, clip, painting, vgg, arguments.painting_side, controls
        )
        found[name] = scores
        if arguments.out:
            arguments.out.mkdir(parents=True, exist_ok=True)
            columns = [(photo, paint([photo])[0]) for photo in photos[:: max(1, len(photos) // 4)]]
            sheet = arguments.out / f"{Path(name).stem}.jpg"
            sheet.write_bytes(contact_sheet(columns, 400_000))
    if arguments.json:
        print(json.dumps({name: scores.facts() for name, scores in found.items()}, indent=2))
    else:
        print("\n".join(_table(found)))
    return 0


def _photos(folder: Path | None) -> list[np.ndarray]:
    from stylejobs.training.photos import film_frames, load_photos

    return load_photos(folder) if folder else film_frames(SAMPLE, _FRAMES_TO_LEARN)


def _table(found: dict[str, StyleScores]) -> list[str]:
    lines = ["  ".join(f"{title:>12}" for title in _HEADER)]
    for name, scores in found.items():
        figures = (
            scores.style_loss,
            scores.content_loss,
            scores.warping_error,
            scores.warping_error_long,
            scores.sharpness_kept,
            scores.seam_ratio,
            scores.style_gained,
        )
        lines.append("  ".join([f"{name:>12}", *(f"{figure:>12.4g}" for figure in figures)]))
    return lines
