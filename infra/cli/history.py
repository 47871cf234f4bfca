"""Totals over time, from the complete results of reconciles in the bucket."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.aws.archive import reconcile_key
from functions.enrolment.errors import RollcallError
from functions.enrolment.records import epoch_seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

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
    """The totals at the targets in the last ``DAYS``, one reconcile of each day (UTC).

    Raises:
        RollcallError: DynamoDB refused a call.
    """
    wanted = one_a_day(reconciles.recent(since=now - DAYS * _DAY), now)

    def read(record: ReconcileRecord) -> Mapping[str, Any] | None:
        try:
            return archive.read(reconcile_key(record.id, "result"))
        except RollcallError:
            return None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        results = list(pool.map(read, wanted))
    return history([each for each in results if each is not None], targets, results.count(None))


def one_a_day(records: Iterable[ReconcileRecord], now: float) -> list[ReconcileRecord]:
    """The last surveyed reconcile of each day, of the last ``DAYS``, oldest first."""
    last: dict[int, ReconcileRecord] = {}
    for record in sorted(records, key=lambda each: each.surveyed_at or 0):
        at = record.surveyed_at
        if at is not None and record.closed_at is not None and at >= now - DAYS * _DAY:
            last[int(at // _DAY)] = record
    return list(last.values())


def history(
    results: Iterable[Mapping[str, Any]], targets: Collection[Target], unread: int = 0
) -> History:
    """The totals in results of reconciles (docs/reconcile.schema.json).

    A result counts for a service if it has read all of the service's targets: others would show a
    decline where there is none.
    """
    services = dict.fromkeys(target.service for target in targets)
    totals: dict[Service, list[Totals]] = {service: [] for service in services}
    for result in results:
        after = {
            (each["service"], each["region"]): each["after"]
            for each in result["targets"]
            if each["problem"] is None
        }
        for service in services:
            keys = [(service.name, each.region) for each in targets if each.service == service]
            if all(key in after for key in keys):
                counts = [after[key] for key in keys]
                enabled, gaps = (sum(each[word] for each in counts) for word in ("enabled", "gaps"))
                at = epoch_seconds(result["surveyed_at"])
                totals[service].append(Totals(at, enabled, gaps))
    return History(totals, unread)
