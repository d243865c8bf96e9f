"""The reference of the settings: ``python -m stylejobs.reference > docs/configuration.md``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from stylejobs.config import Settings

_HEAD = """# Settings

Environment variables; every process of a deployment needs the same ones. This page is written by
`python -m stylejobs.reference`.

| name | default | meaning |
|---|---|---|
"""


def as_markdown() -> str:
    rows = []
    for fields, meaning in documented():
        names = ", ".join(f"`STYLEJOBS_{field.upper()}`" for field in fields)
        defaults = dict.fromkeys(_default(field) for field in fields)
        rows.append(f"| {names} | {', '.join(defaults)} | {meaning} |\n")
    return _HEAD + "".join(rows)


def documented() -> Iterator[tuple[list[str], str]]:
    """Groups of fields with what the settings' docstring says of them."""
    docstring = inspect.getdoc(Settings) or ""
    attributes = inspect.cleandoc(docstring.partition("Attributes:")[2])
    for entry in re.split(r"\n(?=\S)", attributes):
        # The names may go on over a line's end; so may what is said.
        names, _, meaning = " ".join(entry.split()).partition(": ")
        yield names.split(", "), meaning.replace("``", "`").replace("|", "\\|")


def _default(field: str) -> str:
    default = Settings.model_fields[field].default
    if default is None:
        return "–"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


if __name__ == "__main__":
    print(as_markdown(), end="")
