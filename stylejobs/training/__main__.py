"""``python -m stylejobs.training``: train the styles of a shipped network, all at once."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from torch import Tensor
from tqdm import tqdm

from stylejobs.sample import SAMPLE
from stylejobs.scoring.weights import Network, blocks_of, width_of
from stylejobs.training.evaluate import FRAMES_TO_MEASURE, evaluate, torch_painter
from stylejobs.training.grow import deepened, widened
from stylejobs.training.new_style import shipped_weights
from stylejobs.training.perceptual import VGG16Features
from stylejobs.training.photos import film_frames, load_photos
from stylejobs.training.pictures import fitted, load_painting
from stylejobs.training.settings import TrainingSettings
from stylejobs.training.style_files import save_family
from stylejobs.training.train import SAVE_EVERY, Progress, Training

_CARDS = Path(__file__).with_name("paintings.json")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stylejobs.training",
        description=(
            "Train one network for all the paintings of paintings.json, as the shipped styles"
            " were. A killed training goes on where it was."
        ),
    )
    parser.add_argument("paintings", type=Path, help="folder of NAME.jpg")
    parser.add_argument("--photos", type=Path, required=True, help="folder of content photos")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the styles to")
    parser.add_argument("--vgg", type=Path, help="VGG16's weights (default: torchvision's)")
    parser.add_argument(
        "--start",
        choices=["lean", "full"],
        help="shipped network to begin with; it grows to twice its --width and more --blocks",
    )
    parser.add_argument(
        "--held-out", type=Path, metavar="FOLDER", help="photos to measure the styles on, at last"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    for field in fields(TrainingSettings):
        kind = int if isinstance(field.default, int) else float
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    args = parser.parse_args()
    settings = TrainingSettings(**{f.name: getattr(args, f.name) for f in fields(TrainingSettings)})
    start = _start(args.start, settings, parser)
    cards: dict[str, dict[str, str]] = json.loads(_CARDS.read_text())
    args.out.mkdir(parents=True, exist_ok=True)
    paintings = {name: load_painting(args.paintings / f"{name}.jpg") for name in cards}
    vgg = VGG16Features(args.vgg)
    training = Training(
        paintings,
        load_photos(args.photos),
        vgg,
        args.out / "checkpoint",
        settings,
        start,
        device=args.device,
    )

    def save(scores: Mapping[str, str]) -> None:
        trained = json.dumps({**asdict(settings), "start": args.start})
        about = {
            name: {**card, "training": trained, "scores": scores.get(name, "")}
            for name, card in cards.items()
        }
        save_family(training.weights(), args.out, about)

    with tqdm(total=settings.iterations, unit=" it") as bar:

        def show(progress: Progress) -> None:
            bar.update(progress.step - bar.n)
            if progress.step % SAVE_EVERY == 0:
                bar.set_postfix({name: f"{loss:.3g}" for name, loss in progress.recent().items()})
                save({})

        training.run(show)
    save({})
    if args.held_out:
        photos = [fitted(photo) for photo in load_photos(args.held_out)]
        save(measured(training.weights(), paintings, photos, vgg, settings.painting_side))
    print(args.out)


def measured(
    family: Mapping[str, Mapping[str, Tensor]],
    paintings: Mapping[str, np.ndarray],
    photos: Sequence[np.ndarray],
    vgg: VGG16Features,
    painting_side: int,
) -> dict[str, str]:
    """The scores of each style on photos and on the start of the sample clip, as JSON."""
    clip = film_frames(SAMPLE, FRAMES_TO_MEASURE, consecutive=True)
    scores = {}
    for name, weights in tqdm(family.items(), unit=" styles measured"):
        paint = torch_painter(weights)
        found = evaluate(paint, paint, photos, clip, paintings[name], vgg, painting_side)
        scores[name] = json.dumps(found.facts())
    return scores


def _start(
    network: Network | None, settings: TrainingSettings, parser: argparse.ArgumentParser
) -> Mapping[str, Mapping[str, Tensor]] | None:
    if network is None:
        return None
    family = shipped_weights(network)
    (one, *_) = family.values()
    width, blocks = width_of(one), blocks_of(one)
    if (settings.width, settings.blocks) == (width, blocks):
        return family
    if settings.width != 2 * width or settings.blocks < blocks:
        parser.error(
            f"the {network} network has width {width} and {blocks} blocks: go on with it as it is,"
            " or with twice the width and no fewer blocks"
        )
    return deepened(widened(family), settings.blocks)


if __name__ == "__main__":
    main()
