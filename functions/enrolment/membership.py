"""Memberships: an account's relation to a target, and how it came to be."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.account import AccountId, Mode


class Status(StrEnum):
    """A membership's status, in one vocabulary for all services."""

    ABSENT = "Absent"
    CREATED = "Created"
    INVITED = "Invited"
    VERIFYING = "VerificationInProgress"
    VERIFICATION_FAILED = "VerificationFailed"
    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PAUSED = "Paused"
    ACCEPTED_BUT_DISABLED = "AcceptedButDisabled"
    REMOVED = "Removed"
    RESIGNED = "Resigned"
    DELETED = "Deleted"
    REGION_DISABLED = "RegionDisabled"
    ACCOUNT_SUSPENDED = "AccountSuspended"
    MANAGEMENT_NOT_ENABLED = "ManagementNotEnabled"
    UNKNOWN = "Unknown"


class Action(StrEnum):
    """What the rules say to do next for a membership."""

    CREATE = "create"
    INVITE = "invite"
    ACCEPT = "accept"
    RESTART = "restart"
    WAIT = "wait"
    STOP = "stop"


class Outcome(StrEnum):
    """How a membership ended."""

    ENABLED = "enabled"
    ALREADY_ENABLED = "already enabled"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    SKIPPED = "skipped"


class Verdict(StrEnum):
    """What a service's answer to an action means for one account.

    ``TAKEN``: it was done. ``BENIGN``: it was done before. ``RETRY``: may work later.
    ``PERMANENT``: will not work. ``OUT_OF_REACH``: will not work from the administrator's side, and
    that is no failure (the management account before it enables the service itself).
    ``UNKNOWN``: a text no table knows.
    """

    TAKEN = "taken"
    BENIGN = "benign"
    RETRY = "retry"
    PERMANENT = "permanent"
    OUT_OF_REACH = "out of reach"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """A service's answer to an action for one account; ``text`` is the service's own."""

    verdict: Verdict
    text: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What GetMembers says of one account; ``raw`` is the service's own spelling.

    ``detail`` is what the service adds, for example Detective's ``DisabledReason``. An account the
    service does not return is ``ABSENT``.
    """

    account_id: AccountId
    status: Status
    raw: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """A status, in the service's own spelling, and when it was first seen (epoch seconds)."""

    status: str
    at: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """How often an action was tried for a membership, when last, and the last answer."""

    count: int
    at: float
    answer: Answer


@dataclass(frozen=True, slots=True)
class Membership:
    """One account at one target, as far as this onboarding has seen and done.

    ``status`` is None before the first reading. ``settled_at`` (epoch seconds) is set with
    ``outcome``; ``reason`` is always set unless the outcome is enabled or already enabled.
    """

    account_id: AccountId
    mode: Mode
    email: str | None = None
    status: Status | None = None
    raw: str = ""
    detail: str | None = None
    transitions: tuple[Transition, ...] = ()
    attempts: Mapping[Action, Attempt] = field(default_factory=lambda: MappingProxyType({}))
    outcome: Outcome | None = None
    reason: str | None = None
    settled_at: float | None = None

    def seen(self, observation: Observation, now: float) -> Membership:
        """This membership after a reading; a changed status is a transition."""
        transitions = self.transitions
        if not transitions or transitions[-1].status != observation.raw:
            transitions = (*transitions, Transition(observation.raw, now))
        return replace(
            self,
            status=observation.status,
            raw=observation.raw,
            detail=observation.detail,
            transitions=transitions,
        )

    def tried(self, action: Action, answer: Answer, now: float) -> Membership:
        """This membership after an action was tried."""
        before = self.attempts.get(action)
        attempt = Attempt(count=(before.count if before else 0) + 1, at=now, answer=answer)
        return replace(self, attempts=MappingProxyType({**self.attempts, action: attempt}))

    def settled(self, outcome: Outcome, reason: str | None, now: float) -> Membership:
        """This membership, ended."""
        return replace(self, outcome=outcome, reason=reason, settled_at=now)
