"""The end of a run: its result, complete or not, and why it may not be its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.enrolment.account import Account, Mode
from functions.enrolment.errors import ServiceRefused
from functions.enrolment.membership import Outcome, Status
from functions.enrolment.plan import Plan
from functions.enrolment.reason import Reason, ReasonCode
from functions.steps import publish_results
from tests.support.builders import ACCOUNT, NOW, OTHER, RUN, TARGET, a_membership
from tests.unit.steps.support import Wired, begin, rows, run, the_record, wired

LATER = NOW + 60
ENABLED = a_membership(Status.ENABLED).settled(Outcome.ENABLED, None, NOW)
INVITED = a_membership(Status.INVITED)
CUT_SHORT = "no outcome was recorded"


def publish(wiring: Wired, **event: Any) -> dict[str, Any]:
    return run(publish_results.handler, {"onboarding_id": RUN, **event}, wiring)


def test_a_run_that_enrolled_all_is_complete() -> None:
    wiring = wired(now=LATER)
    begin(wiring, ENABLED)

    assert publish(wiring) == {"complete": True, "cause": "Rollcall: 1 account: 1 enabled"}
    assert (len(wiring.published.events), len(wiring.published.messages)) == (1, 1)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({}, CUT_SHORT),
        (
            {"map_failure": {"Error": "States.Runtime", "Cause": "no"}},
            f"{CUT_SHORT} (States.Runtime: no)",
        ),
    ],
)
def test_what_is_open_ends_with_what_is_known_of_why(event: dict[str, Any], reason: str) -> None:
    wiring = wired(now=LATER)
    begin(wiring, INVITED)

    assert not publish(wiring, **event)["complete"]
    given = rows(wiring)[ACCOUNT].reason
    assert given is not None
    assert given.code is ReasonCode.RUN_ENDED
    assert given.text.startswith(f"the run ended before this was done: {reason}; Invited since ")


def test_a_map_that_failed_after_all_was_done_changes_nothing() -> None:
    wiring = wired(now=LATER)
    begin(wiring, ENABLED)

    assert publish(wiring, map_failure={"Error": "States.Timeout", "Cause": ""})["complete"]


def test_a_dry_run_is_published_and_leaves_the_rows_alone() -> None:
    wiring = wired(now=LATER)
    row = replace(INVITED, onboarding_id="another")
    begin(wiring, row, dry_run=True)
    wiring.ledger.persist_dry_run([INVITED], NOW)

    assert publish(wiring)["cause"] == "Rollcall (dry run): 1 account: 1 failed"
    assert rows(wiring) == {ACCOUNT: replace(row, revision=1)}
    assert the_record(wiring).outcome == "incomplete"


def test_what_the_plan_settled_and_what_it_left_to_others_is_published_too() -> None:
    wiring = wired(now=LATER)
    skipped = Reason(ReasonCode.OUT_OF_SCOPE, "excluded")
    settled = a_membership(account_id=OTHER).settled(Outcome.SKIPPED, skipped, NOW)
    begin(wiring, replace(INVITED, onboarding_id="another"), accounts=(ACCOUNT, OTHER))
    accounts = tuple(Account(each, None, Mode.ORGANIZATION) for each in (ACCOUNT, OTHER))
    plan = Plan(accounts, (TARGET,), (settled,), ("a note",))
    wiring.ledger.persist_plan(the_record(wiring), plan)

    publish(wiring)

    [(_, document)] = wiring.published.events
    told = {m["account_id"]: (m["outcome"], m["reason"]) for m in document["memberships"]}
    assert told[OTHER] == ("skipped", "excluded")
    assert told[ACCOUNT][0] != "failed"
    assert rows(wiring)[ACCOUNT].outcome is None
    assert document["notes"] == ["a note"]


@pytest.mark.parametrize(("outcome", "complete"), [("complete", True), ("aborted", False)])
def test_a_run_that_was_closed_before_is_not_published_again(outcome: str, complete: bool) -> None:
    wiring = wired(now=LATER)
    begin(wiring, INVITED)
    wiring.ledger.close(RUN, outcome, {}, NOW)

    assert publish(wiring) == {
        "complete": complete,
        "cause": f"onboarding {RUN} was closed before: {outcome}",
    }
    assert wiring.published.events == []
    assert rows(wiring)[ACCOUNT] == replace(INVITED, revision=1)


def test_a_run_without_a_record_cannot_be_published() -> None:
    with pytest.raises(ServiceRefused, match=f"no record of onboarding {RUN}"):
        publish(wired())


def test_what_an_earlier_version_planned_is_in_the_document_it_handed_on() -> None:
    wiring = wired(now=LATER)
    begin(wiring, ENABLED, accounts=(ACCOUNT, OTHER))
    accounts = [{"id": each, "email": None, "mode": "organization"} for each in (ACCOUNT, OTHER)]
    target = {"service": "guardduty", "region": "eu-west-1"}

    publish(wiring, accounts=accounts, targets=[target])

    [(_, document)] = wiring.published.events
    assert {m["account_id"]: m["outcome"] for m in document["memberships"]} == {
        ACCOUNT: "enabled",
        OTHER: "failed",
    }
