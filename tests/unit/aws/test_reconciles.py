"""Reconciles in the table: one at a time, each begun and closed once, and every membership read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.ledger import EXPIRES_AT
from functions.aws.reconciles import RECENT_SECONDS, Lock, Reconciles
from functions.enrolment.account import AccountId
from functions.enrolment.errors import AccessDenied
from functions.enrolment.reconcile_record import ReconcileRecord
from functions.services import registry
from tests.support.builders import NOW, OTHER, a_membership
from tests.unit.aws.support import an_onboarding

if TYPE_CHECKING:
    from collections.abc import Callable

    from functions.aws.ledger import Ledger
    from functions.aws.rows import Rows

DAY = 86400
RECORD = ReconcileRecord("one", "manual", NOW, "arn:one")
ONE, TWO = Lock("one", "arn:one", NOW), Lock("two", "arn:two", NOW + RECENT_SECONDS)


@pytest.fixture
def reconciles(rows: Rows) -> Reconciles:
    return Reconciles(rows, registry.SERVICES, retention_days=30)


def item(rows: Rows, reconcile_id: str) -> dict[str, Any]:
    key = {"pk": f"reconcile#{reconcile_id}", "sk": "reconcile"}
    found = rows.get(key)
    assert found is not None
    return found


def running(_: str) -> bool:
    return False


def over(_: str) -> bool:
    return True


def test_a_record_has_what_was_stored_of_the_reconcile(reconciles: Reconciles) -> None:
    assert reconciles.reconcile("one") is None
    assert reconciles.open(RECORD) == RECORD

    reconciles.paused("one", NOW + 1)
    reconciles.surveyed("one", NOW + 1.5)
    reconciles.begin_runs("one", [0, 2], NOW + 2, NOW + 100)
    reconciles.begin_runs("one", [0, 2], NOW + 3, NOW + 101)

    assert reconciles.mark_published("one", "event", "e-1")
    assert not reconciles.mark_published("one", "event", "e-2")
    stored = ReconcileRecord(
        *("one", "manual", NOW, "arn:one", NOW + 1, NOW + 1.5, (0, 2), NOW + 2, NOW + 100),
        published={"event": "e-1"},
    )
    assert reconciles.open(RECORD) == stored


def test_the_newest_reconciles_come_first_and_runs_are_not_among_them(
    reconciles: Reconciles, ledger: Ledger
) -> None:
    ledger.open(an_onboarding("run"))
    for number in range(3):
        reconciles.open(ReconcileRecord(f"r-{number}", "manual", NOW + number, "arn"))

    assert [record.id for record in reconciles.recent(2)] == ["r-2", "r-1"]
    assert [record.id for record in reconciles.recent(since=NOW + 1)] == ["r-2", "r-1"]


def test_a_reconcile_is_closed_once(reconciles: Reconciles, rows: Rows) -> None:
    reconciles.open(RECORD)

    reconciles.close("one", "complete", NOW + 60, 6)
    reconciles.close("one", "the execution was aborted", NOW + 90)

    record = reconciles.reconcile("one")
    assert record is not None
    assert (record.outcome, record.closed_at, record.gaps) == ("complete", NOW + 60, 6)
    assert item(rows, "one")[EXPIRES_AT] == int(NOW) + 60 + 30 * DAY


def test_what_remains_of_a_closed_reconcile_is_stored(reconciles: Reconciles) -> None:
    reconciles.open(RECORD)

    reconciles.close("one", "complete", NOW, unfinished=["message"])
    before = next(reconciles.recent()).unfinished
    reconciles.set_unfinished("one", [])

    assert before == ("message",)
    assert reconciles.reconcile("one") == replace(RECORD, outcome="complete", closed_at=NOW)


def test_a_record_does_not_expire_while_the_reconcile_may_run(
    reconciles: Reconciles, rows: Rows
) -> None:
    reconciles.open(RECORD)

    assert item(rows, "one")[EXPIRES_AT] > NOW + 32 * DAY
    assert item(rows, "one")["kind"] == "reconcile"


def test_a_later_reconcile_of_the_same_name_replaces_the_record(reconciles: Reconciles) -> None:
    reconciles.open(RECORD)
    reconciles.close("one", "complete", NOW)
    later = ReconcileRecord("one", "schedule", NOW + 1, "arn:one")

    assert reconciles.open(later) == later


@pytest.mark.parametrize(
    ("wanted", "is_over", "holder"),
    [
        (ONE, running, None),
        (TWO, running, ONE),
        (TWO, over, None),
        (Lock("two", "arn:two", NOW + RECENT_SECONDS - 1), over, ONE),
    ],
    ids=["its own again", "of one that runs", "of one that is over", "of one that just began"],
)
def test_the_lock_is_taken_unless_another_reconcile_runs(
    reconciles: Reconciles, wanted: Lock, is_over: Callable[[str], bool], holder: Lock | None
) -> None:
    assert reconciles.running(NOW, running) is None
    assert reconciles.lock(ONE, over) is None
    if wanted != ONE:
        assert reconciles.running(wanted.taken_at, is_over) == holder

    assert reconciles.lock(wanted, is_over) == holder
    # Whoever has it now keeps it.
    assert reconciles.lock(Lock("three", "arn:three", NOW + DAY), running) == (holder or wanted)


def test_the_lock_of_a_machine_that_was_replaced_is_taken_without_asking_about_its_execution(
    reconciles: Reconciles,
) -> None:
    """No step is allowed to describe the executions of another machine."""

    def denied(_: str) -> bool:
        raise AccessDenied("states:DescribeExecution")

    machine = "arn:aws:states:eu-west-1:111122223333:execution:Reconciles"
    reconciles.lock(Lock("one", f"{machine}-old:one", NOW), running)
    two = Lock("two", f"{machine}-new:two", NOW + DAY)

    assert reconciles.lock(two, denied) is None
    with pytest.raises(AccessDenied):
        reconciles.lock(Lock("three", f"{machine}-new:three", NOW + 2 * DAY), denied)


def test_only_the_holder_releases_the_lock(reconciles: Reconciles) -> None:
    reconciles.release("arn:one", NOW)
    reconciles.lock(ONE, running)

    reconciles.release("arn:two", NOW)
    assert reconciles.lock(TWO, running) == ONE

    reconciles.release("arn:one", NOW)
    assert reconciles.running(NOW, running) is None
    assert reconciles.lock(TWO, running) is None
    assert reconciles.lock(ONE, running) == TWO


def test_of_two_that_take_a_dead_lock_at_once_one_gets_it(reconciles: Reconciles) -> None:
    reconciles.lock(ONE, running)

    def meanwhile(arn: str) -> bool:
        if arn == "arn:one":
            assert reconciles.lock(Lock("three", "arn:three", NOW + DAY), over) is None
        return arn == "arn:one"

    found = reconciles.lock(TWO, meanwhile)

    assert found is not None
    assert found.holder == "three"


def test_every_membership_is_read_and_nothing_else(
    reconciles: Reconciles, ledger: Ledger, rows: Rows
) -> None:
    reconciles.open(RECORD)
    reconciles.lock(ONE, running)
    ledger.open(an_onboarding("one"))
    ours = [a_membership(account_id=AccountId(f"{n:012}")) for n in range(30)]
    ledger.write(ours, NOW, apart=[a_membership(account_id=OTHER)])
    later = {"pk": "account#000000000001", "sk": "membership#later#eu-west-1", "service": "later"}
    rows.put(later)

    found = reconciles.memberships()

    assert found == ledger.read(each.key for each in ours)
    assert len(found) == 30
