"""Runs as they are shown live and in a file."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from functions.enrolment.account import AccountId
from functions.enrolment.membership import Action, Membership, Observation, Outcome, Status
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.target import Target
from functions.services import registry
from infra.cli.follow import (
    Changes,
    Columns,
    Seen,
    by_reason,
    columns_of,
    follow,
    frame,
    line,
    pause_after,
    row,
)
from tests.support.builders import ACCOUNT, NOW, OTHER, a_membership, tried

if TYPE_CHECKING:
    from functions.enrolment.service import Service

CODE = ReasonCode.NOT_ACCEPTED
MONDAY, TUESDAY = "2027-01-11T08:00:00Z (4 d)", "2027-01-12T08:00:00Z (3 d)"


def failed(region: str, text: str) -> Membership:
    membership = a_membership(target=Target(registry.GUARDDUTY, region))
    seen = membership.seen(Observation(membership.account_id, Status.INVITED, "Invited"), NOW)
    return seen.settled(Outcome.FAILED, Reason(CODE, text), NOW + 2.5)


def test_a_membership_is_one_line_with_the_first_part_of_its_reason() -> None:
    record = failed("eu-west-1", f"nobody accepted; Invited since {MONDAY}; ask")
    shown = line(record, columns_of([record])).plain

    assert shown.endswith("  Invited  2.5 s  failed: nobody accepted")


def test_reasons_that_differ_only_in_target_and_time_are_shown_once() -> None:
    records = [
        failed("us-east-1", f"Invited since {TUESDAY}; accept it in us-east-1"),
        failed("eu-west-1", f"Invited since {MONDAY}; accept it in eu-west-1"),
        failed("eu-west-2", f"Invited since {MONDAY}; ask its owner"),
        replace(failed("eu-west-1", f"Invited since {MONDAY}"), account_id=OTHER),
    ]

    shown = [text.plain.split("\n") for text in by_reason(records, 120)]

    assert [[part.strip() for part in lines] for lines in shown] == [
        [
            f"{ACCOUNT}  failed: Invited since {MONDAY}; accept it in eu-west-1",
            "GuardDuty eu-west-1, GuardDuty us-east-1",
        ],
        [f"{ACCOUNT}  failed: Invited since {MONDAY}; ask its owner", "GuardDuty eu-west-2"],
        [f"{OTHER}  failed: Invited since {MONDAY}", "GuardDuty eu-west-1"],
    ]


def of(account: int, outcome: Outcome | None = None, at: float = NOW) -> Membership:
    membership = replace(
        a_membership(Status.CREATED, at=at), account_id=AccountId(f"{account:012}")
    )
    return membership if outcome is None else membership.settled(outcome, None, at)


def read(membership: Membership, status: Status, after: float) -> Membership:
    return membership.seen(Observation(membership.account_id, status, str(status)), NOW + after)


def test_a_row_in_progress_says_status_time_in_it_and_attempts() -> None:
    membership = tried(tried(of(1), Action.CREATE), Action.CREATE)

    shown = row(membership, NOW + 75, 80, Columns(9, 14)).plain

    assert shown.endswith("eu-west-1       Created 1 min 15 s, create ×2")  # noqa: RUF001  # times
    assert row(a_membership(), NOW, 80, Columns(9, 9)).plain.endswith("  not read yet")


@pytest.mark.parametrize("status", [Status.CREATED, Status.ACCEPTED_BUT_DISABLED])
def test_a_row_fits_the_terminal_and_keeps_its_outcome(status: Status) -> None:
    membership = read(of(1), status, 5).settled(
        Outcome.FAILED, Reason(CODE, f"nobody accepted the invitation; Invited since {MONDAY}"), NOW
    )

    shown = row(membership, NOW, 80, columns_of([membership], 80)).plain

    assert len(shown) <= 80
    assert "failed: nobody" in shown


def at_target(service: Service, region: str, membership: Membership) -> Membership:
    return replace(membership, target=Target(service, region))


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-2"])
def test_a_narrow_terminal_has_room_for_what_is_said(region: str) -> None:
    seen = Seen(
        (
            at_target(registry.DETECTIVE, region, of(1, Outcome.ALREADY_ENABLED)),
            at_target(registry.SECURITYHUB, region, of(1, at=NOW - 8)),
        ),
        ended=False,
    )

    shown = [text.plain for text in frame(seen, NOW, 60, 20)]

    assert max(map(len, shown)) <= 60
    assert f"  {region}  already enabled" in shown[0]
    assert shown[1].endswith(f"  {region}  Created 8 s")
    assert shown[-1].startswith("Longest in its status: Created 8 s: 000000000001 ")


def test_a_wide_terminal_has_the_names_of_services_in_columns() -> None:
    seen = Seen(
        (
            at_target(registry.DETECTIVE, "us-east-1", of(1)),
            at_target(registry.SECURITYHUB, "eu-central-1", of(1)),
        ),
        ended=False,
    )

    first, second, *_ = [text.plain for text in frame(seen, NOW, 80, 20)]

    assert first == "000000000001  Security Hub CSPM  eu-central-1  Created 0 s"
    assert second == "000000000001  Detective          us-east-1     Created 0 s"


def test_all_rows_are_shown_if_they_fit() -> None:
    seen = Seen(tuple(of(n) for n in range(10)), ended=False)

    shown = [text.plain for text in frame(seen, NOW + 60, 80, 24)]

    assert [line[:12] for line in shown[:10]] == [f"{n:012}" for n in range(10)]
    assert shown[10].endswith("0 of 10 enabled, 10 in progress")
    assert shown[11].startswith("Longest in its status: Created 1 min: 000000000000 GuardDuty")


def test_of_more_than_a_screenful_those_that_need_attention_are_shown() -> None:
    enabled = [of(n, Outcome.ENABLED) for n in range(600)]
    failed = [of(600, Outcome.FAILED), of(601, Outcome.TIMED_OUT)]
    changed = [read(of(n), Status.INVITED, n) for n in range(602, 610)]
    idle = [of(n) for n in range(610, 640)]

    shown = [
        text.plain
        for text in frame(Seen((*idle, *enabled, *failed, *changed), ended=False), NOW, 80, 24)
    ]

    assert len(shown) <= 24 - 2
    rows = {int(line[:12]) for line in shown if line[:12].isdigit()}
    assert rows >= {*range(600, 610)}
    assert "and 622 more" in shown
    assert any(
        "600 of 640 enabled, 1 failed, 1 timed out, 38 in progress" in line for line in shown
    )


def test_a_file_gets_a_line_for_each_change_and_none_for_the_first_status() -> None:
    changes = Changes()
    created, invited = of(1), read(of(1), Status.INVITED, 5)
    ended = invited.settled(Outcome.ENABLED, None, NOW + 9)

    def lines(membership: Membership, *, last: bool = False) -> list[str]:
        return [text.plain for text in changes.lines(Seen((membership,), ended=last))]

    assert lines(created) == []
    assert [line.rstrip().endswith("Created → Invited") for line in lines(invited)] == [True]
    assert lines(invited) == []
    assert [line.endswith("Created → Invited  9.0 s  enabled") for line in lines(ended)] == [True]
    assert lines(ended, last=True) == []


def test_what_has_no_outcome_at_the_end_has_a_line_too() -> None:
    assert len(list(Changes().lines(Seen((of(1),), ended=True)))) == 1


@pytest.mark.parametrize(("age", "pause"), [(0, 1), (16, 2), (80, 10), (3600, 15)])
def test_runs_are_read_more_rarely_with_time(age: float, pause: float) -> None:
    assert pause_after(age) == pause


@pytest.mark.parametrize("terminal", [True, False])
def test_it_is_followed_until_it_has_ended(terminal: bool) -> None:
    clock, output = [NOW], io.StringIO()
    states = [
        Seen((), ended=False, doing="1 run not planned yet"),
        Seen((of(1),), ended=False),
        Seen((of(1, Outcome.ENABLED),), ended=True),
    ]
    looks = iter(states)

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    last = follow(
        Console(file=output, force_terminal=terminal, width=80, height=24, highlight=False),
        lambda: next(looks),
        now=lambda: clock[0],
        sleep=sleep,
    )

    assert last is states[-1]
    assert "1 run not planned yet" in output.getvalue()
    assert "enabled" in output.getvalue().splitlines()[-1]


def test_a_run_that_does_not_end_is_given_up() -> None:
    clock = [NOW]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    with pytest.raises(TimeoutError, match="has not ended after 60 s"):
        follow(
            Console(file=io.StringIO()),
            lambda: Seen((), ended=False),
            seconds=60,
            now=lambda: clock[0],
            sleep=sleep,
        )
