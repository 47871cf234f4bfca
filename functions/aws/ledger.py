"""What is remembered in DynamoDB: runs and memberships. The table is what every step starts from.

One table with the keys ``pk`` and ``sk``::

    account#<id>      membership#<service>#<region>     what its last run saw and did, and that run
    onboarding#<id>   onboarding                        a run, and the lease of all that it owns
    onboarding#<id>   plan                              what it covers, and what not and why
    onboarding#<id>   waiting                           since when it waits for Organizations
    onboarding#<id>   membership#<account>#<service>#<region>
                                                        what a dry run found, or how a membership
                                                        ended that another run has taken since
    administrator     resource#<service>#<region>       its detector id or behavior graph ARN there

The index ``by-time`` (``kind``, ``started_at``) finds onboardings; ``expires_at`` is the table's
time-to-live attribute.

A membership belongs to the run its row names until the row has an outcome (see
``functions.enrolment.ownership``). Its row is only ever written as a whole, on condition that its
``revision`` is the one that was read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Key

from functions.aws.rows import MOST_TRANSACTED, Rows, Write
from functions.enrolment.documents import plan_from_text, plan_to_text
from functions.enrolment.records import (
    OnboardingRecord,
    membership_from_item,
    membership_to_item,
    onboarding_from_item,
    onboarding_to_item,
)
from functions.enrolment.target import ServiceName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb.service_resource import Table

    from functions.aws.rows import Item
    from functions.enrolment.membership import Membership, MembershipKey
    from functions.enrolment.plan import Plan
    from functions.enrolment.target import Target

BY_TIME = "by-time"
EXPIRES_AT = "expires_at"
APART_KEPT = 30 * 86400  # seconds; longer than any run with the default deadlines

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "open": ("dynamodb:PutItem", "dynamodb:GetItem"),
    "close": ("dynamodb:UpdateItem",),
    "end": ("dynamodb:UpdateItem",),
    "onboarding": ("dynamodb:GetItem",),
    "onboardings": ("dynamodb:BatchGetItem",),
    "recent": ("dynamodb:Query",),
    "mark_published": ("dynamodb:UpdateItem",),
    "extend_lease": ("dynamodb:UpdateItem",),
    "keep_plan": ("dynamodb:PutItem",),
    "plan": ("dynamodb:GetItem",),
    "began_waiting": ("dynamodb:PutItem", "dynamodb:GetItem"),
    "keep_resource": ("dynamodb:PutItem",),
    "keep_apart": ("dynamodb:BatchWriteItem",),
    "findings": ("dynamodb:Query", "dynamodb:BatchGetItem"),
    "read": ("dynamodb:BatchGetItem",),
    "read_with_onboarding": ("dynamodb:BatchGetItem",),
    "write": ("dynamodb:PutItem",),
    "record": ("dynamodb:PutItem", "dynamodb:BatchGetItem"),
}


@dataclass(frozen=True, slots=True)
class Findings:
    """What the table knows of a run: its record, its plan, and every membership it covers.

    ``own`` are its memberships as it last saw them, with those that its plan ended, ``left`` those
    that are another run's, as that run last saw them, ``missing`` those the table does not know.
    ``plan`` is None where the run ended before it was made, or an earlier version made it.
    """

    onboarding: OnboardingRecord
    plan: Plan | None
    own: tuple[Membership, ...]
    left: tuple[Membership, ...] = ()
    missing: tuple[Membership, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """A run's record, None where there is none, and rows of memberships, whosever they are.

    ``resource`` is the administrator's detector id or behavior graph ARN, as a run found it last.
    """

    onboarding: OnboardingRecord | None
    rows: Mapping[MembershipKey, Membership]
    resource: str | None = None


class Ledger:
    """The table. Times are epoch seconds.

    Every method raises ``Throttled``, ``ServiceUnavailable``, ``Conflict``, ``AccessDenied`` or
    ``ServiceRefused``, and may be called again after any of them.
    """

    def __init__(self, table: Table) -> None:
        self._rows = Rows(table)

    def open(self, record: OnboardingRecord) -> OnboardingRecord:
        """Begin a run, and return its record: as it stands where the run was begun before.

        An older run that had the same id is forgotten.
        """
        item = onboarding_to_item(record)
        begun = self._rows.put_if(
            _onboarding_key(record.id) | {"kind": "onboarding"} | item,
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
    ) -> None:
        """End a run, and its lease then or at ``lease_until``; nothing where there is no record."""
        self._rows.update(
            _onboarding_key(onboarding_id),
            "SET outcome = :outcome, counts = :counts, closed_at = :at, lease_until = :lease",
            "attribute_exists(pk)",
            {
                ":outcome": outcome,
                ":counts": dict(counts),
                ":at": at,
                ":lease": at if lease_until is None else lease_until,
            },
        )

    def end(self, onboarding_id: str, at: float) -> float:
        """The time that all that is published of a run's end gives: the first that was set."""
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
        """Several runs, by id; those that are not there are left out."""
        items = self._rows.get_all(_onboarding_key(each) for each in dict.fromkeys(onboarding_ids))
        records = (onboarding_from_item(item) for item in items)
        return {record.id: record for record in records}

    def recent(self, limit: int) -> tuple[OnboardingRecord, ...]:
        """The runs that began last, newest first; the very newest may be missing yet."""
        items = self._rows.newest(BY_TIME, Key("kind").eq("onboarding"), limit)
        return tuple(onboarding_from_item(item) for item in items)

    def mark_published(self, onboarding_id: str, channel: str, message_id: str) -> bool:
        """Remember what was published on a channel; False where something was before.

        ``channel`` is an attribute's name: letters, digits and underscores.
        """
        first, _ = self._rows.update(
            _onboarding_key(onboarding_id),
            f"SET published_{channel} = :id",
            f"attribute_exists(pk) AND attribute_not_exists(published_{channel})",
            {":id": message_id},
        )
        return first

    def extend_lease(self, onboarding_id: str, until: float) -> bool:
        """Extend the lease of all that a run owns, never shorten it; False once it is closed."""
        extended, item = self._rows.update(
            _onboarding_key(onboarding_id),
            "SET lease_until = :until",
            "lease_until < :until AND attribute_not_exists(closed_at)",
            {":until": until},
        )
        return extended or bool(item and "closed_at" not in item)

    def keep_plan(self, record: OnboardingRecord, plan: Plan) -> None:
        """Remember what a run covers, over what it meant to cover before."""
        key = {"pk": f"onboarding#{record.id}", "sk": _PLAN}
        item = {"plan": plan_to_text(plan), "planned_at": record.started_at}
        self._rows.put(key | item)

    def plan(self, record: OnboardingRecord) -> Plan | None:
        """What a run covers; None where it is not planned yet, or an earlier version planned it."""
        return _plan_of(record, self._rows.get({"pk": f"onboarding#{record.id}", "sk": _PLAN}))

    def began_waiting(self, onboarding_id: str, started_at: float, now: float) -> float:
        """When a run that started then began to wait for Organizations: at first, now."""
        key = {"pk": f"onboarding#{onboarding_id}", "sk": "waiting"}
        item = {"run_started_at": started_at, "since": now, EXPIRES_AT: int(now) + APART_KEPT}
        first = self._rows.put_if(
            key | item,
            "attribute_not_exists(pk) OR run_started_at < :started",
            {":started": started_at},
        )
        found = None if first else self._rows.get(key)
        return now if found is None else float(found["since"])

    def keep_resource(self, target: Target, resource: str) -> None:
        """Remember the administrator's detector id or behavior graph ARN."""
        self._rows.put(_resource_key(target) | {"resource": resource})

    def keep_apart(self, memberships: Iterable[Membership], now: float) -> None:
        """Remember for a month what a dry run found, beside what is known."""
        self._rows.put_all(_apart(membership, now) for membership in memberships)

    def findings(self, onboarding_id: str) -> Findings | None:
        """All that is known of a run; None where there is no record of it."""
        kept = self._kept(onboarding_id)
        if _ONBOARDING not in kept:
            return None
        record = onboarding_from_item(kept[_ONBOARDING])
        plan = _plan_of(record, kept.get(_PLAN))
        if plan is None:
            own = _apart_of(record, kept)
            return Findings(record, None, (*own.values(), *self._owned(record, own)))
        return self._as_planned(record, plan, kept)

    def _kept(self, onboarding_id: str) -> dict[str, Item]:
        """The items of a run, by sort key."""
        items = self._rows.query(Key("pk").eq(f"onboarding#{onboarding_id}"))
        return {item["sk"]: item for item in items}

    def _as_planned(
        self, record: OnboardingRecord, plan: Plan, kept: Mapping[str, Item]
    ) -> Findings:
        own = _apart_of(record, kept)
        sought = [m for m in plan.covered if m.key not in own]
        rows = {} if record.dry_run else self.read(m.key for m in sought)
        own |= {k: r for k, r in rows.items() if r.belongs_to(record.id, record.started_at)}
        if rows.keys() - own.keys():
            # What another run has taken since is kept beside this run by now.
            own |= _apart_of(record, self._kept(record.id))
        return Findings(
            record,
            plan,
            (*plan.settled, *own.values()),
            left=tuple(row for key, row in rows.items() if key not in own),
            missing=tuple(m for m in sought if m.key not in own and m.key not in rows),
        )

    def _owned(
        self, record: OnboardingRecord, known: Mapping[MembershipKey, Membership]
    ) -> Iterator[Membership]:
        """What the rows of a run's accounts say is its own, where its plan is not known."""
        for account_id in () if record.dry_run else record.accounts:
            condition = Key("pk").eq(f"account#{account_id}") & Key("sk").begins_with(_MEMBERSHIP)
            for item in self._rows.query(condition):
                if item["service"] not in set(ServiceName):
                    continue  # a later version's
                row = membership_from_item(item)
                if row.belongs_to(record.id, record.started_at) and row.key not in known:
                    yield row

    def read(self, keys: Iterable[MembershipKey]) -> dict[MembershipKey, Membership]:
        """What is known of memberships, from whichever run."""
        items = self._rows.get_all(_row_key(key) for key in dict.fromkeys(keys))
        rows = (membership_from_item(item) for item in items)
        return {row.key: row for row in rows}

    def read_with_onboarding(
        self, onboarding_id: str, keys: Iterable[MembershipKey], target: Target | None = None
    ) -> Known:
        """A run's record, the rows of memberships and, where a target is given, the administrator's
        resource there: one request for each 100 of them.
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
                row = membership_from_item(item)
                rows[row.key] = row
        return Known(record, rows, resource)

    def write(
        self,
        memberships: Sequence[Membership],
        now: float,
        apart: Sequence[Membership] = (),
    ) -> frozenset[MembershipKey]:
        """Write all rows, or none: then the keys of those that are not as they were read.

        ``apart`` are memberships to keep beside their run in the same transaction. No more than
        100 of both.
        """
        writes = [_write(membership, now) for membership in memberships]
        writes += [Write(_apart(membership, now)) for membership in apart]
        refused = self._rows.transact(writes)
        return frozenset(memberships[number].key for number in refused)

    def record(
        self, memberships: Iterable[Membership], now: float
    ) -> tuple[dict[MembershipKey, Membership], dict[MembershipKey, Membership | None]]:
        """Write every row that is still as it was read.

        Returns the memberships as they are in the table now, and those that somebody else has
        written meanwhile, as they are now.
        """
        wanted = {membership.key: membership for membership in memberships}
        written: dict[MembershipKey, Membership] = {}
        lost: dict[MembershipKey, Membership | None] = {}
        while wanted:
            some = list(wanted.values())[:MOST_TRANSACTED]
            refused = self.write(some, now)
            found = self.read(refused) if refused else {}
            for membership in some:
                after = replace(membership, revision=membership.revision + 1)
                if not refused:
                    written[membership.key] = after
                elif membership.key in refused:
                    # A write that took effect and was answered with an error is repeated.
                    if found.get(membership.key) == _stored(after, now):
                        written[membership.key] = after
                    else:
                        lost[membership.key] = found.get(membership.key)
                else:
                    continue
                del wanted[membership.key]
        return written, lost


_ONBOARDING = "onboarding"
_PLAN = "plan"
_ADMINISTRATOR = "administrator"
_MEMBERSHIP = "membership#"


def _onboarding_key(onboarding_id: str) -> Item:
    return {"pk": f"onboarding#{onboarding_id}", "sk": _ONBOARDING}


def _plan_of(record: OnboardingRecord, item: Item | None) -> Plan | None:
    """A run's plan; an older run of the same id may have left one."""
    if item is None or float(item["planned_at"]) < record.started_at:
        return None
    return plan_from_text(item["plan"], record.id, record.started_at)


def _resource_key(target: Target) -> Item:
    return {"pk": _ADMINISTRATOR, "sk": f"resource#{target.key}"}


def _row_key(key: MembershipKey) -> Item:
    account_id, target = key
    return {"pk": f"account#{account_id}", "sk": _MEMBERSHIP + target.key}


def _write(membership: Membership, now: float) -> Write:
    after = replace(membership, revision=membership.revision + 1)
    item = _row_key(membership.key) | membership_to_item(after, now)
    return Write(item, seen=membership.revision)


def _apart(membership: Membership, now: float) -> dict[str, Any]:
    account_id, target = membership.key
    return {
        "pk": f"onboarding#{membership.onboarding_id}",
        "sk": f"{_MEMBERSHIP}{account_id}#{target.key}",
        **membership_to_item(membership, now),
        EXPIRES_AT: int(now) + APART_KEPT,
    }


def _apart_of(
    record: OnboardingRecord, kept: Mapping[str, Item]
) -> dict[MembershipKey, Membership]:
    """The memberships kept beside a run; an older run of the same id may have left some."""
    apart = [membership_from_item(item) for sk, item in kept.items() if sk.startswith(_MEMBERSHIP)]
    return {m.key: m for m in apart if m.belongs_to(record.id, record.started_at)}


def _stored(membership: Membership, now: float) -> Membership:
    """The membership as it comes back from the table."""
    return membership_from_item(membership_to_item(membership, now))
