"""Damages copies of a clip and takes each the whole way: ``python -m … CLIP SEED COUNT``.

Prints one line for each copy: how it ended. Run in a process of its own, with little memory.
"""

import random
import resource
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from stylejobs.media.decode import read_frames
from stylejobs.media.encode import MEZZANINE, SegmentWriter
from stylejobs.media.errors import FramesMismatch, UnusableMedia
from stylejobs.media.normalise import normalise
from stylejobs.media.probe import Limits, probe

_MEMORY_BYTES = 3 * 2**30
_LIMITS = Limits(shards=2, min_shard_frames=1, max_frames=2000, max_pixels=2_000_000)


def mangled(content: bytes, choose: random.Random) -> bytes:
    """Bytes flipped, zeroed, cut out or written twice, in one to eight places."""
    damaged = bytearray(content)
    for _ in range(choose.randint(1, 8)):
        at = choose.randrange(len(damaged))
        length = choose.choice((1, 1, 1, 4, 64))
        kind = choose.choice(("flip", "flip", "zero", "cut", "twice"))
        if kind == "flip":
            damaged[at] ^= 1 << choose.randrange(8)
        elif kind == "zero":
            damaged[at : at + length] = bytes(len(damaged[at : at + length]))
        elif kind == "cut":
            del damaged[at : at + length]
        else:
            damaged[at:at] = damaged[at : at + length]
    return bytes(damaged)


def outcome(path: Path, folder: Path) -> str:
    try:
        manifest = probe(path, _LIMITS)
        for shard in range(2):
            pts = manifest.shard_pts(shard)
            if not pts:
                continue
            part = folder / "part.mp4"
            with SegmentWriter(part, manifest.video, pts, MEZZANINE) as writer:
                for frame in normalise(read_frames(path, manifest, pts), manifest.video):
                    writer.write(frame)
    except (UnusableMedia, FramesMismatch) as refusal:
        return f"refused: {refusal}"
    return "done"


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    clip, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    choose = random.Random(seed)
    content = clip.read_bytes()
    with TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(count):
            path = folder / f"mangled{clip.suffix}"
            path.write_bytes(mangled(content, choose))
            print(outcome(path, folder), flush=True)


if __name__ == "__main__":
    main()
