"""Await Runs: whether the runs of a reconcile have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.aws import ledger, reconciles
from functions.enrolment.documents import run_from_json
from functions.enrolment.handover import onboarding_id
from functions.enrolment.reconcile import Next
from functions.steps.needs import Needs, actions_of
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.steps.wiring import Wiring

# A wait is an eighth of the time since the runs were started, within these bounds in seconds.
_LEAST_WAIT, _MOST_WAIT = 15, 300
_AGE_DIVISOR = 8

NEEDS = Needs(
    timeout=120,
    table=(
        *actions_of(reconciles.ACTIONS, "reconcile"),
        *actions_of(ledger.ACTIONS, "onboardings"),
    ),
)


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """Takes ``{"input", "onboarding_id", "started_at", "execution_arn"}`` of the reconcile.

    ``next`` is ``publish`` when every run is closed or their time is over, else ``wait``, for
    ``wait_seconds``.
    """
    run, now = run_from_json(event), wiring.now()
    record = wiring.reconciles.reconcile(run.onboarding_id)
    if record is None or record.begun_at is None or now >= (record.await_until or 0):
        return {"next": Next.PUBLISH, "wait_seconds": 0}
    ids = [onboarding_id(record.id, number) for number in record.runs]
    runs = wiring.ledger.onboardings(ids)
    still_open = sum(each not in runs or runs[each].closed_at is None for each in ids)
    age = now - record.begun_at
    wait = round(min(max(age / _AGE_DIVISOR, _LEAST_WAIT), _MOST_WAIT))
    return {
        "next": Next.WAIT if still_open else Next.PUBLISH,
        "wait_seconds": wait if still_open else 0,
        "open": still_open,
    }
