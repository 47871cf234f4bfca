"""What is remembered in DynamoDB: onboardings, memberships, and which onboarding holds an account.

One table with the keys ``pk`` and ``sk``::

    onboarding#<id>   onboarding                            a run, and the lease of all its claims
    account#<id>      claim                                 which onboarding may act on the account
    account#<id>      membership#<service>#<region>         what the last run saw and did
    account#<id>      apart#<onboarding>#<service>#<region>
                                                            what is only of interest to one run

The index ``by-time`` (``kind``, ``started_at``) finds onboardings; ``expires_at`` is the table's
time-to-live attribute.

A claim says who holds an account; the holder's onboarding record says until when, so that one
write extends every claim of a run. Who takes a claim over after the lease first notes the account
as lost in the holder's record, on condition that the lease is still over; the holder learns of it
when it extends the lease. Both write the same item, so that one of them comes first. A claim's
``revision`` changes whenever it is taken, and is what a take-over depends on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr, Key

from functions.aws.rows import Rows
from functions.enrolment.account import AccountId
from functions.enrolment.errors import Conflict
from functions.enrolment.records import (
    MembershipRecord,
    OnboardingRecord,
    membership_from_item,
    membership_to_item,
    onboarding_from_item,
    onboarding_to_item,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mypy_boto3_dynamodb.service_resource import Table

    from functions.aws.rows import Item
    from functions.enrolment.membership import Membership
    from functions.enrolment.target import Target

BY_TIME = "by-time"
EXPIRES_AT = "expires_at"
CLAIM_KEPT = 366 * 86400  # seconds; the longest duplicate window that can be configured is a year
APART_KEPT = 30 * 86400
MOST_TAKE_OVERS = 10

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "open": ("dynamodb:PutItem",),
    "close": ("dynamodb:UpdateItem",),
    "onboarding": ("dynamodb:GetItem",),
    "recent": ("dynamodb:Query",),
    "published": ("dynamodb:GetItem",),
    "mark_published": ("dynamodb:UpdateItem",),
    "extend_lease": ("dynamodb:UpdateItem",),
    "claim": ("dynamodb:UpdateItem", "dynamodb:GetItem"),
    "release": ("dynamodb:UpdateItem",),
    "record": ("dynamodb:BatchWriteItem",),
    "memberships": ("dynamodb:Query",),
    "memberships_at": ("dynamodb:BatchGetItem",),
}


@dataclass(frozen=True, slots=True)
class Claimed:
    """The account is this onboarding's to act on."""


@dataclass(frozen=True, slots=True)
class HeldBy:
    """Another onboarding acts on the account, or has just enabled it everywhere."""

    onboarding_id: str


@dataclass(frozen=True, slots=True)
class Lease:
    """What an onboarding holds: nothing once it is closed (``until`` None), else all but ``lost``.

    ``until`` is in epoch seconds.
    """

    until: float | None
    lost: frozenset[AccountId] = frozenset()


class Ledger:
    """The table. Times are epoch seconds.

    Every method raises ``Throttled``, ``ServiceUnavailable``, ``Conflict``, ``AccessDenied`` or
    ``ServiceRefused``, and may be called again after any of them.
    """

    def __init__(self, table: Table) -> None:
        self._rows = Rows(table)

    def open(self, record: OnboardingRecord) -> None:
        """Begin an onboarding, or begin it again. Before its claims: they stand on its lease."""
        item = onboarding_to_item(record)
        self._rows.put(_onboarding_key(record.id) | {"kind": "onboarding"} | item)

    def close(self, onboarding_id: str, outcome: str, counts: Mapping[str, int], at: float) -> None:
        """End an onboarding, and with it its lease; nothing where there is no such record."""
        self._rows.update(
            _onboarding_key(onboarding_id),
            "SET outcome = :outcome, counts = :counts, closed_at = :at",
            "attribute_exists(pk)",
            {":outcome": outcome, ":counts": dict(counts), ":at": at},
        )

    def onboarding(self, onboarding_id: str) -> OnboardingRecord | None:
        """One onboarding."""
        item = self._rows.get(_onboarding_key(onboarding_id))
        return None if item is None else onboarding_from_item(item)

    def recent(self, limit: int) -> tuple[OnboardingRecord, ...]:
        """The onboardings that began last, newest first; the very newest may be missing yet."""
        items = self._rows.newest(BY_TIME, Key("kind").eq("onboarding"), limit)
        return tuple(onboarding_from_item(item) for item in items)

    def published(self, onboarding_id: str) -> Mapping[str, str]:
        """The ids of what was published of an onboarding, by channel."""
        item = self._rows.get(_onboarding_key(onboarding_id)) or {}
        return {
            name.removeprefix(_PUBLISHED): message_id
            for name, message_id in item.items()
            if name.startswith(_PUBLISHED)
        }

    def mark_published(self, onboarding_id: str, channel: str, message_id: str) -> None:
        """Remember that a channel has been told; nothing where there is no such record.

        ``channel`` is an attribute's name: letters, digits and underscores.
        """
        self._rows.update(
            _onboarding_key(onboarding_id),
            f"SET {_PUBLISHED}{channel} = :id",
            "attribute_exists(pk)",
            {":id": message_id},
        )

    def extend_lease(self, onboarding_id: str, until: float) -> Lease:
        """Extend the lease of all claims, never shorten it, and see what is still held."""
        _, item = self._rows.update(
            _onboarding_key(onboarding_id),
            "SET lease_until = :until",
            "lease_until < :until AND attribute_not_exists(closed_at)",
            {":until": until},
        )
        if not item or "closed_at" in item:
            return Lease(until=None)
        lost = frozenset(AccountId(account) for account in item.get("lost", ()))
        return Lease(float(item["lease_until"]), lost)

    def claim(
        self,
        account_id: AccountId,
        onboarding_id: str,
        now: float,
        lease_until: float,
        *,
        unless_enabled_since: float | None = None,
    ) -> Claimed | HeldBy:
        """Take an account, unless another onboarding holds it. Of several takers one succeeds.

        ``lease_until`` only counts where the onboarding has no record. With
        ``unless_enabled_since`` an account whose holder ended at or after that time with every
        membership enabled stays with that holder: the event was a duplicate.

        Raises:
            Conflict: the claim kept changing hands.
        """
        key = _claim_key(account_id)
        condition = "attribute_not_exists(pk) OR onboarding_id = :taker"
        seen: dict[str, object] = {}
        for _ in range(MOST_TAKE_OVERS):
            taken, claim = self._rows.update(
                key,
                "SET account_id = :account, onboarding_id = :taker, claimed_at = :now,"
                " lease_until = :until ADD revision :one REMOVE ended_at, enabled, expires_at",
                condition,
                {
                    ":account": account_id,
                    ":taker": onboarding_id,
                    ":now": now,
                    ":until": lease_until,
                    ":one": 1,
                    **seen,
                },
            )
            if taken:
                return Claimed()
            if not claim:  # ended, and expired since it was seen
                condition, seen = "attribute_not_exists(pk)", {}
                continue
            if not self._may_be_taken(claim, now, unless_enabled_since):
                return HeldBy(claim["onboarding_id"])
            condition, seen = "revision = :seen", {":seen": claim["revision"]}
        raise Conflict(f"the claim on {account_id} keeps changing hands")

    def _may_be_taken(self, claim: Item, now: float, unless_enabled_since: float | None) -> bool:
        if "ended_at" in claim:
            duplicate = (
                unless_enabled_since is not None
                and claim["enabled"]
                and claim["ended_at"] >= unless_enabled_since
            )
            return not duplicate
        holder = self._rows.get(_onboarding_key(claim["onboarding_id"]))
        if holder is None:
            return bool(claim["lease_until"] <= now)
        if "closed_at" in holder or claim["account_id"] in holder.get("lost", ()):
            return True
        if holder["lease_until"] > now:
            return False
        noted, holder = self._rows.update(
            _onboarding_key(claim["onboarding_id"]),
            "ADD lost :account",
            "lease_until <= :now AND attribute_not_exists(closed_at)",
            {":account": {claim["account_id"]}, ":now": now},
        )
        return noted or "closed_at" in holder

    def release(
        self,
        account_ids: Iterable[AccountId],
        onboarding_id: str,
        at: float,
        enabled: Mapping[AccountId, bool],
    ) -> None:
        """End this onboarding's claims; ``enabled`` says where every membership is enabled.

        A claim that another onboarding has taken over is left alone.
        """
        for account_id in account_ids:
            self._rows.update(
                _claim_key(account_id),
                "SET ended_at = :at, enabled = :enabled, expires_at = :expires",
                "onboarding_id = :holder",
                {
                    ":at": at,
                    ":enabled": enabled.get(account_id, False),
                    ":expires": int(at) + CLAIM_KEPT,
                    ":holder": onboarding_id,
                },
            )

    def record(
        self,
        onboarding_id: str,
        target: Target,
        memberships: Iterable[Membership],
        now: float,
        *,
        apart: Callable[[AccountId], bool] = lambda _: False,
    ) -> None:
        """Remember memberships at a target.

        What a dry run found, or is another onboarding's to tell, is kept ``apart`` and for a month,
        so that it never overwrites what is known.
        """
        items = []
        for membership in memberships:
            record = MembershipRecord.of(membership, target, onboarding_id, now)
            item, prefix = membership_to_item(record), _MEMBERSHIP
            if apart(membership.account_id):
                item[EXPIRES_AT] = int(now) + APART_KEPT
                prefix = _apart(onboarding_id)
            items.append(_account_key(membership.account_id, prefix + target.key) | item)
        self._rows.put_all(items)

    def memberships(
        self, onboarding_id: str, account_ids: Iterable[AccountId]
    ) -> tuple[MembershipRecord, ...]:
        """What an onboarding saw and did, by account; what it kept apart comes last."""
        return tuple(
            membership_from_item(item)
            for account_id in account_ids
            for prefix in (_MEMBERSHIP, _apart(onboarding_id))
            for item in self._rows.query(
                Key("pk").eq(f"account#{account_id}") & Key("sk").begins_with(prefix),
                only=Attr("onboarding_id").eq(onboarding_id),
            )
        )

    def memberships_at(
        self, target: Target, account_ids: Sequence[AccountId]
    ) -> tuple[MembershipRecord, ...]:
        """What is known of accounts at one target, from whichever onboarding, in their order."""
        sort_key = _MEMBERSHIP + target.key
        keys = (_account_key(account_id, sort_key) for account_id in dict.fromkeys(account_ids))
        found = {item["account_id"]: item for item in self._rows.get_all(keys)}
        return tuple(
            membership_from_item(found[account_id])
            for account_id in dict.fromkeys(account_ids)
            if account_id in found
        )


_PUBLISHED = "published_"
_MEMBERSHIP = "membership#"


def _onboarding_key(onboarding_id: str) -> Item:
    return {"pk": f"onboarding#{onboarding_id}", "sk": "onboarding"}


def _account_key(account_id: AccountId, sort_key: str) -> Item:
    return {"pk": f"account#{account_id}", "sk": sort_key}


def _claim_key(account_id: AccountId) -> Item:
    return _account_key(account_id, "claim")


def _apart(onboarding_id: str) -> str:
    return f"apart#{onboarding_id}#"
