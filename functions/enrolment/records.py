"""Converts onboardings and memberships to and from the table's items.

Times are epoch seconds; numbers may be read as ``Decimal``. Items of earlier versions lack some
attributes, those of later versions may have more: missing attributes get their defaults, and
unknown attributes of a membership are preserved. Items contain no e-mail addresses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar
from zlib import crc32

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.automation import Automatic, Automation
from functions.enrolment.membership import (
    Action,
    Answer,
    Attempt,
    Membership,
    Outcome,
    Status,
    Transition,
    Verdict,
)
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.target import read_target
from functions.enrolment.text import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from functions.enrolment.service import Service

W = TypeVar("W", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class OnboardingRecord:
    """One run. ``source`` is ``manual``, ``reconcile`` or the event's name, ``automatic`` False for
    ``manual`` only.

    The run owns its memberships until ``lease_until``. ``ended_at`` is the end time in its result,
    ``published`` the ids of what was published, by channel. ``closed_at``, ``outcome`` and
    ``counts`` (memberships by outcome) are set once it has ended, and ``unfinished``, what could
    not be done then: the channels that it is to be published on, and ``memberships`` if some have
    no outcome. Records of earlier versions have no ``execution_arn``.
    """

    id: str
    source: str
    automatic: bool
    dry_run: bool
    accounts: tuple[AccountId, ...]
    started_at: float
    lease_until: float
    execution_arn: str = ""
    outcome: str | None = None
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    ended_at: float | None = None
    closed_at: float | None = None
    unfinished: tuple[str, ...] = ()
    published: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


_KNOWN = frozenset(
    {
        *("pk", "sk", "expires_at", "account_id", "service", "region", "onboarding_id", "mode"),
        *("taken_at", "revision", "status", "raw", "detail", "transitions", "transition_count"),
        *("attempts", "due", "automation", "outcome", "updated_at", "settled_at", "surveyed_at"),
        *("reason", "reason_code", "reason_digest"),
    }
)
_PUBLISHED = "published_"


def membership_to_item(membership: Membership, now: float) -> dict[str, Any]:
    """The attributes of a membership, without those that have no value."""
    return _present(
        {
            **membership.unknown,
            "account_id": membership.account_id,
            "service": membership.target.service.name,
            "region": membership.target.region,
            "onboarding_id": membership.onboarding_id,
            "taken_at": membership.taken_at,
            "revision": membership.revision,
            "mode": str(membership.mode),
            "status": _text(membership.status),
            "raw": membership.raw,
            "detail": _redacted(membership.detail),
            "transitions": [{"status": t.status, "at": t.at} for t in membership.transitions],
            "transition_count": membership.transition_count,
            "attempts": membership.unknown.get("attempts", {})
            | {
                str(action): _attempt_to_item(attempt)
                for action, attempt in membership.attempts.items()
            },
            "due": _text(membership.due),
            "automation": _automation_to_item(membership.automation, membership.onboarding_id),
            "surveyed_at": membership.surveyed_at,
            "outcome": _text(membership.outcome),
            "reason": _redacted(_text(membership.reason)),
            "reason_code": _text(membership.reason and membership.reason.code),
            "reason_digest": _digest(_redacted(_text(membership.reason))),
            "updated_at": now,
            "settled_at": membership.settled_at,
        }
    )


def membership_from_item(item: Mapping[str, Any], services: Iterable[Service]) -> Membership:
    """Read a membership from an item of this version, an earlier or a later one.

    Raises:
        ValueError: the item's service is not one of ``services``.
    """
    updated_at = float(item.get("updated_at", 0))
    transitions = tuple(
        Transition(str(t["status"]), float(t["at"])) for t in item.get("transitions", ())
    )
    return Membership(
        account_id=AccountId(item["account_id"]),
        target=read_target(services, item["service"], item["region"]),
        mode=Mode(item["mode"]),
        onboarding_id=item.get("onboarding_id", ""),
        # Earlier versions did not record this time; they wrote the row in every turn of a run.
        taken_at=float(item.get("taken_at", updated_at)),
        revision=int(item.get("revision", 0)),
        status=_enum_member(Status, item.get("status"), Status.UNKNOWN),
        raw=item.get("raw", ""),
        detail=item.get("detail"),
        transitions=transitions,
        transition_count=int(item.get("transition_count", len(transitions))),
        attempts=MappingProxyType(
            {
                Action(action): _attempt_from_item(value, updated_at)
                for action, value in item.get("attempts", {}).items()
                if action in set(Action)
            }
        ),
        due=Action(item["due"]) if item.get("due") in set(Action) else None,
        automation=_current_automation(item),
        surveyed_at=_time(item.get("surveyed_at")),
        outcome=outcome_from(item.get("outcome")),
        reason=reason_from(item.get("reason"), _current_code(item)),
        settled_at=_time(item.get("settled_at")),
        unknown=MappingProxyType(_unknown(item)),
    )


def _unknown(item: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that only a later version knows, including attempts of unknown actions."""
    attempts = {k: v for k, v in item.get("attempts", {}).items() if k not in set(Action)}
    unknown = {k: v for k, v in item.items() if k not in _KNOWN}
    return unknown | ({"attempts": attempts} if attempts else {})


def _current_code(item: Mapping[str, Any]) -> Any:
    """The item's reason code, if the digest shows that it belongs to the reason.

    An earlier version, which does not know codes, replaces the reason and preserves the code.
    """
    same = item.get("reason_digest") == _digest(item.get("reason"))
    return item.get("reason_code") if same else None


def _digest(text: str | None) -> int | None:
    return None if text is None else crc32(text.encode(errors="replace"))


def reason_from(text: Any, code: Any) -> Reason | None:
    """Read a reason from its text and code; an earlier version stored the text only."""
    if not text and not code:
        return None
    return Reason(
        _enum_member(ReasonCode, code, ReasonCode.OTHER) or ReasonCode.OTHER, redact(text or "")
    )


def outcome_from(value: Any) -> Outcome | None:
    """Read an outcome; one that only a later version knows is a failure."""
    return _enum_member(Outcome, value, Outcome.FAILED)


def onboarding_to_item(record: OnboardingRecord) -> dict[str, Any]:
    """The attributes of an onboarding, without those that have no value."""
    return _present(
        {
            "onboarding_id": record.id,
            "source": record.source,
            "automatic": record.automatic,
            "dry_run": record.dry_run,
            "accounts": list(record.accounts),
            "started_at": record.started_at,
            "lease_until": record.lease_until,
            "execution_arn": record.execution_arn or None,
            "outcome": record.outcome,
            "counts": dict(record.counts),
            "ended_at": record.ended_at,
            "closed_at": record.closed_at,
            "unfinished": list(record.unfinished) or None,
            **{f"{_PUBLISHED}{channel}": sent for channel, sent in record.published.items()},
        }
    )


def onboarding_from_item(item: Mapping[str, Any]) -> OnboardingRecord:
    """Read an onboarding from an item of this version or an earlier one."""
    return OnboardingRecord(
        id=item["onboarding_id"],
        source=item.get("source", ""),
        automatic=item.get("automatic", False),
        dry_run=item.get("dry_run", False),
        accounts=tuple(AccountId(account) for account in item.get("accounts", ())),
        started_at=float(item["started_at"]),
        lease_until=float(item["lease_until"]),
        execution_arn=item.get("execution_arn", ""),
        outcome=item.get("outcome"),
        counts={outcome: int(count) for outcome, count in item.get("counts", {}).items()},
        ended_at=_time(item.get("ended_at")),
        closed_at=_time(item.get("closed_at")),
        unfinished=tuple(item.get("unfinished", ())),
        published={
            name.removeprefix(_PUBLISHED): sent
            for name, sent in item.items()
            if name.startswith(_PUBLISHED)
        },
    )


def epoch_seconds(moment: str) -> float:
    """A time from Step Functions (ISO 8601) in epoch seconds."""
    return datetime.fromisoformat(moment).timestamp()


def _attempt_to_item(attempt: Attempt) -> dict[str, Any]:
    answer = attempt.answer
    return _present(
        {
            "count": attempt.count,
            "at": attempt.at,
            "verdict": None if answer is None else str(answer.verdict),
            "text": _redacted(answer.text) if answer is not None and answer.text else None,
            "code": None if answer is None else _text(answer.code),
        }
    )


def _attempt_from_item(value: Any, updated_at: float) -> Attempt:
    """An earlier version stored the count only: it is read as done, so that nothing is repeated."""
    if not isinstance(value, dict):
        return Attempt(int(value), updated_at, Answer(Verdict.TAKEN))
    verdict = _enum_member(Verdict, value.get("verdict"), Verdict.UNKNOWN)
    code = _enum_member(ReasonCode, value.get("code"), ReasonCode.OTHER)
    answer = None if verdict is None else Answer(verdict, value.get("text", ""), code)
    return Attempt(int(value["count"]), float(value["at"]), answer)


def _automation_to_item(automation: Automation | None, run: str) -> dict[str, Any] | None:
    if automation is None:
        return None
    return _present(
        {
            "kind": str(automation.kind),
            "said": redact(automation.said),
            "freed_at": automation.freed_at,
            "run": run,
        }
    )


def _current_automation(item: Mapping[str, Any]) -> Automation | None:
    """The item's automation, if the run that owns the item has read it in words known here.

    An earlier version, which does not know it, preserves that of the run before.
    """
    value = item.get("automation")
    if not isinstance(value, dict) or value.get("run") != item.get("onboarding_id", ""):
        return None
    if value.get("kind") not in set(Automatic):
        return None
    return Automation(Automatic(value["kind"]), value.get("said", ""), _time(value.get("freed_at")))


def _enum_member(kind: type[W], value: Any, otherwise: W) -> W | None:
    """The enum's member, or ``otherwise`` for a value that only a later version knows."""
    if value is None:
        return None
    return kind(value) if value in set(kind) else otherwise


def _present(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _redacted(text: str | None) -> str | None:
    """The text without e-mail addresses: a service may quote the one it was given."""
    return None if text is None else redact(text)


def _text(value: StrEnum | Reason | None) -> str | None:
    return None if value is None else str(value)


def _time(value: Any) -> float | None:
    return None if value is None else float(value)
