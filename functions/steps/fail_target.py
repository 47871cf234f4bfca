"""Fail Target: what no retry healed ends the target's open memberships, with that reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from functions.steps.loop import keep, read_loop
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.steps.wiring import Wiring


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """The loop with the caught error in ``failure`` in, the loop ended out."""
    loop = read_loop(event)
    now = wiring.now()
    return keep(loop, loop.fail(reason_of(event.get("failure")), now), now, wiring)


def reason_of(failure: object) -> str:
    """One line from what Catch gives: ``{"Error", "Cause"}``; a Lambda's cause is JSON."""
    if not isinstance(failure, dict):
        return "the state machine could not go on"
    error = str(failure.get("Error", "an error"))
    cause = str(failure.get("Cause", ""))
    try:
        told = json.loads(cause)
    except ValueError:
        told = None
    message = told.get("errorMessage", "") if isinstance(told, dict) else cause
    line = " ".join(str(message).split())[:500]
    return f"{error}: {line}" if line else error
