"""Weeks of reconciles in virtual time, and what their alarm makes of what they measure."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.metrics import COVERAGE_FELL
from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Configuration
from functions.services import registry
from infra.schedule import LONGEST_DELAY_SECONDS, WINDOW_SECONDS
from tests.infra.support import resources, text, the
from tests.simulation.rollcall import RECONCILE, simulated
from tests.support.alarms import PrintedMetrics, is_in_alarm
from tests.support.organization import add_account, found_organization

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.simulation.machine import Execution
    from tests.simulation.rollcall import SimulatedRollcall

HOUR, DAY = 3600, 86400
CONFIGURATION = Configuration(("eu-west-1",), registry.SERVICES)
ACCOUNTS = [AccountId(f"{200_000_000_000 + number}") for number in range(3)]
AT = 4 * HOUR + 23 * 60
# Scheduler starts one of two reconciles at its time, and one as late as it may.
DELAYS = (0, WINDOW_SECONDS + LONGEST_DELAY_SECONDS)
STEP = 5 * 60


class Weeks:
    """A Rollcall whose reconciles are started by days; ``points`` are of the alarm's metric."""

    def __init__(self, rollcall: SimulatedRollcall) -> None:
        self.rollcall = rollcall
        self._midnight = (rollcall.clock.now() // DAY + 1) * DAY
        self._metrics = PrintedMetrics(rollcall.clock.now)

    @property
    def points(self) -> list[tuple[float, float]]:
        return self._metrics.points.get(("Rollcall", COVERAGE_FELL), [])

    def run(self, day: int, document: dict[str, Any] | None = None) -> None:
        """The reconcile of a day, to its end."""
        self.rollcall.clock.at(self._midnight + day * DAY + AT + DELAYS[day % 2])
        self.start(f"day-{day}", document or {})
        self.run_all()

    def start(self, name: str, document: Mapping[str, Any]) -> Execution:
        """Start a reconcile now."""
        started = self.rollcall.machines.start(RECONCILE, name, {"source": "schedule", **document})
        assert started is not None
        return started

    def run_all(self) -> None:
        with redirect_stdout(self._metrics):
            self.rollcall.agenda.run()


@pytest.fixture
def weeks(template: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Weeks]:
    with simulated(template, CONFIGURATION, monkeypatch) as rollcall:
        found_organization(rollcall.world, CONFIGURATION)
        for account in ACCOUNTS:
            add_account(rollcall.world, account)
        yield Weeks(rollcall)


@pytest.fixture
def alarm(template: dict[str, Any]) -> dict[str, Any]:
    """The properties of the alarm that is raised where there is no data."""
    assert the(template, "AWS::Scheduler::Schedule")["ScheduleExpression"] == "cron(23 4 * * ? *)"
    (found,) = (
        one
        for one in resources(template, "AWS::CloudWatch::Alarm").values()
        if one["TreatMissingData"] == "breaching"
    )
    assert (found["Namespace"], found["MetricName"]) == ("Rollcall", COVERAGE_FELL)
    return dict(found)


def test_in_a_week_of_daily_reconciles_the_alarm_is_never_raised(
    weeks: Weeks, alarm: dict[str, Any]
) -> None:
    # The first enrols the accounts. The others find nothing to do, except one that may not.
    for day in range(9):
        weeks.run(day, {"most_changes": 0} if day == 3 else None)
        if day == 2:
            add_account(weeks.rollcall.world, AccountId("300000000001"))

    assert len(weeks.points) == 9
    first, last = weeks.points[0][0], weeks.points[-1][0]
    assert last - first > 7 * DAY
    assert is_in_alarm(alarm, weeks.points, first - 1)
    for at in range(int(first) + 1, int(last), STEP):
        assert not is_in_alarm(alarm, weeks.points, at)


def test_once_the_schedule_is_disabled_it_is_raised_after_the_stated_time_until_the_next(
    weeks: Weeks, alarm: dict[str, Any]
) -> None:
    weeks.run(0)
    weeks.run(1)
    weeks.run(8)

    stated = re.search(r"for (\d+) hours", text(alarm["AlarmDescription"]))
    assert stated is not None
    _, (ended, _), (again, _) = weeks.points
    raised = [
        at
        for at in range(int(ended) + 1, int(again) + DAY, STEP)
        if is_in_alarm(alarm, weeks.points, at)
    ]
    hours = int(stated[1])
    assert (hours - 1) * HOUR < raised[0] - ended <= hours * HOUR + STEP
    assert raised == list(range(raised[0], int(again) + 1, STEP))


def test_a_reconcile_that_was_refused_does_not_count(weeks: Weeks) -> None:
    """Its execution succeeds. So while one hangs, those that are refused do not hide it."""
    first, second = weeks.start("first", {}), weeks.start("second", {})
    weeks.run_all()

    assert ("Start Runs" in first.states, "Start Runs" in second.states) == (True, False)
    assert second.status == "SUCCEEDED"
    assert len(weeks.points) == 1
