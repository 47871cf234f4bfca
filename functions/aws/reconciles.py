"""Reconciles in the DynamoDB table: their records, their lock, and reading every membership.

::

    reconcile#<id>    reconcile     a reconcile; kind "reconcile" in the index by-time
    reconcile         lock          the reconcile that runs now, or ran last

A record expires the retention period after the reconcile was closed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from functions.aws.executions import machine_of
from functions.aws.ledger import BY_TIME, EXPIRES_AT, MOST_DAYS
from functions.enrolment.configuration import RECORD_RETENTION_DAYS
from functions.enrolment.errors import Conflict
from functions.enrolment.reconcile_record import (
    ReconcileRecord,
    reconcile_from_item,
    reconcile_to_item,
)
from functions.enrolment.records import is_of_a_known_service, membership_from_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from functions.aws.rows import Item, Rows
    from functions.enrolment.errors import Unreadable
    from functions.enrolment.membership import Membership, MembershipKey
    from functions.enrolment.service import Service

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "open": ("dynamodb:PutItem", "dynamodb:GetItem"),
    "reconcile": ("dynamodb:GetItem",),
    "recent": ("dynamodb:Query",),
    "paused": ("dynamodb:UpdateItem",),
    "surveyed": ("dynamodb:UpdateItem",),
    "begin_runs": ("dynamodb:UpdateItem",),
    "mark_published": ("dynamodb:UpdateItem",),
    "close": ("dynamodb:UpdateItem",),
    "set_unfinished": ("dynamodb:UpdateItem",),
    "lock": ("dynamodb:GetItem", "dynamodb:PutItem"),
    "running": ("dynamodb:GetItem",),
    "release": ("dynamodb:GetItem", "dynamodb:PutItem"),
    "memberships": ("dynamodb:Scan",),
}

# The state machine's timeout (two days), and a day in which its end is reported.
LONGEST_RECONCILE_DAYS = 3
# Inferred: DescribeExecution, which is eventually consistent, may not know an execution that began
# less than this ago.
RECENT_SECONDS = 60
SEGMENTS = 8
MOST_ROUNDS = 10
_DAY = 86400
_LOCK = {"pk": "reconcile", "sk": "lock"}


@dataclass(frozen=True, slots=True)
class Lock:
    """Which reconcile may run: ``holder`` is its id, ``taken_at`` in epoch seconds."""

    holder: str
    execution_arn: str
    taken_at: float


class Reconciles:
    """The table. Times are epoch seconds; ``retention_days`` is that of the ledger.

    Every method raises ``Throttled``, ``ServiceUnavailable``, ``Conflict``, ``AccessDenied`` or
    ``ServiceRefused``, and can be retried after any of them; those that read also ``Unreadable``.
    """

    def __init__(
        self,
        rows: Rows,
        services: Sequence[Service],
        retention_days: int = RECORD_RETENTION_DAYS,
    ) -> None:
        self._rows = rows
        self._services = services
        self._retention = (retention_days or MOST_DAYS) * _DAY

    def open(self, record: ReconcileRecord) -> ReconcileRecord:
        """Begin a reconcile and return its record: the stored one if it was begun before.

        The record of an older reconcile with the same id is replaced.
        """
        expires = int(record.started_at) + LONGEST_RECONCILE_DAYS * _DAY + self._retention
        begun = self._rows.put_if(
            _key(record.id)
            | {"kind": "reconcile", EXPIRES_AT: expires}
            | reconcile_to_item(record),
            "attribute_not_exists(pk) OR started_at < :started",
            {":started": record.started_at},
        )
        return record if begun else self.reconcile(record.id) or record

    def reconcile(self, reconcile_id: str) -> ReconcileRecord | None:
        """One reconcile."""
        item = self._rows.get(_key(reconcile_id))
        return None if item is None else reconcile_from_item(item)

    def recent(
        self,
        limit: int | None = None,
        since: float = 0,
        unread: Callable[[Unreadable], object] | None = None,
    ) -> Iterator[ReconcileRecord]:
        """The reconciles that began at ``since`` or later, newest first, no more than ``limit``.

        Eventually consistent; they are read while iterating. ``unread`` takes the errors of those
        that cannot be read.
        """
        items = self._rows.newest(BY_TIME, "reconcile", since, limit)
        return self._rows.readable(items, reconcile_from_item, unread)

    def paused(self, reconcile_id: str, at: float) -> None:
        """Store that a part of the survey that began at ``at`` is persisted."""
        self._update(reconcile_id, "SET paused_at = :at", {":at": at})

    def surveyed(self, reconcile_id: str, at: float) -> None:
        """Store that the plan is persisted; changes after ``at`` may be missing in it."""
        self._update(reconcile_id, "SET surveyed_at = :at", {":at": at})

    def begin_runs(self, reconcile_id: str, runs: Sequence[int], at: float, until: float) -> None:
        """Store the numbers of the batches to start, before the first is started.

        ``until`` is how long their ends are awaited.
        """
        self._update(
            reconcile_id,
            "SET runs = :runs, begun_at = if_not_exists(begun_at, :at),"
            " await_until = if_not_exists(await_until, :until)",
            {":runs": list(runs), ":at": at, ":until": until},
        )

    def mark_published(self, reconcile_id: str, channel: str, message_id: str) -> bool:
        """Store the id published on a channel; False if there was one before.

        ``channel`` is used in an attribute's name: letters, digits and underscores.
        """
        return self._rows.set_once(_key(reconcile_id), f"published_{channel}", message_id)

    def close(
        self,
        reconcile_id: str,
        outcome: str,
        at: float,
        gaps: int | None = None,
        unfinished: Iterable[str] = (),
    ) -> None:
        """End a reconcile, which left so many gaps; no effect without a record, or if it is closed.

        Without a survey, ``gaps`` is None.
        """
        self._rows.update(
            _key(reconcile_id),
            "SET outcome = :outcome, closed_at = :at, gaps = :gaps, unfinished = :unfinished,"
            f" {EXPIRES_AT} = :expires",
            "attribute_exists(pk) AND attribute_not_exists(closed_at)",
            {
                ":outcome": outcome,
                ":at": at,
                ":gaps": gaps,
                ":unfinished": list(unfinished),
                ":expires": int(at) + self._retention,
            },
        )

    def set_unfinished(self, reconcile_id: str, unfinished: Iterable[str]) -> None:
        """Store what still remains of a closed reconcile; no effect without a record."""
        self._update(reconcile_id, "SET unfinished = :what", {":what": list(unfinished)})

    def lock(self, wanted: Lock, is_over: Callable[[str], bool]) -> Lock | None:
        """Take the lock; return that of another reconcile if that still runs.

        ``is_over`` says of an execution's ARN whether it has ended or does not exist. It is not
        asked about those of another machine: the machine was replaced, and a step may describe the
        executions of its own only.

        Raises:
            Conflict: other reconciles took it in each of ``MOST_ROUNDS`` rounds.
        """
        item: Item = {
            **_LOCK,
            "holder": wanted.holder,
            "execution_arn": wanted.execution_arn,
            "taken_at": wanted.taken_at,
        }

        def is_gone(arn: str) -> bool:
            return machine_of(arn) != machine_of(wanted.execution_arn) or is_over(arn)

        for _ in range(MOST_ROUNDS):
            held = self._rows.get(_LOCK)
            if held is None:
                taken = self._rows.put_if(item, "attribute_not_exists(pk)", None)
            else:
                arn = held["execution_arn"]
                own = arn == wanted.execution_arn
                other = None if own else _running(held, wanted.taken_at, is_gone)
                if other is not None:
                    return other
                taken = self._rows.put_if(item, "execution_arn = :seen", {":seen": arn})
            if taken:
                return None
        raise Conflict("other reconciles keep taking the lock")

    def running(self, at: float, is_over: Callable[[str], bool]) -> Lock | None:
        """The lock that a reconcile which begins ``at`` would find taken; None if it would not."""
        held = self._rows.get(_LOCK)
        return None if held is None else _running(held, at, is_over)

    def release(self, execution_arn: str, at: float) -> None:
        """Release the lock; no effect if another execution holds it."""
        held = self._rows.get(_LOCK)
        if held is not None and held["execution_arn"] == execution_arn:
            released = held | {"released_at": at}
            self._rows.put_if(released, "execution_arn = :seen", {":seen": execution_arn})

    def memberships(self) -> dict[MembershipKey, Membership]:
        """The row of every membership; eventually consistent.

        Rows of services that only a later version knows are left out.
        """
        services = self._services

        def read(segment: int) -> list[Membership]:
            items = self._rows.scan(segment, SEGMENTS, "account#")
            known = (item for item in items if is_of_a_known_service(item, services))
            rows = self._rows.readable(known, partial(membership_from_item, services=services))
            return list(rows)

        with ThreadPoolExecutor(SEGMENTS) as pool:
            return {row.key: row for rows in pool.map(read, range(SEGMENTS)) for row in rows}

    def _update(self, reconcile_id: str, expression: str, values: Mapping[str, object]) -> None:
        self._rows.update(_key(reconcile_id), expression, "attribute_exists(pk)", values)


def _running(held: Item, at: float, is_over: Callable[[str], bool]) -> Lock | None:
    """The lock, if its reconcile runs ``at`` that time."""
    arn, taken_at = held["execution_arn"], float(held["taken_at"])
    if "released_at" in held or (at >= taken_at + RECENT_SECONDS and is_over(arn)):
        return None
    return Lock(held["holder"], arn, taken_at)


def _key(reconcile_id: str) -> Item:
    return {"pk": f"reconcile#{reconcile_id}", "sk": "reconcile"}
