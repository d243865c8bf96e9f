"""The clip that comes with the package: for the demo, for measuring, and to learn from."""

from pathlib import Path

SAMPLE = Path(__file__).with_name("samples") / "bunny.mp4"
