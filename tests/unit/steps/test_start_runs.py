"""Start Runs starts one onboarding for each batch, with the addresses that Organizations gives."""

from __future__ import annotations

import pytest

from functions.enrolment.account import AccountId, AccountState
from functions.enrolment.errors import ServiceRefused
from functions.enrolment.membership import Status
from tests.support.builders import EMAIL, NOW
from tests.unit.steps.reconciling import (
    ACCOUNTS,
    ID,
    later,
    organization,
    start,
    survey,
    the_reconcile,
    wait,
)

MANY = [AccountId(f"{number:012}") for number in range(120)]


def test_every_batch_is_started_with_its_accounts_and_pace() -> None:
    wiring = organization()
    wiring.known.account_ids = list(MANY)
    survey(wiring, input={"services": ["guardduty"], "regions": ["eu-west-1"], "most_changes": 200})

    assert start(wiring) == {"next": "wait", "wait_seconds": 15, "runs": 3}

    started = wiring.seen.started
    assert list(started) == [f"{ID}-0", f"{ID}-1", f"{ID}-2"]
    assert [document["begin_after"] for document in started.values()] == [0, 0, 1]
    assert started[f"{ID}-2"] == {
        "reconcile": {"id": ID, "batch": 2},
        "accounts": [{"id": account, "email": EMAIL} for account in MANY[100:]],
        "begin_after": 1,
    }
    timing = wiring.configuration.timing
    record = the_reconcile(wiring)
    assert (record.runs, record.begun_at) == ((0, 1, 2), NOW)
    assert record.await_until == NOW + timing.organization_deadline + timing.hold + 1 + 900


@pytest.mark.parametrize(
    ("gaps", "asked"),
    [(1, ["find"]), (10, ["accounts"])],
    ids=["few gaps: each account", "many gaps: the list"],
)
def test_addresses_are_found_with_the_fewest_calls(gaps: int, asked: list[str]) -> None:
    wiring = organization()
    wiring.target.statuses = dict.fromkeys(ACCOUNTS[gaps:], Status.ENABLED)
    survey(wiring)
    wiring.known.asked.clear()

    start(wiring)

    assert wiring.known.asked == asked
    assert len(wiring.seen.started[f"{ID}-0"]["accounts"]) == gaps


def test_accounts_that_are_no_longer_active_members_are_left_out() -> None:
    wiring = organization()
    survey(wiring)
    wiring.known.account_ids.remove(ACCOUNTS[0])
    wiring.known.states[ACCOUNTS[1]] = AccountState.SUSPENDED

    start(wiring)

    started = wiring.seen.started[f"{ID}-0"]["accounts"]
    assert [account["id"] for account in started] == ACCOUNTS[2:]


def test_a_batch_without_any_account_left_is_not_started() -> None:
    wiring = organization()
    survey(wiring)
    wiring.known.account_ids.clear()

    assert start(wiring) == {"next": "wait", "wait_seconds": 0, "runs": 0}

    assert (wiring.seen.started, the_reconcile(wiring).runs) == ({}, ())
    assert wait(wiring) == {"next": "publish", "wait_seconds": 0}


def test_a_repeated_step_starts_nothing_twice() -> None:
    wiring = organization()
    survey(wiring)
    start(wiring)
    before = dict(wiring.seen.started)

    start(later(wiring, 60))

    assert wiring.seen.started == before
    assert the_reconcile(wiring).begun_at == NOW


def test_a_closed_reconcile_starts_nothing() -> None:
    wiring = organization()
    survey(wiring)
    wiring.reconciles.close(ID, "the execution was aborted", NOW)

    with pytest.raises(ServiceRefused, match="is closed"):
        start(wiring)

    assert wiring.seen.started == {}
