"""What people are shown of a plan."""

from __future__ import annotations

import sys

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.automation import auto_enable
from functions.enrolment.coverage import Listing
from functions.enrolment.membership import Action
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.request import RequestedAccount
from functions.enrolment.target import Target
from functions.services.registry import GUARDDUTY
from infra.cli.outlook import shown
from infra.cli.planning import Outlook, Planned, PlannedRun, Prospect, estimate
from tests.support.builders import NOW, a_configuration

HERE, THERE = Target(GUARDDUTY, "eu-west-1"), Target(GUARDDUTY, "us-east-1")
CONFIGURATION = a_configuration()
TAKEN = Reason(ReasonCode.OTHER_ADMINISTRATOR, "a member of 121212121212; to do: remove it there")
DENIED = Reason(ReasonCode.ACCESS_DENIED, "GuardDuty ListMembers: AccessDenied; to do: allow it")


def account(number: int) -> AccountId:
    return AccountId(f"{300_000_000_000 + number}")


def an_outlook(fresh: int = 2) -> Outlook:
    wait, new = Action.WAIT, auto_enable("NEW")
    organization, change = Mode.ORGANIZATION, Prospect.CHANGE
    first = 100
    planned = [
        *(
            Planned(account(n), organization, HERE, change, "Absent", Action.CREATE)
            for n in range(fresh)
        ),
        Planned(account(first), organization, HERE, change, "Absent", wait, automation=new),
        Planned(account(first + 1), organization, HERE, Prospect.NO, "Absent", reason=TAKEN),
        Planned(account(first + 2), organization, HERE, Prospect.ENABLED, "Enabled"),
        Planned(account(first + 3), organization, HERE, Prospect.IN_PROGRESS, "Absent", run="r1"),
        Planned(account(first + 4), Mode.INVITATION, HERE, change, "Absent", Action.CREATE),
    ]
    working = [each.account_id for each in planned if each.prospect is change]
    return Outlook(
        NOW,
        len(planned) + 1,
        tuple(planned),
        (Listing(HERE), Listing(THERE, problem=DENIED)),
        (PlannedRun(tuple(RequestedAccount(each) for each in working), (HERE, THERE), 0),),
        len(working),
        ("a note",),
    )


def test_targets_are_counted_by_what_is_to_be_expected() -> None:
    lines = list(shown(an_outlook(), CONFIGURATION, sys.maxsize, accounts=False))

    assert lines[2:4] == [
        "GuardDuty  eu-west-1  2 create, 1 wait (auto-enable NEW), 1 create and invite, 1 enabled,"
        " 1 no: a member of 121212121212, 1 in progress",
        "GuardDuty  us-east-1  not read: GuardDuty ListMembers: AccessDenied",
    ]
    assert lines[-4] == (
        "Plan: 1 run for 4 accounts, 4 of them to create or invite; 4 accounts need no run;"
        " 1 target not read."
    )
    assert lines[-1] == "Note: a note."


def test_few_memberships_have_a_line_each_and_many_if_they_are_asked_for() -> None:
    def listed(outlook: Outlook, *, accounts: bool) -> list[str]:
        lines = shown(outlook, CONFIGURATION, sys.maxsize, accounts=accounts)
        return [line for line in lines if line.startswith("3000")]

    few = listed(an_outlook(), accounts=False)
    assert len(few) == 6
    assert few[3] == f"{account(101)}  GuardDuty  eu-west-1  Absent: no: {TAKEN}"
    assert few[4].endswith("Absent: in progress in r1")
    assert listed(an_outlook(50), accounts=False) == []
    assert len(listed(an_outlook(50), accounts=True)) == 54


def test_lines_fit_the_terminal() -> None:
    lines = list(shown(an_outlook(), CONFIGURATION, 80, accounts=True))

    assert max(map(len, lines)) <= 80


def test_on_a_narrow_terminal_reasons_have_the_width_below_the_place() -> None:
    lines = list(shown(an_outlook(), CONFIGURATION, 60, accounts=True))

    place = lines.index(f"{account(101)}  GuardDuty  eu-west-1")
    assert lines[place + 1 : place + 3] == [
        "              Absent: no: a member of 121212121212; to do:",
        "              remove it there",
    ]
    assert max(map(len, lines)) <= 60


def test_what_is_to_be_done_about_targets_that_were_not_read_is_told() -> None:
    lines = list(shown(an_outlook(), CONFIGURATION, sys.maxsize, accounts=False))

    assert lines[-2] == "To do for GuardDuty us-east-1: allow it"


def test_an_estimate_counts_each_call_of_a_run_once() -> None:
    estimated = estimate(an_outlook(), CONFIGURATION)

    # Two readings and what the service does by itself; create; invite, and a reading of that.
    assert estimated.calls == 6
    assert estimated.at_least == CONFIGURATION.timing.first_wait
    assert estimated.at_most == CONFIGURATION.timing.invitation_deadline
