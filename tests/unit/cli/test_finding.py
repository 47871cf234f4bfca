"""What is said of an account at a target, and the commands that mend it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.enrolment.account import Mode
from functions.enrolment.coverage import Cell, State
from functions.enrolment.explain import explain
from functions.enrolment.membership import Action, Outcome, Status, Verdict
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.target import Target
from functions.services.registry import DETECTIVE, GUARDDUTY, SECURITYHUB
from infra.cli.finding import Finding, commands, sentences, to_do
from infra.cli.story import of_all, places, remedy_of, what_of
from tests.support.builders import (
    ACCOUNT,
    NOW,
    RUN,
    TARGET,
    a_configuration,
    a_membership,
    an_onboarding,
    tried,
)

HERE, THERE = "eu-west-1", "us-east-1"
ALL = [Target(s, r) for s in (SECURITYHUB, GUARDDUTY, DETECTIVE) for r in (HERE, THERE)]
GAP = Cell(ACCOUNT, TARGET, State.GAP, "Absent", Action.CREATE)
DENIED = Reason(
    ReasonCode.ACCESS_DENIED,
    "GetMembers: denied; Absent since 2027-01-15T08:00:00Z; last tried: create at"
    " 2027-01-15T08:00:00Z; to do: allow the call, and start again",
)


def a_finding(**changes: Any) -> Finding:
    finding = Finding(GAP, Mode.ORGANIZATION, None, None, None, False, NOW + 60, a_configuration())
    return replace(finding, **changes)


def ended(outcome: Outcome, reason: Reason | None = None, status: Status = Status.ABSENT) -> Any:
    return tried(a_membership(status), Action.CREATE).settled(outcome, reason, NOW + 30)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (ALL, [""]),
        (ALL[:1], [f" --service securityhub --region {HERE}"]),
        (ALL[:2], [" --service securityhub"]),
        (ALL[::2], [f" --region {HERE}"]),
        (
            ALL[:3],
            [
                f" --service guardduty --service securityhub --region {HERE}",
                f" --service securityhub --region {THERE}",
            ],
        ),
    ],
    ids=["all", "one", "a service", "a Region", "no rectangle"],
)
def test_the_commands_start_runs_for_the_targets_and_for_no_others(
    targets: list[Target], expected: list[str]
) -> None:
    told = [
        line.removeprefix(f"rollcall start {ACCOUNT}") for line in commands(a_finding(), targets)
    ]

    assert told == expected


@pytest.mark.parametrize(
    ("changes", "expected", "runs"),
    [
        ({}, "start a run", True),
        ({"row": ended(Outcome.ENABLED)}, "start a run", True),
        ({"row": ended(Outcome.FAILED, DENIED)}, "allow the call, and start again", True),
        # The service reports something else since.
        ({"row": ended(Outcome.FAILED, DENIED, Status.REMOVED)}, "start a run", True),
        # The account has joined again since.
        ({"row": ended(Outcome.FAILED, DENIED), "joined_at": NOW + 40}, "start a run", True),
        (
            {"cell": replace(GAP, action=Action.STOP, reason=DENIED)},
            "allow the call, and start again",
            True,
        ),
        (
            {"row": a_membership(Status.ABSENT), "at_work": True},
            f"nothing: run {RUN} is working on it (rollcall watch {RUN})",
            False,
        ),
        (
            {
                "row": tried(a_membership(Status.ABSENT), Action.CREATE, Verdict.RETRY),
                "at_work": True,
            },
            f"fix what the last try says; run {RUN} is working on it (rollcall watch {RUN})",
            False,
        ),
        (
            {"cell": replace(GAP, state=State.LEFT_OUT, action=Action.STOP, reason=DENIED)},
            "nothing, unless it is to be enabled: allow the call, and start again",
            True,
        ),
        (
            {"cell": replace(GAP, state=State.UNREAD, action=None, reason=DENIED)},
            "allow the call, and read again",
            False,
        ),
    ],
    ids=[
        *("never tried", "drift", "failed", "failed before it changed", "failed before it joined"),
        *("would end", "in progress", "in trouble", "left out", "unread"),
    ],
)
def test_what_to_do_goes_by_the_reason(
    changes: dict[str, Any],
    expected: str,
    runs: bool,  # a parameter of the table
) -> None:
    finding = a_finding(**changes)

    assert to_do(finding) == expected
    assert bool(list(commands(finding, [TARGET]))) is runs


def test_no_command_is_given_for_a_run_that_would_end_it_again() -> None:
    """There is nothing that people can do first."""
    reason = explain(ReasonCode.ACCOUNT_NOT_ACTIVE, a_membership(), "SUSPENDED")
    cell = replace(GAP, state=State.LEFT_OUT, action=Action.STOP, reason=reason)

    assert list(commands(a_finding(cell=cell), [TARGET])) == []


def test_the_history_is_told_with_every_attempt_and_how_it_ended() -> None:
    row = tried(
        ended(Outcome.FAILED, DENIED), Action.CREATE, Verdict.RETRY, text="busy", at=NOW + 9
    )
    seen = sentences(a_finding(row=row, holder=an_onboarding(source="manual")))

    assert seen == {
        "Now": "the service does not have the account as a member",
        "Should be": "enabled",
        "Why": "GetMembers: denied",
        "Last run": f"{RUN} (manual), from 2027-01-15T08:00:00Z (1 min ago)",
        "It read": "Absent 2027-01-15T08:00:00Z",
        "It tried": "create 2 times, last at 2027-01-15T08:00:09Z: busy",
        "It ended": "failed at 2027-01-15T08:00:30Z (30 s ago)",
        "A new run would": "create the member",
        "To do": "allow the call, and start again",
    }


def test_a_reason_is_taken_apart() -> None:
    assert what_of(DENIED.text) == "GetMembers: denied"
    assert remedy_of(DENIED.text) == "allow the call, and start again"
    assert (what_of("a; b"), remedy_of("a; b")) == ("a; b", "")


def test_what_is_said_of_the_first_of_several_targets_holds_for_all() -> None:
    text = f"enable GuardDuty in {HERE} of the account"
    guardduty = [target for target in ALL if target.service == GUARDDUTY]

    assert of_all(text, guardduty[:1]) == text
    assert of_all(text, guardduty) == "enable GuardDuty in each Region of the account"
    assert of_all(text, [guardduty[0], ALL[0]]) == f"enable the service in {HERE} of the account"
    assert places(guardduty) == f"GuardDuty {HERE}, {THERE}"
