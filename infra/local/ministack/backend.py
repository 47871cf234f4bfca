"""MiniStack, as the gateway uses it: everything of AWS that our own services are not."""

from __future__ import annotations

import os
import uuid
from datetime import datetime
from typing import Any

from ministack import app as ministack_app
from ministack.core import lambda_runtime
from ministack.core.responses import _account_from_sts_session, request_scope
from ministack.services import eventbridge

from infra.local.gateway.endpoint import twelve_digits
from infra.local.ministack import event_history

app = ministack_app.app


def account_of(access_key_id: str) -> str:
    """As MiniStack tells accounts apart: twelve digits, else the session's, else the default."""
    default = os.environ.get("MINISTACK_ACCOUNT_ID", "000000000000")
    account: str | None = twelve_digits(access_key_id) or _account_from_sts_session(access_key_id)
    return account or default


def deliver_service_event(account_id: str, region: str, bus: str, event: dict[str, Any]) -> str:
    """Put an event of an AWS service on a bus, as the service would; returns the event's id.

    PutEvents refuses sources that begin with ``aws.`` and stamps its own id, time, account and
    Region; here the whole event arrives as given. ``bus`` is a name or ARN in ``account_id`` and
    ``region``. Raises ValueError for a bus that does not exist.
    """
    with request_scope(account_id, region):
        name, refused = eventbridge._event_bus_name_from_ref(bus)
        if refused or (name != "default" and name not in eventbridge._event_buses):
            raise ValueError(f"bus: no {bus} in {account_id} {region}")
        record = eventbridge._event_from_test_payload(event) | {
            "EventId": event.get("id") or str(uuid.uuid4()),
            "EventBusName": name,
            "Time": int(datetime.fromisoformat(event["time"]).timestamp()),
        }
        view = eventbridge._pattern_event_view(record)
        eventbridge._events_log_list().append(record)
        eventbridge._dispatch_event(record, view)
        eventbridge._archive_event(record, view)
        if name == "default":
            event_history.record(event)
    return str(record["EventId"])


async def reset() -> None:
    """Empty every service and end the Lambda workers."""
    await ministack_app._handle_admin_reset("/_ministack/reset", "POST", {})


def stop_workers() -> None:
    """End every Lambda worker process and wait for it."""
    lambda_runtime.reset()
