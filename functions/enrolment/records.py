"""Converts onboardings and memberships to and from the table's items.

Times are epoch seconds; numbers may be read as ``Decimal``. Items of earlier versions lack some
attributes, those of later versions may have more: missing attributes get their defaults, and
unknown attributes of a membership are preserved. Items contain no e-mail addresses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
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
from functions.enrolment.service import find_service
from functions.enrolment.stored import (
    a_flag,
    a_list,
    a_map,
    a_number,
    a_text,
    a_time,
    an_object,
    one_of,
    optional,
    reading,
    required,
    row_of,
)
from functions.enrolment.target import target_of
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
        Unreadable: a field has another form, or the service is not one of ``services``.
    """
    with reading(row_of(item)):
        return _membership(item, services)


def _membership(item: Mapping[str, Any], services: Iterable[Service]) -> Membership:
    updated_at = optional(item, "updated_at", a_time, 0.0)
    transitions: tuple[Transition, ...] = optional(item, "transitions", a_list(_transition), ())
    attempts = _attempts(item)
    return Membership(
        account_id=AccountId(required(item, "account_id", a_text)),
        target=target_of(item, services),
        mode=required(item, "mode", one_of(Mode)),
        onboarding_id=optional(item, "onboarding_id", a_text, ""),
        # Earlier versions did not record this time; they wrote the row in every turn of a run.
        taken_at=optional(item, "taken_at", a_time, updated_at),
        revision=optional(item, "revision", a_number, 0),
        status=_enum_member(Status, item.get("status"), Status.UNKNOWN),
        raw=optional(item, "raw", a_text, ""),
        detail=optional(item, "detail", a_text, None),
        transitions=transitions,
        transition_count=optional(item, "transition_count", a_number, len(transitions)),
        attempts=MappingProxyType(
            {
                action: required(attempts, action, partial(_attempt_from_item, updated_at))
                for action in Action
                if action in attempts
            }
        ),
        due=_known_member(Action, item.get("due")),
        automation=_current_automation(item),
        surveyed_at=optional(item, "surveyed_at", a_time, None),
        outcome=outcome_from(item.get("outcome")),
        reason=reason_from(optional(item, "reason", a_text, None), _current_code(item)),
        settled_at=optional(item, "settled_at", a_time, None),
        unknown=MappingProxyType(_unknown(item)),
    )


def is_of_a_known_service(item: Mapping[str, Any], services: Iterable[Service]) -> bool:
    """Whether a membership's item names one of these services; others are of a later version."""
    name = item.get("service")
    return not isinstance(name, str) or find_service(services, name) is not None


def _transition(value: Any) -> Transition:
    transition = an_object(value)
    return Transition(required(transition, "status", a_text), required(transition, "at", a_time))


def _attempts(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return optional(item, "attempts", an_object, {})


def _unknown(item: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that only a later version knows, including attempts of unknown actions."""
    attempts = {k: v for k, v in _attempts(item).items() if k not in set(Action)}
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
    return Reason(_known_member(ReasonCode, code) or ReasonCode.OTHER, redact(text or ""))


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
    """Read an onboarding from an item of this version or an earlier one.

    Raises:
        Unreadable: a field has another form.
    """
    with reading(row_of(item)):
        accounts: tuple[str, ...] = optional(item, "accounts", a_list(a_text), ())
        return OnboardingRecord(
            id=required(item, "onboarding_id", a_text),
            source=optional(item, "source", a_text, ""),
            automatic=optional(item, "automatic", a_flag, False),
            dry_run=optional(item, "dry_run", a_flag, False),
            accounts=tuple(map(AccountId, accounts)),
            started_at=required(item, "started_at", a_time),
            lease_until=required(item, "lease_until", a_time),
            execution_arn=optional(item, "execution_arn", a_text, ""),
            outcome=optional(item, "outcome", a_text, None),
            counts=optional(item, "counts", a_map(a_number), {}),
            ended_at=optional(item, "ended_at", a_time, None),
            closed_at=optional(item, "closed_at", a_time, None),
            unfinished=optional(item, "unfinished", a_list(a_text), ()),
            published=published_in(item),
        )


def published_in(item: Mapping[str, Any]) -> dict[str, str]:
    """The ids of what was published, by channel, of an onboarding or a reconcile."""
    return {
        name.removeprefix(_PUBLISHED): required(item, name, a_text)
        for name in item
        if name.startswith(_PUBLISHED)
    }


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


def _attempt_from_item(updated_at: float, value: Any) -> Attempt:
    """An earlier version stored the count only: it is read as done, so that nothing is repeated."""
    if not isinstance(value, dict):
        return Attempt(a_number(value), updated_at, Answer(Verdict.TAKEN))
    verdict = _enum_member(Verdict, value.get("verdict"), Verdict.UNKNOWN)
    code = _enum_member(ReasonCode, value.get("code"), ReasonCode.OTHER)
    text = optional(value, "text", a_text, "")
    answer = None if verdict is None else Answer(verdict, text, code)
    return Attempt(required(value, "count", a_number), required(value, "at", a_time), answer)


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
    if not isinstance(value, dict) or value.get("run") != item.get("onboarding_id"):
        return None
    kind = _known_member(Automatic, value.get("kind"))
    if kind is None:
        return None
    said = optional(value, "said", a_text, "")
    return Automation(kind, said, optional(value, "freed_at", a_time, None))


def _enum_member(kind: type[W], value: Any, otherwise: W) -> W | None:
    """The enum's member, or ``otherwise`` for a value that only a later version knows."""
    return None if value is None else _known_member(kind, value) or otherwise


def _known_member(kind: type[W], value: Any) -> W | None:
    """The enum's member, None for a value that only a later version knows."""
    return kind(value) if isinstance(value, str) and value in set(kind) else None


def _present(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _redacted(text: str | None) -> str | None:
    """The text without e-mail addresses: a service may quote the one it was given."""
    return None if text is None else redact(text)


def _text(value: StrEnum | Reason | None) -> str | None:
    return None if value is None else str(value)
