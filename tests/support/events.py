"""Sample events; INFERRED in a file's name says that no source shows that body."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.builders import MANAGEMENT

_SAMPLES_MANAGEMENT = "111122223333"
EVENTS = Path(__file__).parents[2] / "infra" / "local" / "events"


def sample(name: str) -> dict[str, Any]:
    """The sample event of that file name, without its ending."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def from_management(name: str) -> dict[str, Any]:
    """A sample event as the tests' own management account gets it."""
    text = json.dumps(sample(name)).replace(_SAMPLES_MANAGEMENT, MANAGEMENT)
    event: dict[str, Any] = json.loads(text)
    return event


def create_account_result(account_id: str) -> dict[str, Any]:
    """The event of a created account."""
    event = from_management("create_account_result_succeeded")
    event["detail"]["serviceEventDetails"]["createAccountStatus"]["accountId"] = account_id
    return event
