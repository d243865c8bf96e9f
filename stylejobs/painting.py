"""Painting a shard piece by piece: what is finished survives the loss of the machine.

A piece is a closed group of frames of a few seconds, with a marker of its own. Its path names the
version of the upload, the recipe and its frames, so a run that takes over finds what is done.
Knows nothing of Dagster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from stylejobs.media.colour import from_rgb
from stylejobs.media.decode import read_frames
from stylejobs.media.encode import EncoderSettings, SegmentWriter
from stylejobs.media.manifest import Manifest
from stylejobs.media.probe import probe
from stylejobs.recipe import Recipe
from stylejobs.scoring.controls import finishing
from stylejobs.scoring.engine import Busy, score
from stylejobs.scoring.records import RecordWriter
from stylejobs.scoring.scorer import Record, Scorer
from stylejobs.scoring.steady import FramePlan
from stylejobs.storage.clips import Workplace
from stylejobs.storage.parts import Part, commit_files, commit_group, find_part
from stylejobs.studio import MissingInput, Studio

if TYPE_CHECKING:
    import av
    import numpy as np

# Called after each frame with the figures of this run, the number of the shard's frames that are
# done, and the frame before and after, (H, W, 3) uint8 RGB.
OnFrame = Callable[[Busy, int, "np.ndarray", "np.ndarray | None"], None]

# Takes the files of a finished piece.
Commit = Callable[[range, Sequence[Path]], None]

VIDEO_SUFFIX, TABLE_SUFFIX = ".mp4", ".jsonl"


@dataclass(frozen=True)
class Painted:
    """The pieces of a shard, in order.

    Attributes:
        busy: figures of this run.
        kept: frames that were found finished.
        device: what the scorer runs on; empty if nothing was left to score.
    """

    pieces: Sequence[Part]
    busy: Busy
    kept: int
    device: str


@dataclass(frozen=True)
class ShardWork:
    """A shard that is to be painted.

    Attributes:
        scorer_for: gives the scorer of a recipe for frames of a height and a width.
        again: paint also what is finished.
    """

    studio: Studio
    place: Workplace
    recipe: Recipe
    shard: int
    scorer_for: Callable[[Recipe, int, int], Scorer]
    again: bool = False

    @property
    def path(self) -> str:
        return self.place.styled(self.recipe.version, self.shard)

    def find(self) -> Part | None:
        """The finished shard, unless it is to be painted again."""
        return None if self.again else find_part(self.studio.store, self.path)

    def finish(self, painted: Painted, facts: Mapping[str, Any]) -> Part:
        """Mark the shard as finished, with figures for people."""
        return commit_group(self.studio.store, self.path, painted.pieces, dict(facts))

    def paint(self, on_frame: OnFrame) -> Painted:
        """Paint the pieces that are not there yet, each finished by itself.

        Raises:
            MissingInput: the shard's frames are not cut yet.
        """
        store = self.studio.store
        self._require(self.place.frames(self.shard))
        manifest = self.studio.manifest(self.place)
        paths = self._piece_paths(manifest)
        found = {} if self.again else {piece: find_part(store, paths[piece]) for piece in paths}
        parts = {piece: part for piece, part in found.items() if part}
        kept = sum(part.frames for part in parts.values())
        missing = [piece for piece in paths if piece not in parts]

        def commit(piece: range, files: Sequence[Path]) -> None:
            named = {f"{paths[piece]}{file.suffix}": file for file in files}
            parts[piece] = commit_files(store, paths[piece], named, len(piece), {})

        def after_frame(busy: Busy, before: np.ndarray, after: np.ndarray | None) -> None:
            on_frame(busy, next(done), before, after)

        busy, device, done = Busy(), "", count(kept + 1)
        if missing:
            scorer = self.scorer_for(self.recipe, manifest.video.height, manifest.video.width)
            device = scorer.device
            busy = self._score(manifest, scorer, missing, commit, after_frame)
        return Painted([parts[piece] for piece in paths], busy, kept, device)

    def _piece_paths(self, manifest: Manifest) -> dict[range, str]:
        """The pieces, as ranges of the shard's frames, with their paths, in order."""
        frames = len(manifest.shard_pts(self.shard))
        length = max(1, round(self.studio.settings.segment_seconds * manifest.video.fps))
        pieces = [range(n, min(n + length, frames)) for n in range(0, frames, length)]
        return {
            piece: self.place.styled_piece(self.recipe.version, self.shard, piece.start, piece.stop)
            for piece in pieces
        }

    def _score(
        self,
        manifest: Manifest,
        scorer: Scorer,
        pieces: Sequence[range],
        commit: Commit,
        after_frame: Callable[..., None],
    ) -> Busy:
        settings = self.studio.settings
        controls = self.recipe.controls
        first = manifest.shard_starts[self.shard]
        in_video = [range(first + piece.start, first + piece.stop) for piece in pieces]
        plan = FramePlan(in_video, controls.warm_up)
        with (
            self.studio.store.scratch() as folder,
            self._sources(plan.frames, first) as frames,
            _PieceWriter(folder, manifest, self.shard, pieces, settings.encoder, commit) as writer,
        ):
            busy = score(
                frames,
                scorer,
                plan.for_kept(writer.write),
                manifest.video.colour,
                plan.for_kept(after_frame),
                finishing(controls, plan),
            )
        # Those that only warmed up are no frames of this shard.
        return replace(busy, frames=sum(map(len, pieces)))

    @contextmanager
    def _sources(self, numbers: Sequence[int], first: int) -> Iterator[Iterator[av.VideoFrame]]:
        """Frames of the video by their numbers; the shard begins with ``first``."""
        stretches = _stretches(numbers)
        with ExitStack() as files:

            def opened(path: str) -> tuple[Path, Manifest]:
                file = files.enter_context(self.studio.store.open_local(path))
                return file, probe(file, self.studio.settings.limits)

            shard = opened(self.place.frames(self.shard))
            before = None
            if numbers[0] < first:
                self._require(self.place.lead_in(self.shard), "before those ")
                before = opened(self.place.lead_in(self.shard))

            def read(stretch: range) -> Iterator[av.VideoFrame]:
                if before and stretch.start < first:
                    file, index = before
                    yield from read_frames(file, index, index.pts[stretch.start - first :])
                file, index = shard
                wanted = slice(max(stretch.start - first, 0), stretch.stop - first)
                yield from read_frames(file, index, index.pts[wanted])

            yield chain.from_iterable(map(read, stretches))

    def _require(self, path: str, which: str = "") -> None:
        if find_part(self.studio.store, path) is None:
            raise MissingInput(
                f"The frames {which}of {self.place.clip.upload_path}, shard {self.shard:02d}, are"
                " not there for the present version of the upload. Materialise 'frames' first."
            )


def _stretches(numbers: Sequence[int]) -> list[range]:
    """Ascending numbers as ranges, as few as can be: each start costs a seek and decoding."""
    stretches: list[range] = []
    for number in numbers:
        if stretches and stretches[-1].stop == number:
            stretches[-1] = range(stretches[-1].start, number + 1)
        else:
            stretches.append(range(number, number + 1))
    return stretches


class _PieceWriter:
    """Writes the scores of a shard's frames, one piece after the other.

    Args:
        folder: for files that are being written.
        pieces: ranges of the shard's frames whose scores will come, in order.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        shard: int,
        pieces: Sequence[range],
        encoder: EncoderSettings,
        commit: Commit,
    ) -> None:
        self._folder = folder
        self._manifest = manifest
        self._first = manifest.shard_starts[shard]
        self._pieces = iter(pieces)
        self._encoder = encoder
        self._commit = commit
        self._piece = range(0)
        self._written = 0
        self._open = ExitStack()
        self._files: list[Path] = []
        self._video: SegmentWriter | None = None
        self._table: RecordWriter | None = None

    def write(self, picture: np.ndarray | None, record: Record | None) -> None:
        """Take what the model made of the next frame."""
        if self._written == len(self._piece):
            self._start()
        if picture is not None:
            self._video = self._video or self._open.enter_context(
                SegmentWriter(
                    self._file(VIDEO_SUFFIX),
                    self._manifest.video,
                    [self._manifest.pts[n] for n in self._frames],
                    self._encoder,
                )
            )
            colour = self._manifest.video.colour
            self._video.write(from_rgb(picture, colour, self._video.pixel_format))
        if record is not None:
            self._table = self._table or self._open.enter_context(
                RecordWriter(self._file(TABLE_SUFFIX), self._manifest, self._frames)
            )
            self._table.write(record)
        self._written += 1
        if self._written == len(self._piece):
            self._open.close()
            self._commit(self._piece, self._files)

    def _start(self) -> None:
        self._piece = next(self._pieces)
        self._written = 0
        self._files = []
        self._video = self._table = None

    @property
    def _frames(self) -> range:
        """The piece's frames, by their numbers in the video."""
        return range(self._first + self._piece.start, self._first + self._piece.stop)

    def _file(self, suffix: str) -> Path:
        self._files.append(self._folder / f"styled{suffix}")
        return self._files[-1]

    def __enter__(self) -> _PieceWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop an unfinished piece."""
        self._open.__exit__(kind, error, trace)
