"""A painting in the store's ``styles/`` becomes a style: found, trained, measured, published.

Knows nothing of Dagster.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from stylejobs.sample import SAMPLE
from stylejobs.scoring.weights import shipped_styles, style_digest
from stylejobs.storage.clips import PLAIN, REJECTED, STYLES, WORK, version_of
from stylejobs.storage.store import StoredObject
from stylejobs.studio import MissingInput, Studio
from stylejobs.training import PICTURE_SUFFIXES
from stylejobs.training.errors import UnusablePicture
from stylejobs.training.settings import FINE_TUNING

if TYPE_CHECKING:
    import numpy as np

    from stylejobs.training.evaluate import StyleScores
    from stylejobs.training.new_style import NewStyle
    from stylejobs.training.train import Progress, Training

# Raise this when the code makes another style of the same painting.
TRAINING_VERSION = "4"
PHOTOS = f"{STYLES}/photos"  # what new styles learn to paint, if people want other than the sample
_MAX_PAINTING_BYTES = 64 * 2**20
_FRAMES_TO_LEARN = 48
_PHOTOS_TO_MEASURE = 4
# A painted photo must come so far from the photo's Gram matrices to the painting's.
LEAST_GAINED = 0.4


@dataclass(frozen=True)
class Painting:
    """A picture that is to become a style of its name."""

    found: StoredObject

    @property
    def style(self) -> str:
        return PurePosixPath(self.found.path).stem

    @property
    def version(self) -> str:
        return version_of(TRAINING_VERSION, self.found.etag)

    @property
    def rejection_path(self) -> str:
        return f"{REJECTED}/{self.found.path}.txt"


@dataclass(frozen=True)
class MadeStyle:
    """A style that was trained and published."""

    path: str
    new: NewStyle
    scores: StyleScores
    sheet: bytes


def paintings(studio: Studio) -> Iterator[Painting]:
    """The pictures in the store's ``styles/``; the settings' models keep their names."""
    taken = {name for name, _ in studio.settings.models}
    for found in studio.store.list(STYLES):
        path = PurePosixPath(found.path)
        if (
            path.suffix.lower() in PICTURE_SUFFIXES
            and len(path.parts) == 2
            and path.stem not in taken
        ):
            yield Painting(found)


def painting_of(studio: Studio, style: str) -> Painting:
    """The painting of a style.

    Raises:
        MissingInput: there is none in the store.
    """
    for painting in paintings(studio):
        if painting.style == style:
            return painting
    raise MissingInput(
        f"There is no painting for '{style}'. Put a picture into {STYLES}/, such as"
        f" {STYLES}/{style}.jpg."
    )


def look_at(studio: Studio, painting: Painting) -> None:
    """Refuse, before a machine is started for it, what cannot be a painting.

    Raises:
        UnusablePicture: it is a link, too large, no picture, or has a name that cannot be shown.
    """
    found = painting.found
    if not PLAIN.fullmatch(painting.style):
        raise UnusablePicture(
            f"{found.path!r}: a style's name has letters, digits, '_', '-' and '.' only."
        )
    if found.is_link:
        raise UnusablePicture(f"{found.path} is a link or a special file. Put the picture there.")
    if found.size > _MAX_PAINTING_BYTES:
        raise UnusablePicture(
            f"{found.path} has {found.size:,} bytes; a painting has at most"
            f" {_MAX_PAINTING_BYTES:,}. Save it smaller."
        )
    with studio.store.open_local(found.path) as file:
        from stylejobs.training.pictures import check_picture

        check_picture(file, PurePosixPath(found.path).name)


def refuse(studio: Studio, painting: Painting, why: str) -> str:
    """Tell who brought the painting why it becomes no style; return the letter's path."""
    letter = (
        f"stylejobs could not make a style of {painting.found.path}\n\n"
        f"Why:        {why}\n"
        "What to do: put another picture in its place.\n\n"
        f"Looked at:  {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime())}\n"
    )
    studio.store.write(painting.rejection_path, letter.encode(errors="replace"))
    return painting.rejection_path


def make_style(
    studio: Studio,
    painting: Painting,
    options: Mapping[str, Any],
    whole_network: bool,
    on_progress: Callable[[Progress, Training], None],
) -> MadeStyle:
    """Train a style, measure it and publish it as ``styles/<name>.safetensors``.

    A training that was killed goes on from its last checkpoint in ``work/``.

    Args:
        options: of `TrainingSettings`, in place of those for fine-tuning.

    Raises:
        UnusablePicture: it is no picture, or no style came of it.
    """
    from stylejobs.scoring.weights import load_weights
    from stylejobs.training.evaluate import evaluate, painter
    from stylejobs.training.new_style import train_new_style
    from stylejobs.training.perceptual import VGG16Features
    from stylejobs.training.pictures import load_painting
    from stylejobs.training.style_files import save_style

    store, settings = studio.store, replace(FINE_TUNING, **options)
    folder = f"{WORK}/{STYLES}/{painting.style}"
    kept = f"{folder}/{painting.version}-{version_of(settings, whole_network)}.checkpoint"
    vgg = VGG16Features(Path(studio.settings.vgg) if studio.settings.vgg else None)
    with store.open_local(painting.found.path) as file:
        picture = load_painting(file)
    photos = content_photos(studio)
    with store.scratch() as scratch:
        checkpoint = scratch / "checkpoint"
        if store.head(kept):
            checkpoint.write_bytes(store.read(kept))
        new = train_new_style(
            picture,
            photos,
            vgg,
            checkpoint,
            settings,
            studio.settings.network,
            whole_network,
            _device(studio),
            on_progress,
            on_save=lambda saved: store.write(kept, saved.read_bytes()),
        )
        file = scratch / f"{painting.style}.safetensors"
        about = {
            "title": painting.style.replace("_", " "),
            "training": json.dumps(asdict(new.settings)),
            "began_as": new.began_as,
            "painting": painting.version,
        }
        save_style(new.weights, file, about)
        paint = painter(load_weights(file), studio.settings.device)
        measured = _some(photos)
        scores = evaluate(paint, paint, measured, [], picture, vgg, settings.painting_side)
        if scores.style_gained < LEAST_GAINED:
            raise UnusablePicture(
                f"the style looks too little like {painting.found.path}: it came"
                f" {scores.style_gained:.0%} of the way, and {LEAST_GAINED:.0%} are asked. Train"
                " it again with the whole network, or choose another picture."
            )
        save_style(new.weights, file, {**about, "scores": json.dumps(scores.facts())})
        path = f"{STYLES}/{painting.style}.safetensors"
        sheet = sheet_of(measured, paint)
        store.publish(file, path)
    store.delete(kept)
    store.delete(painting.rejection_path)
    return MadeStyle(path, new, scores, sheet)


def progress_picture(studio: Studio) -> Callable[[Training], bytes]:
    """Makes a contact sheet of what a style in training makes of some photos."""

    def picture(training: Training) -> bytes:
        from stylejobs.training.evaluate import torch_painter

        photos = content_photos(studio)
        (weights,) = training.weights().values()
        return sheet_of(_some(photos), torch_painter(weights))

    return picture


def measure_style(studio: Studio, style: str) -> tuple[StyleScores, bytes]:
    """The scores of a style on the sample clip, and a contact sheet.

    Raises:
        MissingInput: there is no such style, or it is a model.
    """
    from stylejobs.training.evaluate import FRAMES_TO_MEASURE, evaluate, painter
    from stylejobs.training.perceptual import VGG16Features
    from stylejobs.training.photos import film_frames
    from stylejobs.training.pictures import load_painting

    weights = studio.weights(style)
    vgg = VGG16Features(Path(studio.settings.vgg) if studio.settings.vgg else None)
    picture = None
    for painting in paintings(studio):
        if painting.style == style:
            with studio.store.open_local(painting.found.path) as file:
                picture = load_painting(file)
    paint = painter(weights, studio.settings.device)
    clip = film_frames(SAMPLE, FRAMES_TO_MEASURE, consecutive=True)
    photos = film_frames(SAMPLE, _PHOTOS_TO_MEASURE)
    trained = json.loads(weights.about.get("training", "{}"))
    side = int(trained.get("painting_side", FINE_TUNING.painting_side))
    return evaluate(paint, paint, photos, clip, picture, vgg, side), sheet_of(photos, paint)


def sheet_of(photos: Sequence[np.ndarray], paint: Callable[..., Sequence[np.ndarray]]) -> bytes:
    """A contact sheet: photos above what becomes of them."""
    from stylejobs.media.preview import contact_sheet
    from stylejobs.training.pictures import fitted

    columns = [(fit, paint([fit])[0]) for fit in map(fitted, photos)]
    return contact_sheet(columns)


def _some(photos: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """A few of the photos, evenly spread."""
    return photos[:: max(1, len(photos) // _PHOTOS_TO_MEASURE)][:_PHOTOS_TO_MEASURE]


def content_photos(studio: Studio) -> list[np.ndarray]:
    """What new styles learn to paint: the photos in ``styles/photos/``, or frames of the sample.

    Raises:
        UnusablePicture: one of the photos cannot be read.
    """
    from stylejobs.training.photos import LARGEST_SIDE, film_frames
    from stylejobs.training.pictures import load_picture

    photos = []
    for found in studio.store.list(PHOTOS):
        if PurePosixPath(found.path).suffix.lower() in PICTURE_SUFFIXES and not found.is_link:
            with studio.store.open_local(found.path) as file:
                photos.append(load_picture(file, LARGEST_SIDE))
    return photos or film_frames(SAMPLE, _FRAMES_TO_LEARN)


def shipped_versions(studio: Studio) -> dict[str, str]:
    """The version of each shipped style's weights."""
    styles = shipped_styles(studio.settings.network)
    return {name: style_digest(file) for name, file in styles.items()}


def shipped_cards(studio: Studio, names: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """What the files of shipped styles say: title, artist, year, training, scores."""
    from stylejobs.scoring.weights import load_weights

    styles = shipped_styles(studio.settings.network)
    return {name: load_weights(styles[name]).about for name in names}


def _device(studio: Studio) -> str:
    if studio.settings.device != "auto":
        return studio.settings.device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
