"""Runs that a reconcile starts: on what its survey found, and by themselves where that is old."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.archive import survey_key
from functions.enrolment.account import AccountId
from functions.enrolment.handover import Batch, batch_to_json
from functions.enrolment.membership import SURVEY_VALID_SECONDS
from functions.services.survey import make_survey
from functions.steps import wiring
from tests.support.builders import ACCOUNT, ADMINISTRATOR, OTHER
from tests.support.rollcall import RESULTS
from tests.workflow.hands import call, email

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.rollcall import Rollcall

MEMBER_SERVICES = ("securityhub", "guardduty", "detective")
FIFTY = tuple(AccountId(f"{200_000_000_000 + number}") for number in range(50))
ID = "reconcile-1"


def hand_over(rollcall: Rollcall, accounts: Sequence[AccountId], **more: object) -> dict[str, Any]:
    """Survey all targets, as a reconcile does; the input of the run for these accounts."""
    wired = wiring.wiring()
    now = rollcall.clock.now()
    survey = make_survey(
        rollcall.configuration.targets,
        rollcall.configuration,
        wired.services,
        wired.directory,
        ADMINISTRATOR,
        wired.service,
        clock=rollcall.clock.now,
    )
    facts = Batch(ID, 1, now, "", survey.facts, ()).facts_with({a: email(a) for a in accounts})
    batch = Batch(ID, 1, now, rollcall.execution_arn(ID), facts, survey.listings)
    s3: Any = rollcall.session.client("s3")
    body = json.dumps(batch_to_json(batch)).encode()
    s3.put_object(Bucket=RESULTS, Key=survey_key(ID, "batches/1"), Body=body)
    rollcall.calls.clear()
    entries = [{"id": account, "email": email(account)} for account in accounts]
    return {"reconcile": {"id": ID, "batch": 1}, "accounts": entries, **more}


def operations(rollcall: Rollcall) -> dict[str, list[str]]:
    """What was called of the member services and of Organizations."""
    return {each: rollcall.operations(each) for each in (*MEMBER_SERVICES, "organizations")}


def count(result: dict[str, Any]) -> dict[str, int]:
    return {outcome: number for outcome, number in result["counts"].items() if number}


@pytest.mark.parametrize("more", [{}, {"begin_after": 900}], ids=["at once", "later"])
def test_fifty_accounts_are_created_without_being_read_or_looked_up_again(
    rollcall: Rollcall, more: dict[str, int]
) -> None:
    rollcall.found_organization()
    for account in FIFTY:
        rollcall.add_account(account, email=email(account))
    document = hand_over(rollcall, FIFTY, **more)
    began = rollcall.clock.now()

    execution = rollcall.run(document)

    called = operations(rollcall)
    (result,) = rollcall.published_finally()
    assert execution.states[-1] == "Complete"
    assert rollcall.clock.now() - began >= more.get("begin_after", 0)
    assert (result["source"], count(result)) == ("reconcile", {"enabled": 300})
    assert called.pop("organizations") == []
    assert {name for names in called.values() for name in names} == {"CreateMembers", "GetMembers"}
    assert sum(map(len, called.values())) / 300 <= 0.05


def enrol(rollcall: Rollcall, *accounts: AccountId) -> None:
    """The accounts belong to the organisation, and a run has enrolled them."""
    rollcall.found_organization()
    for account in accounts:
        rollcall.add_account(account, email=email(account))
    document = {"accounts": [{"id": account} for account in accounts]}
    assert rollcall.run(document, "before").states[-1] == "Complete"
    rollcall.published()
    rollcall.pass_seconds(60)


def disable(rollcall: Rollcall, account: AccountId) -> None:
    detector = call(rollcall, ADMINISTRATOR, "guardduty", "ListDetectors")["DetectorIds"][0]
    member = {"DetectorId": detector, "AccountIds": [account]}
    call(rollcall, ADMINISTRATOR, "guardduty", "StopMonitoringMembers", **member)


def test_a_member_that_was_disabled_after_it_was_enabled_is_restarted(rollcall: Rollcall) -> None:
    enrol(rollcall, ACCOUNT, OTHER)
    disable(rollcall, ACCOUNT)

    execution = rollcall.run(hand_over(rollcall, [ACCOUNT, OTHER]))

    (result,) = rollcall.published_finally()
    assert execution.states[-1] == "Complete"
    assert count(result) == {"enabled": 1, "already enabled": 11}
    called = operations(rollcall)
    assert called["guardduty"] == ["StartMonitoringMembers", "GetMembers"]
    assert called["securityhub"] == called["detective"] == called["organizations"] == []


def test_what_another_run_enabled_since_the_survey_is_left_to_it(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, email=email(ACCOUNT))
    document = hand_over(rollcall, [ACCOUNT])
    assert rollcall.run({"accounts": [{"id": ACCOUNT}]}, "meanwhile").states[-1] == "Complete"
    rollcall.calls.clear()

    execution = rollcall.run(document)

    assert execution.states[-1] == "Duplicate"
    assert not any(operations(rollcall).values())


def test_a_survey_that_is_too_old_is_read_again(rollcall: Rollcall) -> None:
    """Of accounts that have left since, none is invited, and the others are enrolled."""
    rollcall.found_organization()
    for account in (ACCOUNT, OTHER):
        rollcall.add_account(account, email=email(account))
    document = hand_over(rollcall, [ACCOUNT, OTHER])
    rollcall.pass_seconds(SURVEY_VALID_SECONDS + 60)
    rollcall.organizations("RemoveAccountFromOrganization", AccountId=OTHER)
    rollcall.calls.clear()

    execution = rollcall.run(document)

    (result,) = rollcall.published_finally()
    assert execution.states[-1] == "Complete"
    assert count(result) == {"enabled": 6}
    assert [note for note in result["notes"] if OTHER in note]
    called = operations(rollcall)
    assert called["organizations"].count("DescribeAccount") == 2
    for service in MEMBER_SERVICES:
        reads = [name for name in called[service] if name in ("GetMembers", "CreateMembers")]
        assert reads[0] == "GetMembers"
    assert rollcall.world.snapshot()["invitations"] == []


def test_the_runs_of_a_reconcile_that_was_stopped_begin_nothing(rollcall: Rollcall) -> None:
    enrol(rollcall, ACCOUNT)
    disable(rollcall, ACCOUNT)
    rollcall.meanwhile(60, lambda: rollcall.stop(ID))
    stopped = rollcall.start({"accounts": [{"id": ACCOUNT}], "begin_after": 3600}, ID)
    assert rollcall.ended(stopped).status == "ABORTED"
    document = hand_over(rollcall, [ACCOUNT])

    execution = rollcall.run(document)

    assert (execution.states[-1], execution.error) == ("Failed", "InvalidInput")
    assert f"takes one that was not stopped; {ID} was" in str(execution.cause)
    assert not any(operations(rollcall).values())
    record = rollcall.ledger.onboarding("onboarding-1")
    assert record is not None
    assert str(record.outcome).startswith("refused: reconcile")


@pytest.mark.parametrize("seconds", ["soon", 0.5, 3600.5])
def test_a_run_by_hand_cannot_be_put_off(rollcall: Rollcall, seconds: object) -> None:
    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], "begin_after": seconds})

    assert "Begin After" not in execution.states
    assert execution.error == "InvalidInput"


def test_a_fraction_of_a_second_is_refused_by_name(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    execution = rollcall.run(hand_over(rollcall, [ACCOUNT], begin_after=1.5))

    assert execution.error == "InvalidInput"
    assert "begin_after: takes a whole number from 0 to 3600" in str(execution.cause)
