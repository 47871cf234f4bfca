"""A reconcile at one target of ten accounts, as the steps of one find it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import AccountId
from functions.enrolment.handover import onboarding_id
from functions.enrolment.times import iso
from functions.steps import await_runs, publish_reconcile, start_runs, survey_organization
from tests.support.builders import NOW, a_membership, an_onboarding
from tests.unit.steps.support import Wired, run, wired

if TYPE_CHECKING:
    from functions.aws.rows import Item
    from functions.enrolment.membership import Membership, Outcome
    from functions.enrolment.reason import Reason
    from functions.enrolment.reconcile_record import ReconcileRecord
    from tests.support.memory_rows import MemoryRows

ID = "reconcile-1"
EXECUTION = f"arn:aws:states:eu-west-1:111122223333:execution:RollcallReconcile:{ID}"
ACCOUNTS = [AccountId(f"{number:012}") for number in range(10)]
GIVEN = {"services": ["guardduty"], "regions": ["eu-west-1"]}


def event(**changes: Any) -> Item:
    """What the state machine passes to each step."""
    return {
        "input": GIVEN,
        "onboarding_id": ID,
        "started_at": iso(NOW),
        "execution_arn": EXECUTION,
    } | changes


def organization(rows: MemoryRows | None = None, now: float = NOW) -> Wired:
    """Ten accounts, none of them a member."""
    wiring = wired(rows, now=now)
    wiring.known.account_ids = list(ACCOUNTS)
    return wiring


def later(wiring: Wired, seconds: float) -> Wired:
    """The same, at a later time."""
    return replace(wiring, now=lambda: NOW + seconds)


def survey(wiring: Wired, **changes: Any) -> Item:
    return run(survey_organization.handler, event(**changes), wiring)


def start(wiring: Wired) -> Item:
    return run(start_runs.handler, event(), wiring)


def wait(wiring: Wired) -> Item:
    return run(await_runs.handler, event(), wiring)


def publish(wiring: Wired, **changes: Any) -> Item:
    return run(publish_reconcile.handler, event(**changes), wiring)


def the_reconcile(wiring: Wired, reconcile_id: str = ID) -> ReconcileRecord:
    record = wiring.reconciles.reconcile(reconcile_id)
    assert record is not None
    return record


def end_run(
    wiring: Wired,
    outcome: str,
    ends: dict[AccountId, tuple[Outcome, Reason | None]],
    number: int = 0,
) -> None:
    """A run of the reconcile, as it has closed; with an outcome of "" it is still open."""
    name, now = onboarding_id(ID, number), wiring.now()
    wiring.ledger.open(an_onboarding(id=name))
    rows: list[Membership] = [
        a_membership(account_id=account, onboarding_id=name).settled(*end, now)
        for account, end in ends.items()
    ]
    assert not rows or not wiring.ledger.write(rows, now)
    if outcome:
        wiring.ledger.close(name, outcome, {}, now)
