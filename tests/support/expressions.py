"""The expressions of DynamoDB that Rollcall uses, on plain items."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.aws.rows import Item


def holds(condition: str, item: Item, values: Mapping[str, Any]) -> bool:
    """Whether a condition expression holds: AND before OR, no parentheses."""
    return any(
        all(_is_true(term.strip(), item, values) for term in each.split(" AND "))
        for each in condition.split(" OR ")
    )


def _is_true(term: str, item: Item, values: Mapping[str, Any]) -> bool:
    if there := re.fullmatch(r"attribute_(not_)?exists\((\w+)\)", term):
        return (there[2] in item) is not bool(there[1])
    if less := re.fullmatch(r"(\w+) < (:\w+)", term):
        return less[1] in item and bool(item[less[1]] < values[less[2]])
    if least := re.fullmatch(r"(\w+) >= (:\w+)", term):
        return least[1] in item and bool(item[least[1]] >= values[least[2]])
    if begins := re.fullmatch(r"begins_with\((\w+), (:\w+)\)", term):
        return str(item.get(begins[1], "")).startswith(values[begins[2]])
    if same := re.fullmatch(r"(\w+) = (:\w+)", term):
        return same[1] in item and bool(item[same[1]] == values[same[2]])
    raise NotImplementedError(term)


def updated(item: Item, expression: str, values: Mapping[str, Any]) -> Item:
    after = dict(item)
    for term in re.split(r", (?=\w+ =)", expression.removeprefix("SET ")):
        assignment = re.fullmatch(r"(\w+) = (?:if_not_exists\((\w+), )?(:\w+)\)?", term)
        if assignment is None:
            raise NotImplementedError(expression)
        name, unless, value = assignment.groups()
        after[name] = item[unless] if unless in item else values[value]
    return after
