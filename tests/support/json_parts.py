"""The parts of a JSON document, and the document with one of them changed."""

from __future__ import annotations

import copy
from typing import Any

Path = tuple[str | int, ...]


def paths(value: Any) -> list[Path]:
    """The path of every part of a JSON value, without that of itself."""
    match value:
        case dict():
            parts = list(value.items())
        case list():
            parts = list(enumerate(value))
        case _:
            return []
    return [(name, *rest) for name, part in parts for rest in ((), *paths(part))]


def changed(document: dict[str, Any], path: Path, *value: Any) -> dict[str, Any]:
    """A copy of the document with another value there, or without any."""
    document = copy.deepcopy(document)
    part: Any = document
    for name in path[:-1]:
        part = part[name]
    if value:
        part[path[-1]] = value[0]
    else:
        del part[path[-1]]
    return document
