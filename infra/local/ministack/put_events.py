"""PutEvents to a bus of another account, which MiniStack does not know."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import (
    error_response_json,
    get_account_id,
    get_region,
    json_response,
    request_scope,
)
from ministack.services import eventbridge

from infra.local.ministack.admission import caller_arn
from infra.local.ministack.bus_policies import is_bus
from infra.local.ministack.target_checks import refused_by_policy

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = tuple[int, dict[str, str], bytes]
    Put = Callable[..., Answer]


def put_events_elsewhere(put: Put) -> Put:
    """MiniStack's PutEvents, also to buses of other accounts in the same Region.

    Inferred: a bus whose policy does not allow it refuses the whole request.
    """

    def put_events(data: dict[str, Any], allow_aws_source: bool = False) -> Answer:
        entries = data.get("Entries", [])
        buses = [_elsewhere(entry) for entry in entries]
        if not any(buses):
            return put(data, allow_aws_source)
        for spec in filter(None, buses):
            text = refused_by_policy(caller_arn(), str(spec), {})
            if text is not None:
                refused: Answer = error_response_json("AccessDeniedException", text, 400)
                return refused
        results = [
            _deliver(entry, spec)
            if spec
            else json.loads(put({"Entries": [entry]}, allow_aws_source)[2])["Entries"][0]
            for entry, spec in zip(entries, buses, strict=True)
        ]
        failed = sum("ErrorCode" in one for one in results)
        answer: Answer = json_response({"FailedEntryCount": failed, "Entries": results})
        return answer

    return put_events


def _elsewhere(entry: dict[str, Any]) -> Any:
    """The ARN of a bus of another account in this Region; None for all else."""
    try:
        spec = parse_arn(entry.get("EventBusName", ""))
    except ArnParseError:
        return None
    theirs = spec.account_id != get_account_id() and spec.region == get_region()
    return spec if is_bus(spec) and theirs else None


def _deliver(entry: dict[str, Any], spec: Any) -> dict[str, str]:
    """The event keeps the account that sends it."""
    if entry.get("Source", "").startswith("aws."):
        text = "Not authorized for the source."
        return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": text}
    event = {
        "EventId": str(uuid.uuid4()),
        "Source": entry.get("Source", ""),
        "DetailType": entry.get("DetailType", ""),
        "Detail": entry.get("Detail", "{}"),
        "EventBusName": spec.resource.removeprefix("event-bus/"),
        "Time": int(time.time()),
        "Resources": entry.get("Resources", []),
        "Account": get_account_id(),
        "Region": get_region(),
    }
    with request_scope(spec.account_id, spec.region):
        eventbridge._dispatch_event(event)
        eventbridge._archive_event(event)
    return {"EventId": event["EventId"]}
