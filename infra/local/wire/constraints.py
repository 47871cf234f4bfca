"""What the model demands of a request's parameters, and nothing beyond it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.model import ListShape, MapShape, StringShape, StructureShape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import Shape


class Constraint(StrEnum):
    REQUIRED = "required"
    ENUM = "enum"
    PATTERN = "pattern"
    MIN_LENGTH = "min length"
    MAX_LENGTH = "max length"
    MIN_VALUE = "min value"
    MAX_VALUE = "max value"


@dataclass(frozen=True, slots=True)
class Violation:
    """``path`` names the member from the top of the input, list positions counted from 1."""

    constraint: Constraint
    path: tuple[str, ...]
    value: Any
    demand: str
    sensitive: bool

    def __str__(self) -> str:
        """The sentence AWS's own request validation writes."""
        at = ".".join(part[:1].lower() + part[1:] for part in self.path)
        if self.value is None:
            subject = f"Value null at '{at}'"
        elif self.sensitive:
            subject = f"Value at '{at}'"
        else:
            subject = f"Value '{self.value}' at '{at}'"
        return f"{subject} failed to satisfy constraint: {self.demand}"


def violations(shape: Shape | None, value: Any, path: tuple[str, ...] = ()) -> Iterator[Violation]:
    """Every constraint of ``shape`` that ``value`` breaks, in the model's order.

    Parsing leaves out members that are null; an item of a list or map that is null remains.
    """
    if value is None:
        yield _null(path)
    elif isinstance(shape, StructureShape):
        yield from _structure(shape, value, path)
    elif isinstance(shape, ListShape):
        yield from _length(shape, value, path)
        for position, item in enumerate(value, start=1):
            yield from violations(shape.member, item, (*path, str(position), "member"))
    elif isinstance(shape, MapShape):
        yield from _length(shape, value, path)
        for key, item in value.items():
            yield from violations(shape.key, key, (*path, key, "key"))
            yield from violations(shape.value, item, (*path, key, "value"))
    elif isinstance(shape, StringShape):
        yield from _string(shape, value, path)
    elif shape is not None and shape.type_name in {"integer", "long"}:
        yield from _range(shape, value, path)


def _structure(
    shape: StructureShape, value: dict[str, Any], path: tuple[str, ...]
) -> Iterator[Violation]:
    for name in shape.required_members:
        if name not in value:
            yield _null((*path, name))
    for name, item in value.items():
        yield from violations(shape.members[name], item, (*path, name))


def _null(path: tuple[str, ...]) -> Violation:
    return Violation(Constraint.REQUIRED, path, None, "Member must not be null", sensitive=False)


def _string(shape: StringShape, value: str, path: tuple[str, ...]) -> Iterator[Violation]:
    sensitive = bool(shape.metadata.get("sensitive"))
    yield from _length(shape, value, path)
    if shape.enum and value not in shape.enum:
        demand = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        yield Violation(Constraint.ENUM, path, value, demand, sensitive)
    source = shape.metadata.get("pattern", "")
    pattern = _compiled(source)
    if source and pattern is not None and not pattern.fullmatch(value):
        demand = f"Member must satisfy regular expression pattern: {source}"
        yield Violation(Constraint.PATTERN, path, value, demand, sensitive)


def _length(shape: Shape, value: Any, path: tuple[str, ...]) -> Iterator[Violation]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    sensitive = bool(shape.metadata.get("sensitive"))
    if low is not None and len(value) < low:
        demand = f"Member must have length greater than or equal to {low}"
        yield Violation(Constraint.MIN_LENGTH, path, value, demand, sensitive)
    if high is not None and len(value) > high:
        demand = f"Member must have length less than or equal to {high}"
        yield Violation(Constraint.MAX_LENGTH, path, value, demand, sensitive)


def _range(shape: Shape, value: int, path: tuple[str, ...]) -> Iterator[Violation]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and value < low:
        demand = f"Member must have value greater than or equal to {low}"
        yield Violation(Constraint.MIN_VALUE, path, value, demand, False)
    if high is not None and value > high:
        demand = f"Member must have value less than or equal to {high}"
        yield Violation(Constraint.MAX_VALUE, path, value, demand, False)


@cache
def _compiled(source: str) -> re.Pattern[str] | None:
    """None for a pattern in Java's dialect only (``\\p{L}``): such a value is let through."""
    try:
        return re.compile(source, re.ASCII)
    except re.error:
        return None
