"""A run that ended before its time is told of and closed, whoever says that it ended."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.aws.executions import Ended
from functions.enrolment.documents import loop_to_json
from functions.enrolment.errors import AccessDenied, RollcallError, Throttled
from functions.enrolment.membership import STEP_SECONDS, Action, Outcome, Status
from functions.enrolment.reason import ReasonCode
from functions.enrolment.times import iso
from functions.steps import close_run
from functions.steps.close_run import LEFT_OPEN
from tests.support.builders import ACCOUNT, NOW, OTHER, RUN, a_loop, a_membership
from tests.unit.steps.support import Wired, begin, rows, run, the_record, wired

LATER = NOW + 60
MACHINE = "arn:aws:states:eu-west-1:111122223333:execution:Rollcall"
INPUT = {"accounts": [{"id": ACCOUNT}], "dry_run": False}
CAUGHT = {
    "failure": {"Error": "AccessDenied", "Cause": '{"errorMessage": "no"}'},
    "input": INPUT,
    "onboarding_id": RUN,
    "started_at": iso(NOW),
    "execution_arn": f"{MACHINE}:{RUN}",
}
INVITED = a_membership(Status.INVITED)


def status_change(status: str, child: object = None, **detail: Any) -> dict[str, Any]:
    """What Step Functions says of a run's execution, or of a map's child with this input."""
    name = "0b1c" if child else RUN
    return {
        "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "status": status,
            "name": name,
            "executionArn": f"{MACHINE}/Target:{name}" if child else f"{MACHINE}:{name}",
            "startDate": int(NOW * 1000),
            "stopDate": int(LATER * 1000),
            "input": json.dumps(child or INPUT),
            **detail,
        },
    }


def close(wiring: Wired, event: dict[str, Any]) -> dict[str, Any]:
    return run(close_run.handler, event, wiring)


@pytest.mark.parametrize(
    ("failure", "error", "cause", "outcome"),
    [
        (CAUGHT["failure"], "AccessDenied", "no", "AccessDenied: no"),
        (
            {"Error": "InvalidInput", "Cause": '{"errorMessage": "accounts: is required"}'},
            "InvalidInput",
            "accounts: is required",
            "refused: accounts: is required",
        ),
        ({"Error": "States.Timeout", "Cause": ""}, "States.Timeout", *2 * ["States.Timeout"]),
        (None, "Failed", *2 * ["the state machine could not go on"]),
    ],
)
def test_a_run_that_could_not_even_be_planned_is_told_of_and_closed(
    failure: object, error: str, cause: str, outcome: str
) -> None:
    wiring = wired(now=LATER)

    assert close(wiring, CAUGHT | {"failure": failure}) == {"error": error, "cause": cause}

    record = the_record(wiring)
    assert (record.accounts, record.started_at) == ((ACCOUNT,), NOW)
    assert (record.execution_arn, record.outcome) == (f"{MACHINE}:{RUN}", outcome)
    assert record.closed_at == LATER
    [(_, document)] = wiring.published.events
    assert (document["failure"], document["memberships"]) == (outcome, [])


@pytest.mark.parametrize(
    ("given", "source", "accounts", "dry_run"),
    [
        (INPUT, "manual", (ACCOUNT,), False),
        (INPUT | {"dry_run": True}, "manual", (ACCOUNT,), True),
        ({"accounts": "all"}, "manual", (), False),
        (None, "manual", (), False),
        (
            {"detail-type": "x", "detail": {"eventName": "CreateAccountResult"}},
            *("CreateAccountResult", (), False),
        ),
    ],
)
def test_of_a_run_without_a_record_is_told_what_its_input_says(
    given: object, source: str, accounts: tuple[str, ...], dry_run: bool
) -> None:
    wiring = wired(now=LATER)

    close(wiring, CAUGHT | {"input": given})

    record = the_record(wiring)
    assert (record.source, record.automatic) == (source, source != "manual")
    assert (record.accounts, record.dry_run) == (accounts, dry_run)


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (CAUGHT, "AccessDenied: no"),
        (
            status_change("FAILED", error="States.Runtime", cause="no path"),
            "States.Runtime: no path",
        ),
        (status_change("ABORTED"), "the execution was aborted"),
        (status_change("TIMED_OUT"), "the execution was timed out"),
        (status_change("ABORTED", input=None), "the execution was aborted"),
        (status_change("ABORTED", input="{", stopDate=None), "the execution was aborted"),
        (status_change("ABORTED", input="[" * 100_000), "the execution was aborted"),
        (status_change("FAILED", error="x", cause="[" * 30_000), f"x: {'[' * 499}…"),
    ],
)
def test_what_is_open_ends_with_what_ended_the_run(event: dict[str, Any], outcome: str) -> None:
    wiring = wired(now=LATER)
    begin(wiring, INVITED)

    close(wiring, event)

    reason = rows(wiring)[ACCOUNT].reason
    assert reason is not None
    assert reason.code is ReasonCode.RUN_ENDED
    assert reason.text.startswith(f"the run ended before this was done: {outcome}; Invited since ")
    assert the_record(wiring).outcome == outcome
    [(_, document)] = wiring.published.events
    assert (document["failure"], document["counts"]["failed"]) == (outcome, 1)


@pytest.mark.parametrize("event", [CAUGHT, status_change("FAILED"), status_change("ABORTED")])
@pytest.mark.parametrize("closed", ["complete", "AccessDenied: no"])
def test_a_run_that_is_closed_stays_as_it_is(event: dict[str, Any], closed: str) -> None:
    wiring = wired(now=LATER)
    begin(wiring, INVITED)
    wiring.ledger.close(RUN, closed, {}, NOW)
    before = dict(wiring.rows.items)

    close(wiring, event)

    assert wiring.rows.items == before
    assert wiring.published.events == []


def test_a_later_run_of_the_same_name_is_not_closed() -> None:
    wiring = wired(now=LATER)
    begin(wiring, INVITED, started_at=LATER + 1)
    before = dict(wiring.rows.items)

    assert close(wiring, status_change("ABORTED"))["cause"] == "a later run has this name"
    assert wiring.rows.items == before


@pytest.mark.parametrize("event", [CAUGHT, status_change("ABORTED")])
def test_an_older_run_of_the_same_name_is_not_taken_for_it(event: dict[str, Any]) -> None:
    wiring = wired(now=LATER)
    older = replace(INVITED, taken_at=NOW - 1000)
    begin(wiring, older, started_at=NOW - 1000)

    close(wiring, event)

    assert (the_record(wiring).started_at, the_record(wiring).closed_at) == (NOW, LATER)
    assert rows(wiring)[ACCOUNT] == replace(older, revision=1)
    assert [document["memberships"] for _, document in wiring.published.events] == [[]]


CHILD = loop_to_json(a_loop(ACCOUNT, OTHER))


def test_of_a_child_that_ended_only_the_target_ends() -> None:
    wiring = wired(now=LATER)
    theirs = replace(INVITED, account_id=OTHER, onboarding_id="another")
    begin(wiring, INVITED, theirs)

    close(wiring, status_change("FAILED", CHILD, error="States.Runtime", cause="no path"))

    reason = rows(wiring)[ACCOUNT].reason
    assert reason is not None
    assert (reason.code, "States.Runtime: no path" in reason.text) == (ReasonCode.RUN_ENDED, True)
    assert rows(wiring)[OTHER] == replace(theirs, revision=1)
    assert the_record(wiring).closed_at is None
    assert wiring.published.events == []


@pytest.mark.parametrize("child", [None, CHILD], ids=["the run", "a child"])
@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT"])
@pytest.mark.parametrize(
    ("begun_at", "outcome"),
    [(LATER - STEP_SECONDS + 1, None), (LATER - STEP_SECONDS, Outcome.FAILED)],
)
def test_what_may_be_under_way_yet_is_left_to_the_lease(
    child: object, status: str, begun_at: float, outcome: Outcome | None
) -> None:
    wiring = wired(now=LATER)
    acting = a_membership(Status.ABSENT, account_id=OTHER).begun(Action.CREATE, begun_at)
    begin(wiring, INVITED, acting, accounts=(ACCOUNT, OTHER))

    close(wiring, status_change(status, child))

    assert {each: row.outcome for each, row in rows(wiring).items()} == {
        ACCOUNT: Outcome.FAILED,
        OTHER: outcome,
    }
    assert the_record(wiring).lease_until > LATER


@pytest.mark.parametrize("given", [None, "", "[]", "{"])
def test_of_a_child_whose_input_is_not_told_nothing_ends(given: str | None) -> None:
    wiring = wired(now=LATER)
    begin(wiring, INVITED)

    close(wiring, status_change("ABORTED", CHILD, input=given))

    assert rows(wiring) == {ACCOUNT: replace(INVITED, revision=1)}
    assert the_record(wiring).closed_at is None


def test_a_failure_without_an_error_is_still_one() -> None:
    wiring = wired(now=LATER)
    begin(wiring, INVITED)

    assert close(wiring, status_change("FAILED", error=None, cause=None))["cause"] == "an error"


def test_the_last_word_is_not_held_up_by_what_might_heal() -> None:
    wiring = wired(now=LATER)
    begin(wiring, INVITED)
    wiring.errors["message"] = iter([Throttled("slower")])

    close(wiring, status_change("ABORTED"))

    assert the_record(wiring).closed_at == LATER
    assert wiring.published.events[-1][1]["notes"] == ["the message could not be published: slower"]


def test_what_might_heal_has_the_state_machine_try_again() -> None:
    wiring = wired(now=LATER)
    begin(wiring, INVITED)
    wiring.errors["message"] = iter([Throttled("slower")])

    with pytest.raises(Throttled):
        close(wiring, CAUGHT)
    assert the_record(wiring).closed_at is None

    close(wiring, CAUGHT)
    assert the_record(wiring).closed_at == LATER
    assert len(wiring.published.events) == 1


HOUR, DAY = 3600, 86400
ARN = f"{MACHINE}:{RUN}"
ALL = {LEFT_OPEN: MACHINE.replace(":execution:", ":stateMachine:")}


def at(wiring: Wired, now: float) -> Wired:
    return replace(wiring, now=lambda: now)


def left_open(wiring: Wired, ended: Ended | None = None) -> Wired:
    """A run with a membership, as its execution left it; the wiring of two hours later."""
    begin(wiring, a_membership(), execution_arn=ARN)
    if ended is not None:
        wiring.seen.over[ARN] = ended
    return at(wiring, NOW + 2 * HOUR)


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        ("ABORTED", "the execution was aborted"),
        ("TIMED_OUT", "the execution was timed out"),
        ("FAILED", "an error"),
    ],
)
def test_what_nobody_closed_is_told_of_and_closed_later(status: str, failure: str) -> None:
    wiring = left_open(wired(), Ended(status, NOW + 60))

    assert close(wiring, ALL) == {"closed": 1, "failed": 0}

    assert (the_record(wiring).outcome, the_record(wiring).closed_at) == (failure, NOW + 2 * HOUR)
    [(_, document)] = wiring.published.events
    assert (document["failure"], document["counts"]["failed"]) == (failure, 1)
    assert rows(wiring)[ACCOUNT].outcome is Outcome.FAILED
    assert close(wiring, ALL) == {"closed": 0, "failed": 0}
    assert len(wiring.published.events) == 1


def test_what_a_deleted_machine_left_is_closed_without_asking_it() -> None:
    wiring = left_open(wired())
    wiring.seen.denied.add(ARN)

    replaced = {LEFT_OPEN: "arn:aws:states:eu-west-1:111122223333:stateMachine:Other"}
    assert close(wiring, replaced) == {"closed": 1, "failed": 0}

    assert the_record(wiring).outcome == "its execution does not exist any more"


def test_what_may_not_be_asked_about_is_left_to_the_next_reconcile() -> None:
    wiring = left_open(wired())
    wiring.seen.denied.add(ARN)

    assert close(wiring, ALL) == {"closed": 0, "failed": 1}

    assert the_record(wiring).closed_at is None
    assert wiring.published.events == []


def test_a_reconcile_of_an_earlier_version_closes_nothing() -> None:
    wiring = left_open(wired(), Ended("ABORTED", NOW + 60))

    assert close(wiring, {LEFT_OPEN: True}) == {}

    assert the_record(wiring).closed_at is None


@pytest.mark.parametrize("error", [Throttled("slower"), AccessDenied("no")])
@pytest.mark.parametrize("channel", ["event", "message"])
def test_what_could_not_be_published_is_published_later_once(
    channel: str, error: RollcallError
) -> None:
    wiring = wired(now=LATER)
    begin(wiring, INVITED)
    wiring.errors[channel] = iter([error])
    close(wiring, status_change("ABORTED"))
    assert the_record(wiring).unfinished == (channel,)
    before = {"event": len(wiring.published.events), "message": len(wiring.published.messages)}

    # What may still be published by somebody else is left alone.
    assert close(wiring, ALL) == {"closed": 0, "failed": 0}
    later = at(wiring, NOW + DAY)
    for closed in (1, 0):
        assert close(later, ALL) == {"closed": closed, "failed": 0}

    after = {"event": len(wiring.published.events), "message": len(wiring.published.messages)}
    assert after == before | {channel: 1}
    sent = (
        wiring.published.events[-1][1] if channel == "event" else wiring.published.messages[-1][2]
    )
    assert sent["notes"] == [f"the {channel} could not be published at {iso(LATER)}"]
    assert (sent["failure"], sent["ended_at"]) == ("the execution was aborted", iso(LATER))
    record = the_record(wiring)
    assert (record.closed_at, record.unfinished) == (LATER, ())
    assert record.outcome == "the execution was aborted"


def test_a_run_that_could_not_be_recorded_is_published_later_once() -> None:
    wiring = at(wired(), NOW + DAY)
    wiring.seen.over[ARN] = Ended("FAILED", NOW + HOUR)
    wiring.seen.inputs[ARN] = json.dumps(INPUT)

    assert [close(wiring, ALL)["closed"] for _ in range(2)] == [1, 0]

    record = the_record(wiring)
    assert (record.accounts, record.started_at, record.source) == ((ACCOUNT,), NOW, "manual")
    assert (record.outcome, record.closed_at) == ("an error", NOW + DAY)
    [(_, document)] = wiring.published.events
    assert (document["failure"], document["memberships"]) == ("an error", [])


def test_a_published_run_whose_record_was_lost_with_the_table_is_not_published_again() -> None:
    wiring = at(wired(), NOW + DAY)
    wiring.seen.over[ARN] = Ended("FAILED", NOW + HOUR)
    wiring.seen.failures[ARN] = "OnboardingIncomplete"

    assert close(wiring, ALL) == {"closed": 0, "failed": 0}

    assert wiring.published.events == []


def test_a_record_that_cannot_be_read_does_not_stop_the_closing_of_others() -> None:
    wiring = at(left_open(wired(), Ended("ABORTED", NOW + 60)), NOW + DAY)
    key = {"pk": "onboarding#other", "sk": "onboarding", "kind": "onboarding"}
    wiring.rows.put(key | {"onboarding_id": "other", "started_at": NOW + 1})

    assert close(wiring, ALL) == {"closed": 1, "failed": 1}


def test_of_an_older_execution_the_record_is_replaced() -> None:
    wiring = at(wired(), NOW + DAY)
    begin(wiring, started_at=NOW - 100 * DAY)
    wiring.ledger.close(RUN, "complete", {}, NOW - 99 * DAY)
    wiring.seen.over[ARN] = Ended("TIMED_OUT", NOW + HOUR)

    assert close(wiring, ALL) == {"closed": 1, "failed": 0}

    assert the_record(wiring).outcome == "the execution was timed out"


def test_executions_that_cannot_be_listed_are_left_to_the_next_reconcile() -> None:
    wiring = at(left_open(wired(), Ended("ABORTED", NOW + 60)), NOW + DAY)
    wiring.seen.errors["unsuccessful"] = iter([AccessDenied("no")])

    assert close(wiring, ALL) == {"closed": 1, "failed": 1}


def test_what_cannot_be_published_for_a_month_is_given_up() -> None:
    wiring = wired(now=LATER)
    begin(wiring, INVITED)
    wiring.errors["event"] = iter([AccessDenied("no")] * 99)
    close(wiring, status_change("ABORTED"))

    found = [close(at(wiring, LATER + day * DAY), ALL) for day in (1, 29, 31)]

    assert found == [{"closed": 0, "failed": 0}] * 3
    assert the_record(wiring).unfinished == ("event",)
    assert len(list(wiring.errors["event"])) == 99 - 3


def test_a_membership_that_may_have_been_acted_on_is_settled_later() -> None:
    acting = a_membership(Status.ABSENT).begun(Action.CREATE, NOW + 1)
    wiring = wired(now=LATER)
    begin(wiring, acting)
    close(wiring, status_change("ABORTED"))
    assert rows(wiring)[ACCOUNT].outcome is None
    assert the_record(wiring).unfinished == ("memberships",)

    later = at(wiring, NOW + DAY)
    assert close(later, ALL) == {"closed": 1, "failed": 0}

    assert rows(wiring)[ACCOUNT].outcome is Outcome.FAILED
    assert the_record(wiring).unfinished == ()
    assert len(wiring.published.events) == len(wiring.published.messages) == 1


def test_what_was_published_before_the_table_was_restored_is_not_published_again() -> None:
    wiring = left_open(wired(), Ended("SUCCEEDED", NOW + 60))

    assert close(wiring, ALL)["closed"] == 1

    assert the_record(wiring).outcome == "complete"
    assert wiring.published.events == []


@pytest.mark.parametrize(
    ("ended", "lease"),
    [(None, 0), (Ended("ABORTED", NOW + 2 * HOUR - 60), 0), (Ended("ABORTED", NOW), HOUR)],
    ids=["runs", "ended lately", "its lease lasts"],
)
def test_what_may_go_on_or_be_closed_yet_is_left(ended: Ended | None, lease: int) -> None:
    wiring = left_open(wired(), ended)
    wiring.ledger.extend_lease(RUN, NOW + 2 * HOUR + lease - HOUR)

    assert close(wiring, ALL) == {"closed": 0, "failed": 0}

    assert the_record(wiring).closed_at is None
    assert wiring.published.events == []
