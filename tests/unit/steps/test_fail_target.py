"""What no retry healed ends what is open of a target, and is said in one line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.documents import loop_to_json
from functions.enrolment.errors import InvalidInput
from functions.enrolment.membership import Outcome, Status
from functions.enrolment.reason import Reason, ReasonCode
from functions.steps import fail_target
from functions.steps.fail_target import reason_of
from tests.support.builders import ACCOUNT, EMAIL, NOW, OTHER, RUN, TARGET, a_loop, a_membership
from tests.unit.steps.support import begin, rows, run, wired

if TYPE_CHECKING:
    from functions.enrolment.membership import Membership

LATER = NOW + 30
FAILURE = {"Error": "Lambda.Unknown", "Cause": "out of memory"}
ABSENT = a_membership(Status.ABSENT)


def test_what_is_open_ends_with_the_reason_and_the_loop_stops() -> None:
    wiring = wired(now=LATER)
    ended = a_membership(account_id=OTHER).settled(Outcome.ENABLED, None, NOW)
    begin(wiring, ABSENT, ended)
    loop = a_loop(ACCOUNT, OTHER, acting=(ACCOUNT,))

    document = run(fail_target.handler, loop_to_json(loop) | {"failure": FAILURE, "new": 1}, wiring)

    reason = Reason(
        ReasonCode.STEP_FAILED,
        "a step of Rollcall failed: Lambda.Unknown: out of memory; Absent since"
        " 2027-01-15T08:00:00Z; to do: start again",
    )
    failed = replace(ABSENT, revision=1).settled(Outcome.FAILED, reason, LATER)
    assert rows(wiring) == {ACCOUNT: replace(failed, revision=2), OTHER: replace(ended, revision=1)}
    assert (document["next"], document["acting"], document["new"]) == ("stop", [], 1)
    assert "failure" not in document


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("Throttled", ReasonCode.UNAVAILABLE),
        ("ServiceUnavailable", ReasonCode.UNAVAILABLE),
        ("Conflict", ReasonCode.UNAVAILABLE),
        ("AccessDenied", ReasonCode.STEP_FAILED),
        ("KeyError", ReasonCode.STEP_FAILED),
        ("States.Timeout", ReasonCode.STEP_FAILED),
    ],
)
def test_what_was_retried_for_long_is_not_what_failed_at_once(error: str, code: ReasonCode) -> None:
    wiring = wired(now=LATER)
    begin(wiring, ABSENT)

    failure = {"failure": {"Error": error, "Cause": ""}}
    run(fail_target.handler, loop_to_json(a_loop()) | failure, wiring)

    reason = rows(wiring)[ACCOUNT].reason
    assert reason is not None
    assert (reason.code, error in reason.text) == (code, True)


@pytest.mark.parametrize(
    ("row", "closed"),
    [
        pytest.param(replace(ABSENT, onboarding_id="another"), False, id="another run's"),
        pytest.param(ABSENT, True, id="a closed run's"),
    ],
)
def test_what_is_not_this_runs_to_end_stays(row: Membership, closed: bool) -> None:
    wiring = wired(now=LATER)
    begin(wiring, row)
    if closed:
        wiring.ledger.close(RUN, "aborted", {}, NOW)

    run(fail_target.handler, loop_to_json(a_loop()) | {"failure": FAILURE}, wiring)

    assert rows(wiring)[ACCOUNT] == replace(row, revision=1)


def test_a_membership_that_was_never_read_ends_too() -> None:
    wiring = wired(now=LATER)
    begin(wiring)

    run(fail_target.handler, loop_to_json(a_loop()) | {"failure": FAILURE}, wiring)

    assert rows(wiring)[ACCOUNT].outcome is Outcome.FAILED


def test_a_dry_run_ends_beside_the_rows() -> None:
    wiring = wired(now=LATER)
    begin(wiring, replace(ABSENT, onboarding_id="another"), dry_run=True)

    run(fail_target.handler, loop_to_json(a_loop(dry_run=True)) | {"failure": FAILURE}, wiring)

    findings = wiring.ledger.findings(RUN)
    assert findings is not None
    assert [m.outcome for m in findings.own] == [Outcome.FAILED]
    assert rows(wiring)[ACCOUNT].outcome is None


MAPS_ITEM: dict[str, Any] = {
    "onboarding_id": RUN,
    "accounts": [{"id": each, "email": EMAIL, "mode": "organization"} for each in (ACCOUNT, OTHER)],
    "target": {"service": "guardduty", "region": "eu-west-1", "left_out": [OTHER]},
}
EARLIER: dict[str, Any] = {
    "onboarding_id": RUN,
    "target": {"service": "guardduty", "region": "eu-west-1"},
    "memberships": [{"account_id": ACCOUNT, "email": EMAIL, "mode": "organization"}],
    "accounts": [],
}


@pytest.mark.parametrize("document", [MAPS_ITEM, EARLIER], ids=["the map's item", "earlier"])
def test_documents_of_other_makes_are_understood(document: dict[str, Any]) -> None:
    wiring = wired(now=LATER)
    begin(wiring, ABSENT, a_membership(account_id=OTHER))

    run(fail_target.handler, document | {"failure": FAILURE}, wiring)

    assert {each: row.outcome for each, row in rows(wiring).items()} == {
        ACCOUNT: Outcome.FAILED,
        OTHER: None,
    }


@pytest.mark.parametrize("missing", ["onboarding_id", "target"])
def test_a_document_that_does_not_say_what_it_is_about_is_refused(missing: str) -> None:
    wiring = wired(now=LATER)
    begin(wiring, ABSENT)
    document = {key: value for key, value in MAPS_ITEM.items() if key != missing}

    with pytest.raises(InvalidInput, match="this is no target's loop"):
        run(fail_target.handler, document | {"failure": FAILURE}, wiring)

    assert rows(wiring) == {ACCOUNT: replace(ABSENT, revision=1)}


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (
            {"Error": "Throttled", "Cause": '{"errorMessage": "too fast", "stackTrace": ["…"]}'},
            "Throttled: too fast",
        ),
        ({"Error": "States.Timeout", "Cause": ""}, "States.Timeout"),
        ({"Error": "Lambda.Unknown", "Cause": "out of\nmemory"}, "Lambda.Unknown: out of memory"),
        ({"Error": "KeyError", "Cause": f'{{"errorMessage": "{EMAIL}"}}'}, "KeyError: (e-mail)"),
        ({"Error": "X", "Cause": "[1]"}, "X: [1]"),
        ({"Error": "X", "Cause": "y" * 600}, f"X: {'y' * 499}…"),
        ({}, "an error"),
        (None, "the state machine could not go on"),
    ],
)
def test_a_caught_error_becomes_one_line(failure: object, reason: str) -> None:
    assert reason_of(failure) == reason


def test_the_target_of_the_document_is_the_one_that_ends() -> None:
    wiring = wired(now=LATER)
    elsewhere = replace(ABSENT, target=replace(TARGET, region="us-east-1"))
    begin(wiring, ABSENT, elsewhere)

    run(fail_target.handler, loop_to_json(a_loop()) | {"failure": FAILURE}, wiring)

    assert wiring.ledger.read([elsewhere.key]) == {elsewhere.key: replace(elsewhere, revision=1)}
