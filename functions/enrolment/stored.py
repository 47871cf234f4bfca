"""Reads the fields of what is stored: rows of the table, and documents of the bucket.

A later version, or whoever else may write there, may have stored what this version cannot read.
Each reader (``a_text``, …) takes one value; ``required`` and ``optional`` read one field. All raise
``Unreadable``, which names the field and what it takes; ``reading`` adds the row or document.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from functions.enrolment.errors import Unreadable
from functions.enrolment.text import printable_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

R = TypeVar("R")
D = TypeVar("D")
W = TypeVar("W", bound=StrEnum)

# The years 1970 to 9999.
_END_OF_TIME = 253_402_300_800


def required(values: Mapping[str, Any], field: str, read: Callable[[Any], R]) -> R:
    """A field that must be there."""
    if field not in values:
        raise Unreadable(field, "is required")
    return _field(values[field], field, read)


def optional(values: Mapping[str, Any], field: str, read: Callable[[Any], R], default: D) -> R | D:
    """A field, or ``default`` where it is missing or null."""
    value = values.get(field)
    return default if value is None else _field(value, field, read)


def a_text(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise Unreadable("", "takes a text")
    return value


def a_flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Unreadable("", "takes true or false")
    return value


def a_number(value: Any) -> int:
    """A whole number; DynamoDB's are ``Decimal``."""
    try:
        number = int(value)
    except (TypeError, ValueError, ArithmeticError):
        number = None
    if number is None or number != value or isinstance(value, bool):
        raise Unreadable("", "takes a whole number")
    return number


def a_time(value: Any) -> float:
    """A time in epoch seconds."""
    try:
        at = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError, ArithmeticError):
        at = math.nan
    if not 0 <= at < _END_OF_TIME:
        raise Unreadable("", "takes a time in epoch seconds")
    return at


def an_object(value: Any) -> Mapping[str, Any]:
    """An object with fields."""
    if not isinstance(value, dict):
        raise Unreadable("", "takes an object")
    return value


def one_of(kind: type[W]) -> Callable[[Any], W]:
    """A reader of a word of this version."""

    def read(value: Any) -> W:
        if not isinstance(value, str) or value not in set(kind):
            raise Unreadable("", f"takes one of {', '.join(kind)}")
        return kind(value)

    return read


def a_list(read: Callable[[Any], R]) -> Callable[[Any], tuple[R, ...]]:
    """A reader of a list."""

    def read_all(values: Any) -> tuple[R, ...]:
        if not isinstance(values, (list, tuple)):
            raise Unreadable("", "takes a list")
        return tuple(_field(value, f"[{number}]", read) for number, value in enumerate(values))

    return read_all


def a_map(read: Callable[[Any], R]) -> Callable[[Any], dict[str, R]]:
    """A reader of an object whose fields are all of a kind."""

    def read_all(values: Any) -> dict[str, R]:
        return {name: _field(value, name, read) for name, value in an_object(values).items()}

    return read_all


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Name the row or document that cannot be read.

    Raises:
        Unreadable: of within, with ``what`` in its message.
    """
    try:
        yield
    except Unreadable as error:
        raise error.in_place(what) from error


def row_of(item: Mapping[str, Any]) -> str:
    """A row of the table, for messages."""
    return f"row {item.get('pk', '')} {item.get('sk', '')}".rstrip()


def _field(value: Any, field: str, read: Callable[[Any], R]) -> R:
    try:
        return read(value)
    except Unreadable as error:
        raise error.within(printable_key(field)) from None
