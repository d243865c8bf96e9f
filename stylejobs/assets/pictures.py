"""The picture of the whole flow, as the UI shows it."""

from __future__ import annotations

import base64
from pathlib import Path

FLOW = Path(__file__).parents[1] / "flow.svg"


def flow() -> str:
    """The picture as Markdown that needs no other file."""
    data = base64.b64encode(FLOW.read_bytes()).decode()
    return f"![from the inbox to the painted video](data:image/svg+xml;base64,{data})"
