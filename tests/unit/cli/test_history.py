"""Totals over time, from the results of reconciles."""

from __future__ import annotations

from typing import Any

from functions.enrolment.reconcile_record import ReconcileRecord
from functions.enrolment.target import Target
from functions.enrolment.times import iso
from functions.services import registry
from infra.cli.history import DAYS, History, Totals, by_day, read_history, totals_of_day
from tests.support.builders import NOW, TARGET, a_reconcile_result

DAY = 86400
ELSEWHERE = Target(TARGET.service, "us-east-1")
HUB = Target(registry.SECURITYHUB, "us-east-1")


def a_record(name: str, at: float | None, closed_at: float | None = NOW) -> ReconcileRecord:
    return ReconcileRecord(
        name, "schedule", at or NOW, f"arn:{name}", surveyed_at=at, closed_at=closed_at
    )


def a_result(*targets: Target, at: float = NOW, **changes: Any) -> dict[str, Any]:
    after = {"enabled": 3, "left_out": 1, "gaps": 2, "unread": 0}
    listed = [
        {"service": t.service.name, "region": t.region, "problem": None, "problem_code": None}
        | {"before": after, "after": after}
        | changes
        for t in targets
    ]
    return a_reconcile_result(surveyed_at=iso(at), targets=listed)


def test_the_reconciles_of_each_day_are_in_order() -> None:
    records = [
        a_record("now", NOW),
        a_record("an hour ago", NOW - 3600),
        a_record("yesterday", NOW - DAY),
        a_record("open", NOW - 2 * DAY, closed_at=None),
        a_record("not surveyed", None),
        a_record("long ago", NOW - (DAYS + 1) * DAY),
    ]

    days = by_day(records, NOW)

    assert [[each.id for each in day] for day in days] == [["yesterday"], ["now", "an hour ago"]]


def test_a_services_totals_are_those_of_all_its_regions() -> None:
    found = totals_of_day([a_result(TARGET, ELSEWHERE, HUB)], [TARGET, ELSEWHERE, HUB])

    assert found == {TARGET.service: Totals(NOW, 6, 4), HUB.service: Totals(NOW, 3, 2)}


def test_a_result_that_lacks_a_target_does_not_count_for_its_service() -> None:
    partly, unread = a_result(TARGET, HUB), a_result(TARGET, HUB, problem="it was refused")

    found = totals_of_day([unread, partly], [TARGET, ELSEWHERE, HUB])

    assert found == {HUB.service: Totals(NOW, 3, 2)}


class Stored:
    """Reconciles and their results, of which ``read`` counts the readings."""

    def __init__(self, results: dict[str, dict[str, Any] | None]) -> None:
        self._results = results
        self.was_read: list[str] = []

    def recent(self, since: float) -> list[ReconcileRecord]:
        assert since == NOW - DAYS * DAY
        ages = {name: 3600.0 * age for age, name in enumerate(self._results)}
        return [a_record(name, NOW - age) for name, age in ages.items()]

    def read(self, key: str) -> dict[str, Any] | None:
        name = key.split("/")[1]
        self.was_read.append(name)
        return self._results[name]


def test_a_reconcile_of_some_targets_hides_no_totals_of_that_day() -> None:
    stored: Any = Stored(
        {
            "of one Region": a_result(TARGET, HUB, at=NOW),
            "lost": None,
            "of all": a_result(TARGET, ELSEWHERE, HUB, at=NOW - 7200),
            "before": a_result(TARGET, ELSEWHERE, HUB, at=NOW - 10800),
        }
    )

    found = read_history(stored, stored, [TARGET, ELSEWHERE, HUB], NOW)

    assert found == History(
        {TARGET.service: [Totals(NOW - 7200, 6, 4)], HUB.service: [Totals(NOW, 3, 2)]}, unread=1
    )
    assert stored.was_read == ["of one Region", "lost", "of all"]
