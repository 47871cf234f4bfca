"""The DynamoDB table of runs and memberships. Every step begins with what is stored there.

One table with the keys ``pk`` and ``sk``::

    account#<id>      membership#<service>#<region>     a membership, and the run that took it last
    onboarding#<id>   onboarding                        a run and its lease
    onboarding#<id>   plan                              what it covers, what it does not, and why
    onboarding#<id>   waiting                           when it began to wait for Organizations
    onboarding#<id>   membership#<account>#<service>#<region>
                                                        a membership of a dry run, or one that
                                                        this run ended and another took since
    administrator     resource#<service>#<region>       its detector id or behavior graph ARN
    reconcile…                                          see functions.aws.reconciles

The index ``by-time`` (``kind``, ``started_at``) finds runs and reconciles; ``expires_at`` is the
table's time-to-live attribute. Only the items of runs expire: a run's record the retention period
after the run was closed, what is stored beside it up to ``LONGEST_RUN_DAYS`` later, and none of
them while the run may still be running.

A membership belongs to the run named in its row until the row has an outcome (see
``functions.enrolment.ownership``). A row is always written as a whole, on condition that its
``revision`` has not changed since it was read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from functions.aws.rows import MOST_TRANSACTED, Write
from functions.enrolment.configuration import RECORD_RETENTION_DAYS
from functions.enrolment.documents import plan_from_text, plan_to_text
from functions.enrolment.records import (
    OnboardingRecord,
    is_of_a_known_service,
    membership_from_item,
    membership_to_item,
    onboarding_from_item,
    onboarding_to_item,
)
from functions.enrolment.stored import a_text, a_time, reading, required, row_of
from functions.enrolment.turn import LONGEST_RUN_DAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from functions.aws.rows import Item, Rows
    from functions.enrolment.errors import Unreadable
    from functions.enrolment.membership import Membership, MembershipKey
    from functions.enrolment.plan import Plan
    from functions.enrolment.service import Service
    from functions.enrolment.target import Target

BY_TIME = "by-time"
EXPIRES_AT = "expires_at"
_DAY = 86400
# In place of a retention of 0, for ever.
MOST_DAYS = 365_000

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "open": ("dynamodb:PutItem", "dynamodb:GetItem"),
    "close": ("dynamodb:UpdateItem",),
    "set_unfinished": ("dynamodb:UpdateItem",),
    "end": ("dynamodb:UpdateItem",),
    "onboarding": ("dynamodb:GetItem",),
    "onboardings": ("dynamodb:BatchGetItem",),
    "holders": ("dynamodb:BatchGetItem",),
    "recent": ("dynamodb:Query",),
    "mark_published": ("dynamodb:UpdateItem",),
    "extend_lease": ("dynamodb:UpdateItem",),
    "persist_plan": ("dynamodb:PutItem",),
    "plan": ("dynamodb:GetItem",),
    "waiting_since": ("dynamodb:PutItem", "dynamodb:GetItem"),
    "persist_resource": ("dynamodb:PutItem",),
    "persist_dry_run": ("dynamodb:BatchWriteItem",),
    "findings": ("dynamodb:Query", "dynamodb:BatchGetItem"),
    "read": ("dynamodb:BatchGetItem",),
    "read_with_onboarding": ("dynamodb:BatchGetItem",),
    "write": ("dynamodb:PutItem",),
    "record": ("dynamodb:PutItem", "dynamodb:BatchGetItem"),
}


@dataclass(frozen=True, slots=True)
class Findings:
    """A run as stored in the table: its record, its plan, and every membership it covers.

    ``own`` are its memberships, including those that its plan settled; ``left`` are those that
    belong to another run, as that run last recorded them; ``missing`` have no row. ``plan`` is None
    if the run ended before it was planned, or an earlier version planned it.
    """

    onboarding: OnboardingRecord
    plan: Plan | None
    own: tuple[Membership, ...]
    left: tuple[Membership, ...] = ()
    missing: tuple[Membership, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """A run's record, None if there is none, and rows of memberships of any run.

    ``resource`` is the administrator's detector id or behavior graph ARN that a run found last.
    """

    onboarding: OnboardingRecord | None
    rows: Mapping[MembershipKey, Membership]
    resource: str | None = None


class Ledger:
    """The table. Times are epoch seconds; ``retention_days`` is how long runs that have ended are
    kept, 0 for ever.

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

    def open(self, record: OnboardingRecord) -> OnboardingRecord:
        """Begin a run and return its record: the stored one if the run was begun before.

        The record of an older run with the same id is replaced.
        """
        item = onboarding_to_item(record)
        begun = self._rows.put_if(
            _onboarding_key(record.id)
            | {"kind": "onboarding"}
            | item
            | self._expiry_while_running(record.started_at),
            "attribute_not_exists(pk) OR started_at < :started",
            {":started": record.started_at},
        )
        return record if begun else self.onboarding(record.id) or record

    def close(
        self,
        onboarding_id: str,
        outcome: str,
        counts: Mapping[str, int],
        at: float,
        *,
        lease_until: float | None = None,
        unfinished: Iterable[str] = (),
    ) -> None:
        """End a run, and its lease at ``at`` or ``lease_until``; no effect without a record."""
        self._rows.update(
            _onboarding_key(onboarding_id),
            "SET outcome = :outcome, counts = :counts, closed_at = :at, lease_until = :lease,"
            f" unfinished = :unfinished, {EXPIRES_AT} = :expires",
            "attribute_exists(pk)",
            {
                ":expires": int(at) + self._retention,
                ":outcome": outcome,
                ":counts": dict(counts),
                ":at": at,
                ":lease": at if lease_until is None else lease_until,
                ":unfinished": list(unfinished),
            },
        )

    def set_unfinished(self, onboarding_id: str, unfinished: Iterable[str]) -> None:
        """Store what still remains of a closed run; no effect without a record."""
        self._rows.update(
            _onboarding_key(onboarding_id),
            "SET unfinished = :what",
            "attribute_exists(pk)",
            {":what": list(unfinished)},
        )

    def end(self, onboarding_id: str, at: float) -> float:
        """Set the end time that a run's results contain, unless set; return the stored time."""
        _, item = self._rows.update(
            _onboarding_key(onboarding_id),
            "SET ended_at = if_not_exists(ended_at, :at)",
            "attribute_exists(pk)",
            {":at": at},
        )
        return float(item.get("ended_at", at))

    def onboarding(self, onboarding_id: str) -> OnboardingRecord | None:
        """One run."""
        item = self._rows.get(_onboarding_key(onboarding_id))
        return None if item is None else onboarding_from_item(item)

    def onboardings(self, onboarding_ids: Iterable[str]) -> dict[str, OnboardingRecord]:
        """Several runs by id, without those that do not exist."""
        items = self._rows.get_all(_onboarding_key(each) for each in dict.fromkeys(onboarding_ids))
        records = self._rows.readable(items, onboarding_from_item)
        return {record.id: record for record in records}

    def holders(self, rows: Iterable[Membership]) -> dict[str, OnboardingRecord]:
        """The runs that own those of the rows that have no outcome, read after the rows."""
        owners = {row.onboarding_id for row in rows if row.outcome is None}
        return self.onboardings(sorted(owners))

    def recent(
        self,
        limit: int | None = None,
        since: float = 0,
        unread: Callable[[Unreadable], object] | None = None,
    ) -> Iterator[OnboardingRecord]:
        """The runs that began at ``since`` or later, newest first, no more than ``limit``.

        Eventually consistent; they are read while iterating. ``unread`` takes the errors of those
        that cannot be read.
        """
        items = self._rows.newest(BY_TIME, "onboarding", since, limit)
        return self._rows.readable(items, onboarding_from_item, unread)

    def mark_published(self, onboarding_id: str, channel: str, message_id: str) -> bool:
        """Store the id published on a channel; False if there was one before.

        ``channel`` is used in an attribute's name: letters, digits and underscores.
        """
        key = _onboarding_key(onboarding_id)
        return self._rows.set_once(key, f"published_{channel}", message_id)

    def extend_lease(self, onboarding_id: str, until: float) -> bool:
        """Extend a run's lease, never shorten it; False if the run is closed."""
        extended, item = self._rows.update(
            _onboarding_key(onboarding_id),
            "SET lease_until = :until",
            "lease_until < :until AND attribute_not_exists(closed_at)",
            {":until": until},
        )
        return extended or bool(item and "closed_at" not in item)

    def persist_plan(self, record: OnboardingRecord, plan: Plan) -> None:
        """Store the plan of a run, replacing an earlier one."""
        key = {"pk": f"onboarding#{record.id}", "sk": _PLAN}
        item = {"plan": plan_to_text(plan), "planned_at": record.started_at}
        self._rows.put(key | item | self._expiry_while_running(record.started_at))

    def plan(self, record: OnboardingRecord) -> Plan | None:
        """The plan of a run; None if it is not planned yet, or an earlier version planned it."""
        return self._plan_of(record, self._rows.get({"pk": f"onboarding#{record.id}", "sk": _PLAN}))

    def waiting_since(self, onboarding_id: str, started_at: float, now: float) -> float:
        """When a run began to wait for Organizations; the first call stores ``now``."""
        key = {"pk": f"onboarding#{onboarding_id}", "sk": "waiting"}
        item = {"run_started_at": started_at, "since": now}
        first = self._rows.put_if(
            key | item | self._expiry_while_running(started_at),
            "attribute_not_exists(pk) OR run_started_at < :started",
            {":started": started_at},
        )
        found = None if first else self._rows.get(key)
        return now if found is None else float(found["since"])

    def persist_resource(self, target: Target, resource: str) -> None:
        """Store the administrator's detector id or behavior graph ARN."""
        self._rows.put(_resource_key(target) | {"resource": resource})

    def persist_dry_run(self, memberships: Iterable[Membership], now: float) -> None:
        """Store the memberships of a dry run under it, apart from the rows of memberships."""
        self._rows.put_all(self._apart(membership, now) for membership in memberships)

    def findings(self, onboarding_id: str) -> Findings | None:
        """Everything stored about a run; None if there is no record of it."""
        items = self._items_of(onboarding_id)
        if _ONBOARDING not in items:
            return None
        record = onboarding_from_item(items[_ONBOARDING])
        plan = self._plan_of(record, items.get(_PLAN))
        if plan is None:
            own = self._apart_of(record, items)
            return Findings(record, None, (*own.values(), *self._owned(record, own)))
        return self._findings_of_plan(record, plan, items)

    def _items_of(self, onboarding_id: str) -> dict[str, Item]:
        """The items of a run, by sort key."""
        items = self._rows.query(f"onboarding#{onboarding_id}")
        return {item["sk"]: item for item in items}

    def _findings_of_plan(
        self, record: OnboardingRecord, plan: Plan, items: Mapping[str, Item]
    ) -> Findings:
        own = self._apart_of(record, items)
        sought = [m for m in plan.covered if m.key not in own]
        rows = {} if record.dry_run else self.read(m.key for m in sought)
        own |= {k: r for k, r in rows.items() if r.belongs_to(record.id, record.started_at)}
        if rows.keys() - own.keys():
            # What this run had ended and another took since the query is stored under it by now.
            own |= self._apart_of(record, self._items_of(record.id))
        return Findings(
            record,
            plan,
            (*plan.settled, *own.values()),
            left=tuple(row for key, row in rows.items() if key not in own),
            missing=tuple(m for m in sought if m.key not in own and m.key not in rows),
        )

    def _owned(
        self, record: OnboardingRecord, found: Mapping[MembershipKey, Membership]
    ) -> Iterator[Membership]:
        """The memberships that a run without a stored plan owns, from the rows of its accounts."""
        for account_id in () if record.dry_run else record.accounts:
            items = self._rows.query(f"account#{account_id}", _MEMBERSHIP)
            known = (item for item in items if is_of_a_known_service(item, self._services))
            for row in self._rows.readable(known, self._membership):
                if row.belongs_to(record.id, record.started_at) and row.key not in found:
                    yield row

    def read(self, keys: Iterable[MembershipKey]) -> dict[MembershipKey, Membership]:
        """The rows of memberships, of any run."""
        items = self._rows.get_all(_row_key(key) for key in dict.fromkeys(keys))
        rows = self._rows.readable(items, self._membership)
        return {row.key: row for row in rows}

    def read_with_onboarding(
        self, onboarding_id: str, keys: Iterable[MembershipKey], target: Target | None = None
    ) -> Known:
        """A run's record, rows of memberships and, for a ``target``, the administrator's resource.

        Sends one request per 100 items.
        """
        wanted = [_onboarding_key(onboarding_id), *map(_row_key, dict.fromkeys(keys))]
        if target is not None:
            wanted.append(_resource_key(target))
        record, rows, resource = None, {}, None
        for item in self._rows.get_all(wanted):
            if item["sk"] == _ONBOARDING:
                record = onboarding_from_item(item)
            elif item["pk"] == _ADMINISTRATOR:
                resource = str(item["resource"])
            else:
                row = self._membership(item)
                rows[row.key] = row
        return Known(record, rows, resource)

    def write(
        self,
        memberships: Sequence[Membership],
        now: float,
        apart: Sequence[Membership] = (),
    ) -> frozenset[MembershipKey]:
        """Write all rows or none; return the keys of the rows that changed since they were read.

        ``apart`` are memberships to store under their run in the same transaction. No more than
        100 of both together.
        """
        writes = [_write(membership, now) for membership in memberships]
        writes += [Write(self._apart(membership, now)) for membership in apart]
        refused = self._rows.transact(writes)
        return frozenset(memberships[number].key for number in refused)

    def record(
        self, memberships: Iterable[Membership], now: float
    ) -> tuple[dict[MembershipKey, Membership], dict[MembershipKey, Membership | None]]:
        """Write every row that has not changed since it was read.

        Returns the written memberships as they are in the table now, and the current state of those
        that another writer has changed.
        """
        wanted = {membership.key: membership for membership in memberships}
        written: dict[MembershipKey, Membership] = {}
        lost: dict[MembershipKey, Membership | None] = {}
        while wanted:
            batch = list(wanted.values())[:MOST_TRANSACTED]
            refused = self.write(batch, now)
            found = self.read(refused) if refused else {}
            for membership in batch:
                after = replace(membership, revision=membership.revision + 1)
                if not refused:
                    written[membership.key] = after
                elif membership.key in refused:
                    # The row may contain this write, if it took effect but returned an error.
                    if found.get(membership.key) == self._stored(after, now):
                        written[membership.key] = after
                    else:
                        lost[membership.key] = found.get(membership.key)
                else:
                    continue
                del wanted[membership.key]
        return written, lost

    def _membership(self, item: Item) -> Membership:
        return membership_from_item(item, self._services)

    def _plan_of(self, record: OnboardingRecord, item: Item | None) -> Plan | None:
        """A run's plan, unless it is that of an older run with the same id."""
        if item is None:
            return None
        with reading(row_of(item)):
            if required(item, "planned_at", a_time) < record.started_at:
                return None
            text = required(item, "plan", a_text)
            return plan_from_text(text, self._services, record.id, record.started_at)

    def _apart_of(
        self, record: OnboardingRecord, items: Mapping[str, Item]
    ) -> dict[MembershipKey, Membership]:
        """The memberships stored under a run, without those of an older run with the same id."""
        stored = (item for sk, item in items.items() if sk.startswith(_MEMBERSHIP))
        apart = self._rows.readable(stored, self._membership)
        return {m.key: m for m in apart if m.belongs_to(record.id, record.started_at)}

    def _apart(self, membership: Membership, now: float) -> Item:
        account_id, target = membership.key
        return {
            "pk": f"onboarding#{membership.onboarding_id}",
            "sk": f"{_MEMBERSHIP}{account_id}#{target.key}",
            **membership_to_item(membership, now),
            **self._expiry_while_running(now),
        }

    def _expiry_while_running(self, at: float) -> Item:
        """The expiry of an item of a run that runs at ``at``, whenever the run will end."""
        return {EXPIRES_AT: int(at) + LONGEST_RUN_DAYS * _DAY + self._retention}

    def _stored(self, membership: Membership, now: float) -> Membership:
        """The membership as it would be read from the table."""
        return self._membership(membership_to_item(membership, now))


_ONBOARDING = "onboarding"
_PLAN = "plan"
_ADMINISTRATOR = "administrator"
_MEMBERSHIP = "membership#"


def _onboarding_key(onboarding_id: str) -> Item:
    return {"pk": f"onboarding#{onboarding_id}", "sk": _ONBOARDING}


def _resource_key(target: Target) -> Item:
    return {"pk": _ADMINISTRATOR, "sk": f"resource#{target.key}"}


def _row_key(key: MembershipKey) -> Item:
    account_id, target = key
    return {"pk": f"account#{account_id}", "sk": _MEMBERSHIP + target.key}


def _write(membership: Membership, now: float) -> Write:
    after = replace(membership, revision=membership.revision + 1)
    item = _row_key(membership.key) | membership_to_item(after, now)
    return Write(item, seen=membership.revision)
