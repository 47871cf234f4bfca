"""Sample events; INFERRED in a file's name says that no source shows that body."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).parent.parent / "events"


def sample(name: str) -> dict[str, Any]:
    """The sample event of that file name, without its ending."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def create_account_result(account_id: str) -> dict[str, Any]:
    """The event of a created account."""
    event = sample("create_account_result_succeeded")
    event["detail"]["serviceEventDetails"]["createAccountStatus"]["accountId"] = account_id
    return event
