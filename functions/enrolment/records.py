"""What is remembered of onboardings and memberships, as items of plain values. Never an e-mail.

Times are epoch seconds. An item is JSON, except that numbers may come back as ``Decimal``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.membership import Action, Outcome, Status, Transition
from functions.enrolment.target import ServiceName, Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.membership import Membership


@dataclass(frozen=True, slots=True)
class OnboardingRecord:
    """One run. ``source`` is ``manual`` or the event's name, ``automatic`` True for events.

    The run holds its claims until ``lease_until``; ``closed_at``, ``outcome`` and ``counts``
    (memberships by outcome) are set once it has ended.
    """

    id: str
    source: str
    automatic: bool
    dry_run: bool
    accounts: tuple[AccountId, ...]
    started_at: float
    lease_until: float
    outcome: str | None = None
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    closed_at: float | None = None


@dataclass(frozen=True, slots=True)
class MembershipRecord:
    """A membership as an onboarding last saw it.

    ``raw`` is the service's own spelling of ``status``; ``attempts`` counts actions tried.
    """

    account_id: AccountId
    target: Target
    onboarding_id: str
    mode: Mode
    updated_at: float
    status: Status | None = None
    raw: str = ""
    detail: str | None = None
    transitions: tuple[Transition, ...] = ()
    attempts: Mapping[Action, int] = field(default_factory=lambda: MappingProxyType({}))
    outcome: Outcome | None = None
    reason: str | None = None
    settled_at: float | None = None

    @classmethod
    def of(
        cls, membership: Membership, target: Target, onboarding_id: str, now: float
    ) -> MembershipRecord:
        """What is kept of a membership."""
        return cls(
            account_id=membership.account_id,
            target=target,
            onboarding_id=onboarding_id,
            mode=membership.mode,
            updated_at=now,
            status=membership.status,
            raw=membership.raw,
            detail=_without_email(membership.detail),
            transitions=membership.transitions,
            attempts={action: attempt.count for action, attempt in membership.attempts.items()},
            outcome=membership.outcome,
            reason=_without_email(membership.reason),
            settled_at=membership.settled_at,
        )


def _without_email(text: str | None) -> str | None:
    """A service's text may quote the address it was given."""
    return None if text is None else re.sub(r"\S+@\S+", "(e-mail)", text)


def membership_to_item(record: MembershipRecord) -> dict[str, Any]:
    """The attributes of a membership; those without a value are left out."""
    return _present(
        {
            "account_id": record.account_id,
            "service": str(record.target.service),
            "region": record.target.region,
            "onboarding_id": record.onboarding_id,
            "mode": str(record.mode),
            "status": _text(record.status),
            "raw": record.raw,
            "detail": record.detail,
            "transitions": [{"status": t.status, "at": t.at} for t in record.transitions],
            "attempts": {str(action): count for action, count in record.attempts.items()},
            "outcome": _text(record.outcome),
            "reason": record.reason,
            "updated_at": record.updated_at,
            "settled_at": record.settled_at,
        }
    )


def membership_from_item(item: Mapping[str, Any]) -> MembershipRecord:
    """The membership back from what :func:`membership_to_item` made."""
    return MembershipRecord(
        account_id=AccountId(item["account_id"]),
        target=Target(ServiceName(item["service"]), item["region"]),
        onboarding_id=item["onboarding_id"],
        mode=Mode(item["mode"]),
        updated_at=float(item["updated_at"]),
        status=Status(item["status"]) if "status" in item else None,
        raw=item["raw"],
        detail=item.get("detail"),
        transitions=tuple(Transition(t["status"], float(t["at"])) for t in item["transitions"]),
        attempts={Action(action): int(count) for action, count in item["attempts"].items()},
        outcome=Outcome(item["outcome"]) if "outcome" in item else None,
        reason=item.get("reason"),
        settled_at=_time(item.get("settled_at")),
    )


def onboarding_to_item(record: OnboardingRecord) -> dict[str, Any]:
    """The attributes of an onboarding; those without a value are left out."""
    return _present(
        {
            "onboarding_id": record.id,
            "source": record.source,
            "automatic": record.automatic,
            "dry_run": record.dry_run,
            "accounts": list(record.accounts),
            "started_at": record.started_at,
            "lease_until": record.lease_until,
            "outcome": record.outcome,
            "counts": dict(record.counts),
            "closed_at": record.closed_at,
        }
    )


def onboarding_from_item(item: Mapping[str, Any]) -> OnboardingRecord:
    """The onboarding back from what :func:`onboarding_to_item` made."""
    return OnboardingRecord(
        id=item["onboarding_id"],
        source=item["source"],
        automatic=item["automatic"],
        dry_run=item["dry_run"],
        accounts=tuple(AccountId(account) for account in item["accounts"]),
        started_at=float(item["started_at"]),
        lease_until=float(item["lease_until"]),
        outcome=item.get("outcome"),
        counts={outcome: int(count) for outcome, count in item["counts"].items()},
        closed_at=_time(item.get("closed_at")),
    )


def _present(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _text(value: Status | Outcome | None) -> str | None:
    return None if value is None else str(value)


def _time(value: Any) -> float | None:
    return None if value is None else float(value)
