"""How far apart reconciles are, for every expression that a configuration takes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.enrolment.configuration import Configuration, Reconcile, Timing, read_configuration
from functions.enrolment.document import Document
from functions.services.registry import SERVICES
from infra.schedule import (
    LONGEST_DELAY_SECONDS,
    MOST_HOURS,
    WINDOW_SECONDS,
    longest_gap,
    overdue_hours,
)
from tests.support.alarms import is_in_alarm

HOUR, DAY = 3600, 86400
CONFIGURATION = Configuration(("eu-west-1",), SERVICES)


@pytest.mark.parametrize(
    ("expression", "gap"),
    [
        ("rate(1 minute)", 60),
        ("rate(12 hours)", 12 * HOUR),
        ("rate(3 days)", 3 * DAY),
        ("cron(23 4 * * ? *)", DAY),
        ("cron(23 4 ? * * *)", DAY),
        ("cron(* * * * ? *)", 60),
        ("cron(0 6,18 * * ? *)", 12 * HOUR),
        ("cron(0 8-17 * * ? *)", 15 * HOUR),
        ("cron(0 0/6 * * ? *)", 6 * HOUR),
        ("cron(0 */5 * * ? *)", 5 * HOUR),
        ("cron(10/20 4-8/4 * * ? *)", 19 * HOUR + 20 * 60),
        ("cron(15 4 ? * MON-FRI *)", 3 * DAY),
        ("cron(15 4 ? * 2-6 *)", 3 * DAY),
        ("cron(15 4 ? * mon,THU *)", 4 * DAY),
        ("cron(0 6,18 ? * MON-FRI *)", 2 * DAY + 12 * HOUR),
        ("cron(15 4 ? * SUN *)", 7 * DAY),
        ("cron(15 4 1/3 * ? *)", 3 * DAY),
        ("cron(15 4 2/2 * ? *)", 3 * DAY),
        ("cron(15 4 1,15 * ? *)", 17 * DAY),
        # After the 28th of a month of 31 days; that its last day starts one, too, is left out.
        ("cron(15 4 1-28,L * ? *)", 4 * DAY),
        ("cron(15 4 31 * ? *)", 61 * DAY),
        ("cron(15 4 * JAN-NOV ? *)", 32 * DAY),
        ("cron(15 4 29 2 ? *)", (4 * 365 + 1) * DAY),
        ("cron(15 4 L * ? *)", None),
        ("cron(15 4 15W * ? *)", None),
        ("cron(15 4 ? * 6L *)", None),
        ("cron(15 4 ? * MON#1 *)", None),
        ("cron(15 4 ? * SAT-SUN *)", None),
        ("cron(15 4 * * ? 2027)", None),
        ("cron(15 4 * * ? 2027-2199)", None),
        ("cron(15 4 30 FEB ? *)", None),
        ("cron(15 24 * * ? *)", None),
        ("cron(15 4 * * *)", None),
        ("cron(15 4 */0 * ? *)", None),
    ],
)
def test_the_longest_time_between_two_starts(expression: str, gap: int | None) -> None:
    context = {"regions": ["eu-west-1"], "reconcile": {"schedule": expression}}
    read = read_configuration(Document(context, "rollcall"), SERVICES)

    assert longest_gap(read.reconcile.schedule) == gap


def overdue(schedule: str, timing: Timing | None = None) -> int | None:
    reconcile = Reconcile(schedule=schedule)
    return overdue_hours(replace(CONFIGURATION, reconcile=reconcile, timing=timing or Timing()))


def test_a_reconcile_is_overdue_after_the_schedule_its_delay_and_its_length() -> None:
    # 24 h, then 1 h 15 min to start, 6 h to survey and start runs, 1 h 30 min to await those.
    assert overdue("cron(23 4 * * ? *)") == 33 + 1
    assert overdue("rate(1 hour)") == 10 + 1
    assert overdue("rate(1 day)", Timing(organization_deadline=4 * HOUR)) == 36 + 1
    # However long runs may take, they are awaited for a day and a half.
    assert overdue("rate(1 day)", Timing(organization_deadline=9 * DAY)) == 68 + 1


def no_longer_than(seconds: int) -> st.SearchStrategy[int]:
    return st.sampled_from([0, seconds]) | st.integers(0, seconds)


@settings(max_examples=50)
@given(
    gap=st.sampled_from([HOUR, 12 * HOUR, DAY, 3 * DAY]),
    drawn=st.lists(
        st.tuples(
            no_longer_than(WINDOW_SECONDS + LONGEST_DELAY_SECONDS),
            no_longer_than(int(7.5 * HOUR)),
        ),
        min_size=2,
        max_size=40,
    ),
    offset=st.integers(0, HOUR),
)
def test_no_reconcile_is_overdue_before_it_has_had_its_time(
    gap: int, drawn: list[tuple[int, int]], offset: int
) -> None:
    alarm = {
        "Period": HOUR,
        "EvaluationPeriods": overdue(f"rate({gap // HOUR} hours)"),
        "Statistic": "SampleCount",
        "ComparisonOperator": "LessThanThreshold",
        "Threshold": 1,
        "TreatMissingData": "breaching",
    }
    ended: list[tuple[float, float]] = []
    for number, (delay, length) in enumerate(drawn):
        start = offset + number * gap + delay
        # While one runs, the next is refused.
        if not ended or start >= ended[-1][0]:
            ended.append((start + length, 0))

    for (before, _), (later, _) in pairwise(ended):
        assert not is_in_alarm(alarm, [(before, 0)], later - 1)


def test_an_alarm_looks_back_seven_days_at_most() -> None:
    assert overdue("rate(158 hours)") == MOST_HOURS == 7 * 24
    for too_far in ("rate(159 hours)", "rate(7 days)", "cron(15 4 ? * SUN *)", "cron(0 4 L * ? *)"):
        assert overdue(too_far) is None
    assert overdue("off") is None
