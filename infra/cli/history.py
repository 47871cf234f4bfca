"""Totals over time, from the complete results of reconciles in the bucket."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.aws.archive import reconcile_key
from functions.enrolment.errors import RollcallError
from functions.enrolment.records import epoch_seconds
from infra.cli.stored_result import read_result

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from functions.aws.archive import Archive
    from functions.aws.reconciles import Reconciles
    from functions.enrolment.reconcile_record import ReconcileRecord
    from functions.enrolment.service import Service
    from functions.enrolment.target import Target

DAYS = 90
_DAY = 86400
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Totals:
    """The memberships of one service in all its Regions when surveyed (epoch seconds)."""

    at: float
    enabled: int
    gaps: int


@dataclass(frozen=True, slots=True)
class History:
    """The totals of each service, oldest first; ``unread`` results could not be read."""

    totals: Mapping[Service, Sequence[Totals]]
    unread: int = 0


def read_history(
    reconciles: Reconciles, archive: Archive, targets: Collection[Target], now: float
) -> History:
    """The totals at the targets in the last ``DAYS``, of each service once a day (UTC).

    Of a day's reconciles the last is read, and earlier ones for the services that it did not cover.

    Raises:
        RollcallError: DynamoDB refused a call.
    """
    days = by_day(reconciles.recent(since=now - DAYS * _DAY), now)
    unread: list[str] = []

    def results(records: Iterable[ReconcileRecord]) -> Iterator[Mapping[str, Any]]:
        for record in records:
            try:
                result = read_result(archive, reconcile_key(record.id, "result"))
            except RollcallError:
                result = None
            if result is None or result["surveyed_at"] is None:
                unread.append(record.id)
            else:
                yield result

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(lambda records: totals_of_day(results(records), targets), days))
    services = dict.fromkeys(target.service for target in targets)
    return History(
        {service: [day[service] for day in found if service in day] for service in services},
        len(unread),
    )


def by_day(records: Iterable[ReconcileRecord], now: float) -> list[list[ReconcileRecord]]:
    """The surveyed reconciles of the last ``DAYS`` by day, oldest day first; the last of each day
    first.
    """
    days: dict[int, list[ReconcileRecord]] = {}
    for record in sorted(records, key=lambda each: each.surveyed_at or 0):
        at = record.surveyed_at
        if at is not None and record.closed_at is not None and at >= now - DAYS * _DAY:
            days.setdefault(int(at // _DAY), []).insert(0, record)
    return list(days.values())


def totals_of_day(
    results: Iterable[Mapping[str, Any]], targets: Collection[Target]
) -> dict[Service, Totals]:
    """The totals of each service in the first result (docs/reconcile.schema.json) that has read all
    of the service's targets: others would show a decline where there is none.

    Results are taken only until every service has its totals.
    """
    wanted: dict[Service, list[tuple[str, str]]] = {}
    for target in targets:
        wanted.setdefault(target.service, []).append((target.service.name, target.region))
    totals: dict[Service, Totals] = {}
    for result in results:
        after = {
            (each["service"], each["region"]): each["after"]
            for each in result["targets"]
            if each["problem"] is None
        }
        for service, keys in wanted.items():
            if service not in totals and all(key in after for key in keys):
                counts = [after[key] for key in keys]
                enabled, gaps = (sum(each[word] for each in counts) for word in ("enabled", "gaps"))
                totals[service] = Totals(epoch_seconds(result["surveyed_at"]), enabled, gaps)
        if len(totals) == len(wanted):
            break
    return totals
