"""Fail Target: what no retry healed ends the target's open memberships, with that reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.aws import ledger
from functions.enrolment.documents import loop_to_json
from functions.enrolment.errors import Conflict, ServiceUnavailable, Throttled
from functions.enrolment.membership import Action
from functions.enrolment.reason import ReasonCode
from functions.enrolment.text import one_line, parsed, redact
from functions.enrolment.turn import fail
from functions.steps.loop import read_batch, record
from functions.steps.needs import Needs, actions_of
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.enrolment.documents import Loop
    from functions.steps.wiring import Wiring

# The calls of the table that fail a target, also of a dry run.
FAILING = actions_of(
    ledger.ACTIONS, "read_with_onboarding", "record", "onboarding", "persist_dry_run"
)
_LONGEST = 500
_RETRIED = frozenset(kind.__name__ for kind in (Throttled, ServiceUnavailable, Conflict))

NEEDS = Needs(timeout=120, table=FAILING)


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """Takes the loop with the caught error in ``failure``; returns the loop, ended."""
    loop = wiring.loop(event)
    failure = event.get("failure")
    name, _ = error_of(failure)
    code = ReasonCode.UNAVAILABLE if name in _RETRIED else ReasonCode.STEP_FAILED
    fail_target(loop, code, reason_of(failure), wiring)
    return loop_to_json(replace(loop, next=Action.STOP, acting=()))


def fail_target(
    loop: Loop, code: ReasonCode, said: str, wiring: Wiring, *, stopped: bool = False
) -> None:
    """End the target's open memberships of this run as failed.

    If its execution was ``stopped``, except those with an action that may be in progress.
    """
    now = wiring.now()
    batch = read_batch(loop, now, wiring)
    over = [m for m in batch.open if not (stopped and m.is_acting(now))]
    failed = fail(over, code, said, now)
    if loop.dry_run:
        wiring.ledger.persist_dry_run(failed, now)
    elif failed:
        record(loop, batch, failed, now, wiring)


def error_of(failure: object) -> tuple[str, str]:
    """Name and one-line message of what Catch gives: ``{"Error", "Cause"}``; a Lambda's is JSON."""
    if not isinstance(failure, dict):
        return "", "the state machine could not go on"
    name = str(failure.get("Error") or "an error")
    cause = str(failure.get("Cause") or "")
    detail = parsed(cause)
    message = detail.get("errorMessage", "") if isinstance(detail, dict) else cause
    return name, one_line(redact(str(message)), _LONGEST)


def reason_of(failure: object) -> str:
    """One line from what Catch gives."""
    return ": ".join(filter(None, error_of(failure)))
