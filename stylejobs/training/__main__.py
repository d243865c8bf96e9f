"""``python -m stylejobs.training PAINTING --photos DIR --out FILE``."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from tqdm import tqdm

from stylejobs.training.train import TrainingSettings, save_style, train_style


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stylejobs.training",
        description="Train a style from one painting. A killed training goes on where it was.",
    )
    parser.add_argument("painting", type=Path)
    parser.add_argument("--photos", type=Path, required=True, help="folder of content photos")
    parser.add_argument("--out", type=Path, required=True, help="style file (.safetensors)")
    parser.add_argument("--vgg", type=Path, help="VGG16 weights; downloaded when left out")
    parser.add_argument("--title", default="", help="the painting's title, for the style's card")
    parser.add_argument("--artist", default="")
    parser.add_argument("--year", default="")
    for field in fields(TrainingSettings):
        kind = type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    args = parser.parse_args()
    settings = TrainingSettings(**{f.name: getattr(args, f.name) for f in fields(TrainingSettings)})

    with tqdm(total=settings.iterations, unit="it") as bar:

        def show(step: int, losses: dict[str, float]) -> None:
            bar.update(step - bar.n)
            if step % 10 == 0:
                bar.set_postfix({name: f"{loss:.3g}" for name, loss in losses.items()})

        weights = train_style(
            args.painting,
            args.photos,
            args.vgg,
            args.out.with_suffix(".checkpoint"),
            settings,
            show,
        )
    about = {"title": args.title, "artist": args.artist, "year": args.year}
    save_style(weights, args.out, settings, about)
    print(args.out)


if __name__ == "__main__":
    main()
