"""TestEventPattern takes whole events only; MiniStack fills in what is missing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ministack.core.responses import error_response_json

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = tuple[int, dict[str, str], bytes]
    Call = Callable[[dict[str, Any]], Answer]

# EventBridge API reference, TestEventPattern. It names ``resources`` too, which AWS does not
# require (LocalStack's test, recorded at AWS).
_MANDATORY = frozenset({"id", "account", "source", "time", "region", "detail-type"})


def require_whole_events(test: Call) -> Call:
    """MiniStack's TestEventPattern, with the error that AWS has for an event that is not whole."""

    def test_event_pattern(data: dict[str, Any]) -> Answer:
        if not _is_whole(data.get("Event", "")):
            refused: Answer = error_response_json(
                "ValidationException", "Parameter Event is not valid.", 400
            )
            return refused
        return test(data)

    return test_event_pattern


def _is_whole(text: str) -> bool:
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(event, dict) and event.keys() >= _MANDATORY
