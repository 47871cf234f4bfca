"""The part of EventBridge's event patterns that Rollcall uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

ABSENT: dict[str, bool] = {"exists": False}


def require_match(pattern: Mapping[str, Any], event: object, path: str = "") -> None:
    """Refuse an event that ``pattern`` does not match.

    Leaves are lists of words, ``[ABSENT]`` or ``[{"wildcard": …}]``, in which ``*`` is any text.

    Unlike in EventBridge, a list in the event does not match because one of its items does.

    Raises:
        InvalidInput: names the first field that differs and the allowed values.
    """
    for key, takes in pattern.items():
        field = f"{path}.{key}" if path else key
        present = isinstance(event, dict) and key in event
        value = event[key] if isinstance(event, dict) and present else None
        if isinstance(takes, dict):
            require_match(takes, value, field)
        elif takes == [ABSENT]:
            if present:
                raise InvalidInput(field, "takes nothing: its presence says that the call failed")
        elif isinstance(takes[0], dict):
            if not _is_like(value, takes[0]["wildcard"]):
                raise InvalidInput(field, f"takes a text like {takes[0]['wildcard']}")
        elif value not in takes:
            words = f"one of {', '.join(takes)}" if len(takes) > 1 else takes[0]
            raise InvalidInput(field, f"takes {words}")


def matches(pattern: Mapping[str, Any], event: object) -> bool:
    """Whether ``pattern`` matches an event, by the rules of ``require_match``."""
    try:
        require_match(pattern, event)
    except InvalidInput:
        return False
    return True


def _is_like(value: object, wildcard: str) -> bool:
    text = ".*".join(map(re.escape, wildcard.split("*")))
    return isinstance(value, str) and bool(re.fullmatch(text, value, re.DOTALL))


def at(event: object, path: str) -> object:
    """The value at a dotted path, None if there is none."""
    for key in path.split("."):
        event = event.get(key) if isinstance(event, dict) else None
    return event
