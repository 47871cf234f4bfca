"""CloudTrail's event history: LookupEvents, for the events that services have put on buses.

MiniStack records calls, if asked to, and answers one page. CloudTrail API reference, LookupEvents:
at most one attribute, 50 events a page, the newest first.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ministack.services import cloudtrail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Answer = tuple[int, dict[str, str], bytes]
    Call = Callable[[dict[str, Any]], Answer]

_PAGE = 50
_OF_ATTRIBUTE = ("EventId", "EventName", "EventSource", "ReadOnly", "Username", "AccessKeyId")


def record(event: Mapping[str, Any]) -> None:
    """Record an event's detail in the current account and Region, if it is one of CloudTrail's."""
    detail = event.get("detail")
    if not isinstance(detail, dict) or "eventName" not in detail or "eventID" not in detail:
        return
    cloudtrail._get_event_queue().append(
        {
            "EventId": detail["eventID"],
            "EventName": detail["eventName"],
            "EventSource": detail.get("eventSource", ""),
            "EventTime": datetime.fromisoformat(detail["eventTime"]).timestamp(),
            "ReadOnly": json.dumps(bool(detail.get("readOnly"))),
            "Resources": [],
            "CloudTrailEvent": json.dumps(detail),
        }
    )


def answer_in_pages(_: Call) -> Call:
    """LookupEvents, in place of MiniStack's."""

    def lookup_events(data: dict[str, Any]) -> Answer:
        asked = data.get("LookupAttributes", [])
        if len(asked) > 1:
            return _refused("InvalidLookupAttributesException", "Only one attribute is allowed.")
        most = data.get("MaxResults", _PAGE)
        if not 1 <= most <= _PAGE:
            return _refused("InvalidMaxResultsException", f"MaxResults is from 1 to {_PAGE}.")
        token = str(data.get("NextToken", "0"))
        if not token.isdigit():
            return _refused("InvalidNextTokenException", "The NextToken is not valid.")
        start, found = int(token), [one for one in _newest_first() if _is_wanted(one, data)]
        shown = {"Events": found[start : start + most]}
        more = {"NextToken": str(start + most)} if len(found) > start + most else {}
        done: Answer = cloudtrail._ok(shown | more)
        return done

    return lookup_events


def _newest_first() -> list[dict[str, Any]]:
    return sorted(cloudtrail._get_event_queue(), key=lambda one: one["EventTime"], reverse=True)


def _is_wanted(one: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    begin, end = data.get("StartTime"), data.get("EndTime")
    return (
        (begin is None or one["EventTime"] >= float(begin))
        and (end is None or one["EventTime"] <= float(end))
        and all(
            each["AttributeKey"] in _OF_ATTRIBUTE
            and one.get(each["AttributeKey"]) == each["AttributeValue"]
            for each in data.get("LookupAttributes", [])
        )
    )


def _refused(code: str, text: str) -> Answer:
    answer: Answer = cloudtrail._err(code, text)
    return answer
