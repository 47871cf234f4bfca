"""EventBridge event patterns, as far as Rollcall's own use them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

ABSENT: dict[str, bool] = {"exists": False}


def hold_to(pattern: Mapping[str, Any], event: object, path: str = "") -> None:
    """Refuse an event that ``pattern`` does not match; leaves are lists of words or ``[ABSENT]``.

    Stricter than EventBridge in one thing: a list in the event is never matched by one of its
    items.

    Raises:
        InvalidInput: naming the first field that differs and what it takes.
    """
    for key, takes in pattern.items():
        field = f"{path}.{key}" if path else key
        there = isinstance(event, dict) and key in event
        value = event[key] if isinstance(event, dict) and there else None
        if isinstance(takes, dict):
            hold_to(takes, value, field)
        elif takes == [ABSENT]:
            if there:
                raise InvalidInput(field, "takes nothing: its presence says that the call failed")
        elif value not in takes:
            words = f"one of {', '.join(takes)}" if len(takes) > 1 else takes[0]
            raise InvalidInput(field, f"takes {words}")


def at(event: object, path: str) -> object:
    """What stands at a dotted path; None where there is nothing."""
    for key in path.split("."):
        event = event.get(key) if isinstance(event, dict) else None
    return event
