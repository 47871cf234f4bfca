"""The published result of a reconcile: what was, what is, what is left and why."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.enrolment.account import AccountId, AccountState, OrganizationAccount
from functions.enrolment.coverage import Cell, Listing, State
from functions.enrolment.handover import onboarding_id
from functions.enrolment.membership import Action, Membership, Observation, Outcome, Status
from functions.enrolment.plan import Facts
from functions.enrolment.rate import Rate
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.reconcile import Settings, decide_reconcile
from functions.enrolment.reconcile_plan import plan_document, stored_gaps, with_left_out
from functions.enrolment.reconcile_record import ReconcileRecord
from functions.enrolment.reconcile_result import (
    Reconciled,
    ReconcileOutcome,
    already_running,
    counts_after,
    error_of_outcome,
    gaps_by_reason,
    reconcile_document,
    reconcile_line,
    reconcile_text,
)
from functions.enrolment.results import MOST_BYTES
from functions.services import registry
from tests.support.builders import (
    ADMINISTRATOR,
    MANAGEMENT,
    NOW,
    TARGET,
    a_membership,
    an_onboarding,
)
from tests.support.schemas import RECONCILE_SCHEMA

LABELS = {service.name: service.label for service in registry.SERVICES}
STRANGER = AccountId("999900001111")
THEIR_REASON = Reason(ReasonCode.OTHER_ADMINISTRATOR, "it belongs to another administrator")


def accounts(count: int) -> list[AccountId]:
    return [AccountId(f"{number:012}") for number in range(count)]


def a_result(
    count: int,
    rows: list[Membership] | None = None,
    now: dict[AccountId, tuple[Outcome, Reason | None]] | None = None,
    outcome: str = "complete",
    state: State = State.GAP,
    most_changes: int = 20_000,
    **changes: Any,
) -> Reconciled:
    """A reconcile of as many memberships in a state; ``rows`` as it found them, ``now`` how they
    ended since.
    """
    ids = accounts(count)
    directory = {each: OrganizationAccount(each, "", AccountState.ACTIVE) for each in ids}
    found = [Cell(each, TARGET, state, "Absent", Action.CREATE) for each in ids]
    found.append(Cell(AccountId("8" * 12), TARGET, State.ENABLED, "Enabled"))
    plan = decide_reconcile(
        found,
        [(TARGET, Observation(STRANGER, Status.ENABLED, "Enabled"))],
        Facts(ADMINISTRATOR, MANAGEMENT, directory, {}, {}),
        {row.key: row for row in rows or ()},
        {},
        Settings(most_changes=most_changes, rates={TARGET.service.name: Rate(5, 10)}),
        NOW,
        surveyed_at=NOW,
    )
    document = plan_document(
        plan, [Listing(TARGET)], accounts=count, surveyed_at=NOW, most_changes=most_changes
    )
    stored = json.loads(json.dumps(document))
    record = ReconcileRecord(
        *("one", "schedule", NOW - 5, "arn:one"),
        surveyed_at=NOW,
        runs=tuple(range(len(plan.shares))),
    )
    ended = [
        a_membership(account_id=account, onboarding_id=onboarding_id("one", 0)).settled(
            *end, NOW + 60
        )
        for account, end in (now or {}).items()
    ]
    run = an_onboarding(id=onboarding_id("one", 0), outcome=outcome, closed_at=NOW + 90)
    return Reconciled(
        record,
        NOW + 100,
        **{
            "plan": stored,
            "gaps": tuple(stored_gaps(stored, registry.SERVICES)),
            "runs": {run.id: run},
            "rows": {row.key: row for row in ended},
            "labels": LABELS,
        }
        | changes,
    )


def failed_before(account: AccountId) -> Membership:
    row = a_membership(Status.ABSENT, account_id=account, at=NOW - 90_000)
    return row.settled(Outcome.FAILED, THEIR_REASON, NOW - 90_000)


@pytest.mark.parametrize(
    ("now", "after"),
    [
        ({}, {"enabled": 1, "left_out": 2, "gaps": 0, "unread": 0}),
        ({0: Outcome.SKIPPED}, {"enabled": 1, "left_out": 2, "gaps": 0, "unread": 0}),
        ({0: Outcome.ENABLED}, {"enabled": 2, "left_out": 1, "gaps": 0, "unread": 0}),
        ({0: Outcome.FAILED}, {"enabled": 1, "left_out": 1, "gaps": 1, "unread": 0}),
    ],
    ids=["not ended", "skipped again", "enabled", "failed"],
)
def test_what_is_tried_again_is_a_gap_only_if_it_fails(
    now: dict[int, Outcome], after: dict[str, int]
) -> None:
    ids = accounts(2)
    rows = [
        a_membership(Status.ABSENT, account_id=each, at=NOW - 90_000).settled(
            Outcome.SKIPPED, THEIR_REASON, NOW - 90_000
        )
        for each in ids
    ]

    told = reconcile_document(
        a_result(
            2,
            rows,
            {ids[number]: (outcome, THEIR_REASON) for number, outcome in now.items()},
            state=State.LEFT_OUT,
        )
    )

    (target,) = told["targets"]
    assert target["before"] == {"enabled": 1, "left_out": 2, "gaps": 0, "unread": 0}
    assert target["after"] == after
    assert len(told["gaps"]) == after["gaps"]
    assert [run["accounts"] for run in told["runs"]] == [2]


def mixed() -> Reconciled:
    return a_result(
        6,
        rows=[failed_before(accounts(6)[5])],
        now={
            accounts(6)[0]: (Outcome.ENABLED, None),
            accounts(6)[1]: (Outcome.ALREADY_ENABLED, None),
            accounts(6)[2]: (Outcome.SKIPPED, Reason(ReasonCode.LEFT_OUT_BY_POLICY, "a policy")),
            accounts(6)[3]: (Outcome.FAILED, Reason(ReasonCode.MEMBER_LIMIT, "the limit")),
        },
        outcome="incomplete",
    )


def test_what_runs_have_ended_is_counted_and_what_is_left_has_its_reason() -> None:
    document = reconcile_document(mixed())

    assert document["accounts"] == 6
    assert document["changes"] == {"needed": 5, "most_changes": 20_000}
    [target] = document["targets"]
    assert target["before"] == {"enabled": 1, "left_out": 0, "gaps": 6, "unread": 0}
    assert target["after"] == {"enabled": 3, "left_out": 1, "gaps": 3, "unread": 0}
    left = {gap["account_id"]: gap for gap in document["gaps"]}
    assert {account: (gap["reason_code"], gap["disposition"]) for account, gap in left.items()} == {
        accounts(6)[3]: ("member-limit", "run"),
        accounts(6)[4]: (None, "run"),
        accounts(6)[5]: ("other-administrator", "hopeless"),
    }
    assert [gap["run"] for gap in left.values()] == ["one-0", "one-0", "onboarding-1"]
    assert {(each["reason_code"], each["count"]) for each in document["gaps_left"]} == {
        *(("member-limit", 1), ("create", 1), ("other-administrator", 1))
    }
    assert document["runs"] == [
        {"onboarding_id": "one-0", "accounts": 5, "targets": 1, "outcome": "incomplete"}
    ]
    assert [each["account_id"] for each in document["outside"]] == [STRANGER]
    assert document["only_in_services"][0]["count"] == 1


@pytest.mark.parametrize(
    "result",
    [
        mixed(),
        a_result(0),
        Reconciled(ReconcileRecord("x", "manual", NOW, "arn:x"), NOW, failure="no"),
    ],
    ids=["mixed", "nothing", "failed"],
)
def test_the_document_is_as_the_schema_says(result: Reconciled) -> None:
    RECONCILE_SCHEMA.validate(reconcile_document(result))
    RECONCILE_SCHEMA.validate(reconcile_document(result, MOST_BYTES) | {"complete_document": None})


def test_a_long_document_is_shortened_and_says_by_how_much() -> None:
    drifted = [
        a_membership(account_id=each).settled(Outcome.ENABLED, None, NOW - 90_000)
        for each in accounts(3000)
    ]
    result = a_result(3000, rows=drifted)

    document = reconcile_document(result, MOST_BYTES)

    assert MOST_BYTES - 1024 < len(json.dumps(document).encode()) <= MOST_BYTES
    for name in ("gaps", "drift"):
        assert len(document[name]) > 50
        assert len(document[name]) + document["omitted"][name] == 3000
    assert len(reconcile_document(result)["gaps"]) == 3000
    assert reconcile_text(result).count("\n") < 300


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("complete", ReconcileOutcome.COMPLETE),
        ("duplicate of other-run", ReconcileOutcome.COMPLETE),
        ("incomplete", ReconcileOutcome.INCOMPLETE),
        ("refused: accounts", ReconcileOutcome.INCOMPLETE),
    ],
)
def test_a_run_that_ended_incomplete_makes_it_incomplete(
    outcome: str, expected: ReconcileOutcome
) -> None:
    assert a_result(2, outcome=outcome).outcome is expected


def test_a_run_that_has_no_record_did_not_begin() -> None:
    result = a_result(2, runs={})

    assert result.outcome is ReconcileOutcome.INCOMPLETE
    assert reconcile_line(result).endswith(": incomplete: 2 gaps left, 1 run not begun")


def test_gaps_that_are_hopeless_do_not_fail_it() -> None:
    result = a_result(1, rows=[failed_before(accounts(1)[0])])

    assert result.outcome is ReconcileOutcome.NOTHING
    assert reconcile_line(result) == "Rollcall reconcile: nothing to do: 1 gap left"
    assert "GuardDuty  eu-west-1  1 x other-administrator" in reconcile_text(result)


@pytest.mark.parametrize(
    ("stored", "error"),
    [
        ("complete", ""),
        ("reported", ""),
        (already_running("other"), ""),
        ("incomplete", "ReconcileIncomplete"),
        ("confirmation required", "ConfirmationRequired"),
        ("the execution was aborted", "ReconcileFailed"),
    ],
)
def test_a_stored_outcome_stands_for_the_same_error(stored: str, error: str) -> None:
    assert error_of_outcome(stored) == error


def test_the_counts_and_reasons_that_are_measured_are_those_after_the_runs() -> None:
    assert counts_after(mixed()) == {
        ("guardduty", "eu-west-1"): {"enabled": 3, "left_out": 1, "gaps": 3, "unread": 0}
    }
    assert gaps_by_reason(mixed()) == {"member-limit": 1, "create": 1, "other-administrator": 1}


def test_a_target_that_was_not_read_has_no_counts() -> None:
    plan = mixed().plan or {}
    unread = [{**target, "problem": "denied"} for target in plan["targets"]]

    assert counts_after(replace(mixed(), plan={**plan, "targets": unread})) == {}


@pytest.mark.parametrize(
    ("state", "code", "said"),
    [
        (None, "account-not-active", "not belonging to the organisation"),
        (AccountState.SUSPENDED, "account-not-active", "SUSPENDED"),
        (AccountState.PENDING_ACTIVATION, "account-pending-activation", "PENDING_ACTIVATION"),
    ],
    ids=["left", "suspended", "pending"],
)
def test_an_account_that_changed_since_the_survey_gets_no_run_and_says_why(
    state: AccountState | None, code: str, said: str
) -> None:
    left, stays = accounts(2)
    found = None if state is None else OrganizationAccount(left, "", state)

    plan = with_left_out(a_result(2).plan or {}, {left: found})

    gap, other = stored_gaps(plan, registry.SERVICES)
    assert plan["left_out"] == {left: {"reason_code": code, "said": said}}
    assert (gap.account_id, gap.action, gap.disposition, gap.batch) == (
        left,
        "stop",
        "nothing",
        None,
    )
    assert gap.reason is not None
    assert gap.reason.code == code
    assert said in gap.reason.text
    assert (other.account_id, other.action, other.disposition, other.batch) == (
        *(stays, "create", "run", 0),
    )


def test_what_waits_for_a_person_says_how_many_accounts_and_how_to_confirm() -> None:
    text = reconcile_text(a_result(3, most_changes=2))

    assert (
        "Nothing was changed: 3 accounts would be created or invited, and at most 2 may be. "
        'To do so, start a reconcile by hand with the input {"most_changes": 3}.'
    ) in text


AT = "2027-01-14T07:00:00.000Z"
AT_WORK = an_onboarding(id=onboarding_id("one", 0))


def test_people_read_what_is_left_and_why_and_what_drifted_or_waits() -> None:
    ids, place = accounts(6), {"service": "guardduty", "region": "eu-west-1"}
    plan = mixed().plan or {}
    (target,) = plan["targets"]
    none = dict.fromkeys(target["before"], 0)
    plan = {
        **plan,
        "targets": [
            target,
            target | {"region": "eu-north-1", "before": none | {"enabled": 5}},
            target | {"region": "us-east-1", "before": none | {"unread": 6}, "problem": "denied"},
        ],
        "drift": [
            {**place, "account_id": ids[number], "enabled_at": AT, "found_at": AT, "status": "Gone"}
            for number in (0, 4)
        ],
        "waiting": [{**place, "account_id": ids[4], "since": AT, "reason": "nobody accepted"}],
    }

    assert reconcile_text(replace(mixed(), plan=plan, notes=("a note",))).splitlines() == [
        "Rollcall reconcile: incomplete: 2 enabled, 3 gaps left, 1 run incomplete,"
        " 1 target not read",
        "Reconcile one, schedule, took 1 min 45 s.",
        "",
        "Targets with gaps:",
        "GuardDuty  eu-west-1  3 enabled (before: 1), 3 gaps (before: 6)",
        "GuardDuty  us-east-1  not read: denied",
        "",
        "Why gaps are left:",
        "GuardDuty  eu-west-1  1 x member-limit",
        "GuardDuty  eu-west-1  1 x create",
        "GuardDuty  eu-west-1  1 x other-administrator",
        "",
        "Were enabled, and were found changed:",
        f"{ids[0]}  GuardDuty  eu-west-1  Gone, enabled at {AT}: enabled",
        f"{ids[4]}  GuardDuty  eu-west-1  Gone, enabled at {AT}: not enabled again yet",
        "",
        "Waiting:",
        f"{ids[4]}  GuardDuty  eu-west-1  since {AT}: nobody accepted",
        "Note: a note.",
    ]


@pytest.mark.parametrize(("drifted", "last"), [(60, "enabled again yet"), (61, "... and 1 more")])
def test_people_read_no_more_lines_of_a_section_than_they_can(drifted: int, last: str) -> None:
    enabled = [
        a_membership(account_id=each).settled(Outcome.ENABLED, None, NOW - 90_000)
        for each in accounts(drifted)
    ]

    lines = reconcile_text(a_result(drifted, rows=enabled)).splitlines()

    assert len(lines) == 10 + drifted
    assert last in lines[-1]


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (a_result(2), ": complete: 2 gaps left"),
        (
            a_result(1, most_changes=0),
            ": confirmation required: 1 account would be created or invited, 1 gap left",
        ),
        (
            a_result(2, runs={AT_WORK.id: AT_WORK}),
            ": complete: 2 gaps left, 1 run still running",
        ),
        (a_result(1, failure="denied"), " failed: denied"),
        (a_result(1, plan=None), " failed: it has no plan"),
    ],
    ids=["complete", "to be confirmed", "still running", "failed", "without a plan"],
)
def test_one_line_tells_a_reconcile_as_a_whole(result: Reconciled, line: str) -> None:
    assert reconcile_line(result) == f"Rollcall reconcile{line}"


def test_a_service_that_this_version_does_not_know_is_named_as_it_is_stored() -> None:
    text = reconcile_text(a_result(1, labels={}))

    assert "guardduty  eu-west-1  1 enabled (before: 1), 1 gaps (before: 1)" in text.splitlines()


def test_drift_says_when_it_was_found_and_how_it_ended() -> None:
    (account,) = accounts(1)
    enabled = a_membership(Status.ENABLED, account_id=account, at=NOW - 90_000).settled(
        Outcome.ENABLED, None, NOW - 90_000
    )

    (drift,) = reconcile_document(a_result(1, [enabled], {account: (Outcome.ENABLED, None)}))[
        "drift"
    ]

    assert drift == {
        "account_id": account,
        "service": "guardduty",
        "region": "eu-west-1",
        "enabled_at": "2027-01-14T07:00:00.000Z",
        "found_at": "2027-01-15T08:00:00.000Z",
        "status": "Absent",
        "outcome": "enabled",
    }


@pytest.mark.parametrize(
    ("settled_at", "left"), [(NOW - 1, 1), (NOW, 0), (None, 1)], ids=["before", "then", "unknown"]
)
def test_what_ended_before_the_survey_does_not_count(settled_at: float | None, left: int) -> None:
    (account,) = accounts(1)
    row = a_membership(account_id=account, onboarding_id="one-0").settled(
        Outcome.ENABLED, None, NOW
    )

    result = replace(a_result(1), rows={row.key: replace(row, settled_at=settled_at)})

    assert len(result.left) == left


def test_a_gap_has_no_run_while_that_of_its_batch_is_not_started() -> None:
    result = a_result(1)

    (gap,) = replace(result, record=replace(result.record, runs=())).left

    assert (gap.batch, gap.run) == (0, None)


def test_of_a_gap_programs_read_since_when_it_is_known_and_why_it_is_left() -> None:
    (account,) = accounts(1)

    document = reconcile_document(a_result(1, now={account: (Outcome.FAILED, THEIR_REASON)}))

    assert document["surveyed_at"] == "2027-01-15T08:00:00.000Z"
    assert document["gaps"] == [
        {
            "account_id": account,
            "service": "guardduty",
            "region": "eu-west-1",
            "status": "Absent",
            "since": "2027-01-15T08:00:00.000Z",
            "action": "create",
            "disposition": "run",
            "reason": THEIR_REASON.text,
            "reason_code": "other-administrator",
            "run": "one-0",
            "outcome": "failed",
        }
    ]


def test_without_a_plan_it_is_not_known_what_the_runs_were_for() -> None:
    document = reconcile_document(a_result(1, plan=None, gaps=()))

    assert document["runs"] == [
        {"onboarding_id": "one-0", "accounts": 0, "targets": 0, "outcome": "complete"}
    ]


@pytest.mark.parametrize(("run", "reason"), [("one-0", "not-created"), ("another", None)])
def test_a_gap_that_its_run_is_at_work_on_has_the_reason_for_which_it_waits(
    run: str, reason: str | None
) -> None:
    (account,) = accounts(1)
    row = a_membership(Status.ABSENT, account_id=account, onboarding_id=run, at=NOW)

    (gap,) = replace(a_result(1), rows={row.key: row}).left

    assert gap.run == "one-0"
    assert (gap.reason and str(gap.reason.code)) == reason
