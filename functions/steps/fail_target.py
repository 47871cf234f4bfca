"""Fail Target: what no retry healed ends the target's open memberships, with that reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.enrolment.documents import loop_from_json, loop_to_json
from functions.enrolment.errors import Conflict, ServiceUnavailable, Throttled
from functions.enrolment.membership import Action
from functions.enrolment.reason import ReasonCode
from functions.enrolment.text import one_line, redact
from functions.enrolment.turn import fail
from functions.steps.loop import read_batch, record
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.enrolment.documents import Loop
    from functions.steps.wiring import Wiring

_LONGEST = 500
_RETRIED = frozenset(kind.__name__ for kind in (Throttled, ServiceUnavailable, Conflict))


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """The loop with the caught error in ``failure`` in, the loop ended out."""
    loop = loop_from_json(event)
    failure = event.get("failure")
    name, _ = error_of(failure)
    code = ReasonCode.UNAVAILABLE if name in _RETRIED else ReasonCode.STEP_FAILED
    fail_target(loop, code, reason_of(failure), wiring)
    return loop_to_json(replace(loop, next=Action.STOP, acting=()))


def fail_target(
    loop: Loop, code: ReasonCode, said: str, wiring: Wiring, *, stopped: bool = False
) -> None:
    """End what is still open of the target, and still this run's, as failed.

    Where its execution was ``stopped``, but for what may still be acted on.
    """
    now = wiring.now()
    batch = read_batch(loop, now, wiring)
    over = [m for m in batch.open if not (stopped and m.is_acting(now))]
    failed = fail(over, code, said, now)
    if loop.dry_run:
        wiring.ledger.keep_apart(failed, now)
    elif failed:
        record(loop, batch, failed, now, wiring)


def error_of(failure: object) -> tuple[str, str]:
    """Name and one line of what Catch gives: ``{"Error", "Cause"}``; a Lambda's cause is JSON."""
    if not isinstance(failure, dict):
        return "", "the state machine could not go on"
    name = str(failure.get("Error") or "an error")
    cause = str(failure.get("Cause") or "")
    try:
        told = json.loads(cause)
    except ValueError:
        told = None
    message = told.get("errorMessage", "") if isinstance(told, dict) else cause
    return name, one_line(redact(str(message)), _LONGEST)


def reason_of(failure: object) -> str:
    """One line from what Catch gives."""
    return ": ".join(filter(None, error_of(failure)))
