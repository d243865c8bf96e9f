"""``python -m stylejobs.training``: train the styles of a shipped network, all at once."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, fields
from pathlib import Path

from tqdm import tqdm

from stylejobs.training.perceptual import VGG16Features
from stylejobs.training.photos import load_photos
from stylejobs.training.pictures import load_painting
from stylejobs.training.style_files import save_family
from stylejobs.training.train import SAVE_EVERY, Progress, Training, TrainingSettings

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
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    for field in fields(TrainingSettings):
        kind = type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    args = parser.parse_args()
    settings = TrainingSettings(**{f.name: getattr(args, f.name) for f in fields(TrainingSettings)})
    cards: dict[str, dict[str, str]] = json.loads(_CARDS.read_text())
    args.out.mkdir(parents=True, exist_ok=True)
    training = Training(
        {name: load_painting(args.paintings / f"{name}.jpg") for name in cards},
        load_photos(args.photos),
        VGG16Features(args.vgg),
        args.out / "checkpoint",
        settings,
        device=args.device,
    )

    def save() -> None:
        trained = json.dumps(asdict(settings))
        about = {name: {**card, "training": trained} for name, card in cards.items()}
        save_family(training.weights(), args.out, about)

    with tqdm(total=settings.iterations, unit=" it") as bar:

        def show(progress: Progress) -> None:
            bar.update(progress.step - bar.n)
            if progress.step % SAVE_EVERY == 0:
                bar.set_postfix({name: f"{loss:.3g}" for name, loss in progress.recent().items()})
                save()

        training.run(show)
    save()
    print(args.out)


if __name__ == "__main__":
    main()
