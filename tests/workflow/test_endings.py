"""Whatever ends a run: its result is published, its record is closed, what it owned is free."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.publisher import Publisher
from functions.enrolment.account import AccountId
from functions.enrolment.errors import AccessDenied
from functions.enrolment.membership import Outcome
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.target import Target
from functions.services import registry
from tests.support.builders import ACCOUNT, OTHER, a_membership, an_onboarding
from tests.support.events import create_account_result

if TYPE_CHECKING:
    from tests.support.rollcall import Rollcall

DAY = 86400
FORTY = tuple(AccountId(f"{200_000_000_000 + number}") for number in range(40))
OLD = Reason(ReasonCode.OTHER, "old")
SH_HERE = Target(registry.SECURITYHUB, "eu-west-1")


def outside(*accounts: AccountId) -> dict[str, Any]:
    return {
        "accounts": [{"id": account, "email": f"{account}@example.com"} for account in accounts]
    }


def test_a_run_that_is_aborted_is_published_and_closed_and_a_new_one_may_begin(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email=f"{ACCOUNT}@example.com")
    rollcall.meanwhile(DAY, rollcall.stop)
    aborted = rollcall.run(outside(ACCOUNT))
    rollcall.step("close_run", rollcall.status_change(rollcall.execution_arn("onboarding-1")))
    rollcall.world.apply({"do": "set_account", "account_id": ACCOUNT, "accepts_after": 60})

    again = rollcall.run(outside(ACCOUNT), "again")

    assert aborted.status == "ABORTED"
    first, second = rollcall.published_finally()
    assert (first["failure"], first["complete"]) == ("the execution was aborted", False)
    assert first["counts"]["failed"] == 6
    assert again.states[-1] == "Complete"
    assert second["counts"]["enabled"] + second["counts"]["already enabled"] == 6
    assert {one["sent"] for one in rollcall.world.snapshot()["invitations"]} == {1}
    record = rollcall.ledger.onboarding("onboarding-1")
    assert record is not None
    assert (record.outcome, record.closed_at is not None) == ("the execution was aborted", True)


def test_the_event_about_a_run_that_closed_itself_changes_nothing(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.fail(kind="access_denied", service="detective", region="us-east-1")
    arn = rollcall.start({"accounts": [{"id": ACCOUNT}]})
    rollcall.ended(arn)
    before = rollcall.ledger.findings("onboarding-1")
    rollcall.published()

    rollcall.step("close_run", rollcall.status_change(arn))

    assert rollcall.ledger.findings("onboarding-1") == before
    assert rollcall.published() == {"topic": [], "bus": []}


def test_a_child_that_died_frees_its_target_and_keeps_what_it_had_recorded(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email=f"{ACCOUNT}@example.com")

    def child_dies() -> None:
        (child,) = rollcall.loops(SH_HERE)
        arn = rollcall.machine_arn.replace(":stateMachine:", ":execution:") + "/Target:1-2-3"
        detail = {
            "executionArn": arn,
            "name": "1-2-3",
            "status": "FAILED",
            "startDate": 0,
            "error": "States.Runtime",
            "cause": "the history has 25,000 events",
            "input": json.dumps(child),
        }
        event = {"detail-type": "Step Functions Execution Status Change", "detail": detail}
        rollcall.step("close_run", event)

    rollcall.meanwhile(DAY, child_dies)
    rollcall.run(outside(ACCOUNT) | {"services": ["securityhub"], "regions": ["eu-west-1"]})

    told = rollcall.memberships(ACCOUNT)[ACCOUNT, SH_HERE]
    assert told.outcome is Outcome.FAILED
    assert told.reason is not None
    assert told.reason.code is ReasonCode.RUN_ENDED
    assert "States.Runtime: the history has 25,000 events" in told.reason.text
    assert [t.status for t in told.transitions] == ["Absent", "Created", "Invited"]


def test_a_run_that_ends_while_planning_is_published_too(rollcall: Rollcall) -> None:
    rollcall.found_organization()

    execution = rollcall.run(create_account_result(ACCOUNT))

    assert execution.error == "AccountNotReady"
    (result,) = rollcall.published()["bus"]
    words = f"AccountNotReady: Organizations does not know {ACCOUNT} (yet)"
    assert (result["failure"], result["complete"]) == (words, False)
    assert result["accounts"] == [ACCOUNT]


def test_what_cannot_be_published_by_message_is_published_by_event_and_said_there(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> str:
        raise AccessDenied("SNS Publish: AuthorizationError: not allowed")

    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    monkeypatch.setattr(Publisher, "message", refused)

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}]})

    assert execution.error == "OnboardingIncomplete"
    assert "the message could not be published" in str(execution.cause)
    published = rollcall.published()
    assert published["topic"] == []
    assert published["bus"][-1]["notes"] == [
        "the message could not be published: SNS Publish: AuthorizationError: not allowed"
    ]
    record = rollcall.ledger.onboarding("onboarding-1")
    assert record is not None
    assert record.closed_at is not None


def test_a_result_holds_nothing_of_an_older_run_of_the_same_name(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    for account in (ACCOUNT, OTHER):
        rollcall.add_account(account)
    long_ago = 1_700_000_000.0
    older = an_onboarding(
        accounts=(ACCOUNT, OTHER),
        started_at=long_ago,
        lease_until=long_ago,
        outcome="incomplete",
        closed_at=long_ago,
        published={"event": "old", "message": "old"},
    )
    rollcall.ledger.open(older)
    of_the_older = [
        replace(a_membership(at=long_ago, account_id=account), outcome=Outcome.FAILED, reason=OLD)
        for account in (ACCOUNT, OTHER)
    ]
    rollcall.ledger.record(of_the_older, long_ago)
    rollcall.ledger.persist_dry_run(of_the_older, long_ago)

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}]})

    assert execution.states[-1] == "Complete"
    (result,) = rollcall.published()["bus"]
    assert result["counts"]["enabled"] == 6
    assert {m["account_id"] for m in result["memberships"]} == {ACCOUNT}


def test_event_and_message_carry_the_same_times_also_where_the_step_was_cut_short(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = Publisher.message
    cut: list[int] = []

    def cut_once(self: Publisher, *arguments: Any) -> str:
        if not cut:
            cut.append(1)
            raise MemoryError
        return message(self, *arguments)

    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    monkeypatch.setattr(Publisher, "message", cut_once)
    rollcall.cuts_short(MemoryError)

    rollcall.run({"accounts": [{"id": ACCOUNT}]})

    published = rollcall.published()
    assert [len(published[channel]) for channel in ("bus", "topic")] == [1, 1]
    assert published["bus"] == published["topic"]


@pytest.mark.configured(regions=("eu-west-1", "us-east-1", "eu-central-1"))
def test_the_whole_result_of_a_large_run_is_where_the_event_says(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    for account in FORTY:
        rollcall.add_account(account)
    rollcall.world.apply(
        {
            "do": "unprocess",
            "service": "securityhub",
            "operation": "CreateMembers",
            "account_id": FORTY[7],
            "text": "The request is rejected: mail to root@example.com, cannot invite itself",
            "times": 99,
            "region": "eu-west-1",
        }
    )

    rollcall.run({"accounts": [{"id": account} for account in FORTY]})

    (result,) = rollcall.published_finally()
    whole = rollcall.document(result["complete_document"])
    assert len(whole["memberships"]) == 360
    assert (whole["omitted"], whole["counts"]) == (0, result["counts"])
    assert len(result["memberships"]) + result["omitted"] == 360
    assert result["memberships"][0]["outcome"] == "failed"
    assert "@" not in json.dumps(whole)


def test_while_only_people_are_waited_for_an_interim_result_is_published_once(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email=f"{ACCOUNT}@example.com", accepts_after=60)
    rollcall.add_outside(OTHER, email=f"{OTHER}@example.com", accepts_after=2 * DAY)

    execution = rollcall.run(outside(ACCOUNT, OTHER))

    assert execution.states[-1] == "Complete"
    published = rollcall.published()
    assert published["bus"] == published["topic"]
    interim, final = published["bus"]
    assert (interim["final"], interim["complete"], interim["ended_at"]) == (False, False, None)
    assert (interim["counts"]["enabled"], interim["waiting"]) == (6, 6)
    waiting = [m for m in interim["memberships"] if m["outcome"] is None]
    assert {m["account_id"] for m in waiting} == {OTHER}
    assert {m["reason_code"] for m in waiting} == {"not-accepted"}
    assert (final["final"], final["counts"]["enabled"]) == (True, 12)
    assert len(rollcall.document(interim["complete_document"])["memberships"]) == 12


def test_a_run_that_nobody_has_to_do_anything_for_publishes_no_interim_result(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)

    rollcall.run({"accounts": [{"id": ACCOUNT}]})

    assert len(rollcall.published()["bus"]) == 1
    assert "publish_interim" not in rollcall.invoked
