"""Totals over time, from the results of reconciles."""

from __future__ import annotations

from typing import Any

from functions.enrolment.reconcile_record import ReconcileRecord
from functions.enrolment.target import Target
from functions.enrolment.times import iso
from functions.services import registry
from infra.cli.history import DAYS, Totals, history, one_a_day
from tests.support.builders import NOW, TARGET

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
        {"service": t.service.name, "region": t.region, "problem": None, "after": after} | changes
        for t in targets
    ]
    return {"surveyed_at": iso(at), "targets": listed}


def test_the_last_of_each_day_counts_oldest_first() -> None:
    records = [
        a_record("now", NOW),
        a_record("an hour ago", NOW - 3600),
        a_record("yesterday", NOW - DAY),
        a_record("open", NOW - 2 * DAY, closed_at=None),
        a_record("not surveyed", None),
        a_record("long ago", NOW - (DAYS + 1) * DAY),
    ]

    assert [each.id for each in one_a_day(records, NOW)] == ["yesterday", "now"]


def test_a_services_totals_are_those_of_all_its_regions() -> None:
    found = history([a_result(TARGET, ELSEWHERE, HUB)], [TARGET, ELSEWHERE, HUB])

    assert found.totals == {
        TARGET.service: [Totals(NOW, 6, 4)],
        HUB.service: [Totals(NOW, 3, 2)],
    }


def test_a_result_that_lacks_a_target_does_not_count_for_its_service() -> None:
    partly, unread = a_result(TARGET, HUB), a_result(TARGET, HUB, problem="it was refused")

    found = history([partly, unread], [TARGET, ELSEWHERE, HUB])

    assert found.totals == {TARGET.service: [], HUB.service: [Totals(NOW, 3, 2)]}
