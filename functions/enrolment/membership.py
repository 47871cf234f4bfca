"""Memberships: an account's relation to a target, what a run saw and did of it, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.account import AccountId, Mode
    from functions.enrolment.reason import Reason, ReasonCode
    from functions.enrolment.target import Target

# Transitions kept of a membership: the first, and the newest of the others.
MOST_TRANSITIONS = 12
# The longest that a step's function may run: what it begins has ended by then.
STEP_SECONDS = 600


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


# How a membership ended well, and how it did not.
ENABLED = frozenset({Outcome.ENABLED, Outcome.ALREADY_ENABLED})
UNWELCOME = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})


class Verdict(StrEnum):
    """What a service's answer to an action means for one account.

    ``TAKEN``: it was done. ``BENIGN``: it was done before. ``RETRY``: may work later.
    ``PERMANENT``: will not work. ``OUT_OF_REACH``: will not work from the administrator's side, and
    that is no failure (the management account before it enables the service itself).
    ``UNANSWERED``: the call failed, and whether it took effect is not known. ``UNKNOWN``: a text no
    table knows.
    """

    TAKEN = "taken"
    BENIGN = "benign"
    RETRY = "retry"
    PERMANENT = "permanent"
    OUT_OF_REACH = "out of reach"
    UNANSWERED = "unanswered"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """A service's answer to an action for one account; ``text`` is the service's own.

    ``code`` is the reason for which the membership ends if the answer ends it; None for the
    action's own.
    """

    verdict: Verdict
    text: str = ""
    code: ReasonCode | None = None


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
    """How often this run began an action for a membership, and the last answer.

    ``at`` is when it was answered; while ``answer`` is None, when it was begun. An answer that is
    still None later belongs to a step that was cut short. ``count`` is 0 where only an earlier run
    began the action.
    """

    count: int
    at: float
    answer: Answer | None = None

    @property
    def over_at(self) -> float:
        """When it is over for certain: without an answer, when its step cannot run any more."""
        return self.at + (STEP_SECONDS if self.answer is None else 0)

    @property
    def unanswered(self) -> bool:
        """Whether it is not known if the action took effect."""
        return self.answer is None or self.answer.verdict is Verdict.UNANSWERED

    @property
    def done(self) -> bool:
        """Whether the service said that the action was done, now or before."""
        return self.answer is not None and self.answer.verdict in (Verdict.TAKEN, Verdict.BENIGN)


@dataclass(frozen=True, slots=True)
class Membership:
    """One account at one target, as far as the run that owns it has seen and done.

    ``onboarding_id`` is the run that took it at ``taken_at``; it owns the membership until there is
    an ``outcome``. ``revision`` counts the writes of its row, 0 where there is none. ``status`` is
    None before the run's first reading. ``due`` is the action that was decided and not begun yet.
    ``transitions`` keeps the first and the newest; ``transition_count`` counts them all.
    ``settled_at`` is set with ``outcome``; ``reason`` is always set unless the outcome is enabled
    or already enabled. ``unknown`` holds what a later version wrote into the row. Times are epoch
    seconds. There is never an e-mail address in it.
    """

    account_id: AccountId
    target: Target
    mode: Mode
    onboarding_id: str = ""
    taken_at: float = 0.0
    revision: int = 0
    status: Status | None = None
    raw: str = ""
    detail: str | None = None
    transitions: tuple[Transition, ...] = ()
    transition_count: int = 0
    attempts: Mapping[Action, Attempt] = field(default_factory=lambda: MappingProxyType({}))
    due: Action | None = None
    outcome: Outcome | None = None
    reason: Reason | None = None
    settled_at: float | None = None
    unknown: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def key(self) -> MembershipKey:
        """Which membership it is."""
        return self.account_id, self.target

    def is_acting(self, now: float) -> bool:
        """Whether an action of the run may be under way."""
        return any(each.count and each.over_at > now for each in self.attempts.values())

    @property
    def was_invited(self) -> bool:
        """Whether the service was inviting the account before it said what it says now."""
        return any(_plain(transition.status) in _INVITING for transition in self._earlier())

    @property
    def was_accepted(self) -> bool:
        """Whether Detective has said that the account accepted, or was enabled, and no more."""
        return any(_plain(transition.status) == _ACCEPTED for transition in self.transitions)

    def _earlier(self) -> tuple[Transition, ...]:
        """What was before the status of now, since the account was last removed."""
        earlier = self.transitions[:-1]
        removed = [n for n, t in enumerate(earlier) if _plain(t.status) == _REMOVED]
        return earlier[removed[-1] + 1 :] if removed else earlier

    def tries(self, action: Action) -> int:
        """How often this run began an action."""
        attempt = self.attempts.get(action)
        return attempt.count if attempt else 0

    def belongs_to(self, onboarding_id: str, started_at: float) -> bool:
        """Whether it is, or was last, of the run of this id that started then.

        An older run may have had the same id: names can be used again after 90 days.
        """
        return self.onboarding_id == onboarding_id and self.taken_at >= started_at

    def taken(self, onboarding_id: str, mode: Mode, now: float) -> Membership:
        """This membership, taken by a run that begins anew.

        It remembers when it was last created or invited, so that nobody is invited twice.
        """
        kept: dict[Action, Attempt] = {
            action: replace(attempt, count=0)
            for action, attempt in self.attempts.items()
            if action in (Action.CREATE, Action.INVITE) and (attempt.unanswered or attempt.done)
        }
        return Membership(
            self.account_id,
            self.target,
            mode,
            onboarding_id,
            taken_at=now,
            revision=self.revision,
            attempts=MappingProxyType(kept),
            unknown=self.unknown,
        )

    def seen(self, observation: Observation, now: float) -> Membership:
        """This membership after a reading; a changed status is a transition."""
        transitions, count = self.transitions, self.transition_count
        if not transitions or transitions[-1].status != observation.raw:
            transitions, count = (*transitions, Transition(observation.raw, now)), count + 1
            if len(transitions) > MOST_TRANSITIONS:
                transitions = (transitions[0], *transitions[2:])
        return replace(
            self,
            status=observation.status,
            raw=observation.raw,
            detail=observation.detail,
            transitions=transitions,
            transition_count=count,
        )

    def begun(self, action: Action, now: float) -> Membership:
        """This membership with the due action begun: to be recorded before the call."""
        return self._with_attempt(action, Attempt(self.tries(action) + 1, now), due=None)

    def answered(self, action: Action, answer: Answer, now: float) -> Membership:
        """This membership after a begun action was answered."""
        attempt = replace(self.attempts[action], at=now, answer=answer)
        return self._with_attempt(action, attempt, due=None)

    def settled(self, outcome: Outcome, reason: Reason | None, now: float) -> Membership:
        """This membership, ended."""
        return replace(self, outcome=outcome, reason=reason, settled_at=now, due=None)

    def _with_attempt(self, action: Action, attempt: Attempt, *, due: Action | None) -> Membership:
        attempts = MappingProxyType({**self.attempts, action: attempt})
        return replace(self, attempts=attempts, due=due)


def _plain(status: str) -> str:
    """A status in one spelling for all services."""
    return status.casefold().replace("_", "").removeprefix("email")


_INVITING = frozenset({_plain(Status.INVITED), _plain(Status.VERIFYING)})
_ACCEPTED = _plain(Status.ACCEPTED_BUT_DISABLED)
_REMOVED = _plain(Status.REMOVED)

MembershipKey = tuple["AccountId", "Target"]
