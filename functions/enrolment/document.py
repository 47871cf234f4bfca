"""Reads JSON documents written by people. Errors name the field and the allowed values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from functions.enrolment.errors import InvalidInput
from functions.enrolment.text import printable_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")


class Document:
    """A JSON object at a path; reads its fields and refuses unknown ones."""

    def __init__(self, value: object, path: str = "") -> None:
        """
        Raises:
            InvalidInput: ``value`` is not a JSON object.
        """
        if not isinstance(value, dict):
            raise InvalidInput(path or "input", "takes a JSON object")
        self._fields: Mapping[str, Any] = value
        self._path = path
        self._known: set[str] = set()

    def path(self, key: str) -> str:
        """The path of a field, as error messages name it."""
        return _path_of(key, self._path)

    def required(self, key: str, read: Callable[[object, str], T]) -> T:
        """The value of a field that must be present, read by ``read``."""
        self._known.add(key)
        if key not in self._fields:
            raise InvalidInput(self.path(key), "is required")
        return read(self._fields[key], self.path(key))

    def optional(self, key: str, read: Callable[[object, str], T], default: T) -> T:
        """The value of a field, or ``default`` if it is absent or null."""
        self._known.add(key)
        if self._fields.get(key) is None:
            return default
        return read(self._fields[key], self.path(key))

    def close(self) -> None:
        """Refuse every field that was not read."""
        for key in self._fields:
            if key not in self._known:
                known = ", ".join(sorted(self._known))
                raise InvalidInput(self.path(key), f"is not known here; known are {known}")


def _path_of(key: object, parent: str) -> str:
    """A field's path; its key is untrusted and is made printable."""
    shown = printable_key(str(key))
    return f"{parent}.{shown}" if parent else shown


def a_string(most: int) -> Callable[[object, str], str]:
    """Reads a string of 1 to ``most`` characters."""

    def read(value: object, path: str) -> str:
        if not isinstance(value, str) or not 1 <= len(value) <= most:
            raise InvalidInput(path, f"takes a string of 1 to {most} characters")
        return value

    return read


def a_boolean(value: object, path: str) -> bool:
    """Reads true or false."""
    if not isinstance(value, bool):
        raise InvalidInput(path, "takes true or false")
    return value


def a_whole_number(least: int, most: int) -> Callable[[object, str], int]:
    """Reads a whole number between two bounds, both included."""

    def read(value: object, path: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidInput(path, f"takes a whole number from {least} to {most}")
        return value

    return read


def a_duration(value: object, path: str) -> int:
    """Reads a duration such as 90s, 15m, 1h or 14d, in seconds: from one to a year."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", value) if isinstance(value, str) else None
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]] if match else 0
    if not 1 <= seconds <= 365 * 86400:
        raise InvalidInput(path, "takes a duration such as 90s, 15m, 1h or 14d, a year at most")
    return seconds


def a_region(value: object, path: str) -> str:
    """Reads a Region's name. Checks its form, not whether the Region exists."""
    if not isinstance(value, str) or not _REGION.fullmatch(value):
        raise InvalidInput(path, "takes the name of a Region such as eu-west-1")
    return value


def one_of(choices: Mapping[str, T]) -> Callable[[object, str], T]:
    """Reads one of the keys of ``choices`` and returns its value."""

    def read(value: object, path: str) -> T:
        if not isinstance(value, str) or value not in choices:
            raise InvalidInput(path, f"takes one of {', '.join(choices)}")
        return choices[value]

    return read


def a_map(read: Callable[[object, str], T], most: int) -> Callable[[object, str], dict[str, T]]:
    """Reads a JSON object of 1 to ``most`` fields with any names."""

    def read_map(value: object, path: str) -> dict[str, T]:
        if not isinstance(value, dict) or not 1 <= len(value) <= most:
            raise InvalidInput(path, f"takes a JSON object of 1 to {most} fields")
        return {str(key): read(element, _path_of(key, path)) for key, element in value.items()}

    return read_map


def a_list(
    read: Callable[[object, str], T],
    most: int,
    identity: Callable[[T], object] = lambda item: item,
    *,
    least: int = 1,
) -> Callable[[object, str], tuple[T, ...]]:
    """Reads a list of ``least`` to ``most`` items, no two with the same identity."""

    def read_list(value: object, path: str) -> tuple[T, ...]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise InvalidInput(path, f"takes a list of {least} to {most} items")
        items: list[T] = []
        seen: set[object] = set()
        for index, element in enumerate(value):
            item = read(element, f"{path}[{index}]")
            if identity(item) in seen:
                raise InvalidInput(
                    f"{path}[{index}]", "repeats an earlier item; each is given once"
                )
            seen.add(identity(item))
            items.append(item)
        return tuple(items)

    return read_list
