"""Memberships: an account's relation to a target, what a run has read and done, and the owner."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from functions.enrolment.automation import Automatic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.account import AccountId, Mode
    from functions.enrolment.automation import Automation
    from functions.enrolment.reason import Reason, ReasonCode
    from functions.enrolment.target import Target

# How many transitions of a membership are stored: the first, and the newest of the others.
MOST_TRANSITIONS = 12
# The longest time a step's function may run: every call it begins has ended by then.
STEP_SECONDS = 600
# How long a run acts on what a survey read without reading it again.
SURVEY_VALID_SECONDS = 1800


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
    """The next action for a membership, as the rules decide it."""

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


# The outcomes of success, and those of failure.
ENABLED = frozenset({Outcome.ENABLED, Outcome.ALREADY_ENABLED})
UNSUCCESSFUL = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})


class Verdict(StrEnum):
    """The meaning of a service's answer to an action for one account.

    ``TAKEN``: it was done. ``BENIGN``: it was done before. ``RETRY``: may work later.
    ``PERMANENT``: will not work. ``OUT_OF_REACH``: cannot work from the administrator account,
    which is not a failure (the management account before it enables the service itself).
    ``UNANSWERED``: the call failed, and it is unknown whether it took effect. ``UNKNOWN``: a text
    that is in no table.
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

    ``code`` is the reason code if the answer ends the membership; None stands for ``REFUSED``.
    """

    verdict: Verdict
    text: str = ""
    code: ReasonCode | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """The status of one account from GetMembers or ListMembers, ``raw`` in the service's spelling.

    ``detail`` is further information, for example Detective's ``DisabledReason``. An account that
    GetMembers does not return is ``ABSENT``.
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
    """How many times this run began an action for a membership, and the last answer.

    ``at`` is when it was answered or, while ``answer`` is None, when it began. If ``answer`` stays
    None, the step was interrupted. ``count`` is 0 if only an earlier run began the action.
    """

    count: int
    at: float
    answer: Answer | None = None

    @property
    def ended_by(self) -> float:
        """When it has certainly ended: without an answer, when its step can no longer run."""
        return self.at + (STEP_SECONDS if self.answer is None else 0)

    @property
    def unanswered(self) -> bool:
        """Whether it is unknown if the action took effect."""
        return self.answer is None or self.answer.verdict is Verdict.UNANSWERED

    @property
    def done(self) -> bool:
        """Whether the service reported the action as done, now or before."""
        return self.answer is not None and self.answer.verdict in (Verdict.TAKEN, Verdict.BENIGN)


@dataclass(frozen=True, slots=True)
class Membership:
    """One account at one target, as the run that owns it has recorded it.

    ``onboarding_id`` is the run that took it at ``taken_at``; it owns the membership until there is
    an ``outcome``. ``revision`` counts the writes of its row, 0 if there is none. ``status`` is
    None before the run's first reading. ``due`` is the action that was decided but not begun.
    ``transitions`` holds the first and the newest; ``transition_count`` counts all of them.
    ``settled_at`` is set with ``outcome``, and so is ``reason``, unless the outcome is enabled or
    already enabled. ``automation`` is what the service does by itself about an account of the
    organisation, None if this run has not read it. ``surveyed_at`` is when a survey read the status
    and the automation, until this run reads the status itself. ``unknown`` holds the attributes
    that a later version wrote to the row. Times are epoch seconds. No field contains an e-mail
    address.
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
    automation: Automation | None = None
    surveyed_at: float | None = None
    outcome: Outcome | None = None
    reason: Reason | None = None
    settled_at: float | None = None
    unknown: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def key(self) -> MembershipKey:
        """The account and the target, which identify it."""
        return self.account_id, self.target

    def is_acting(self, now: float) -> bool:
        """Whether an action of the run may be in progress."""
        return any(each.count and each.ended_by > now for each in self.attempts.values())

    @property
    def changed_at(self) -> float:
        """When a run last took it, or recorded a transition, an action or its outcome."""
        seen = (transition.at for transition in self.transitions)
        done = (attempt.at for attempt in self.attempts.values())
        return max(self.taken_at, self.settled_at or self.taken_at, *seen, *done)

    def is_surveyed(self, now: float) -> bool:
        """Whether the run may act on what a survey read: it has neither read it nor acted since.

        A version that does not know ``surveyed_at`` leaves it in the row whatever it does.
        """
        at = self.surveyed_at
        acted = any(attempt.count for attempt in self.attempts.values())
        only = not acted and [each.at for each in self.transitions] == [at]
        return at is not None and only and survey_is_valid(at, now)

    @property
    def awaits_policy(self) -> bool:
        """Whether a configuration policy is to make the account a member, and has not yet."""
        by_policy = self.automation is not None and self.automation.kind is Automatic.POLICY
        return by_policy and self.is_missing

    @property
    def is_missing(self) -> bool:
        """Whether the account is no member yet, or no longer."""
        return self.status in _NO_MEMBER

    @property
    def was_invited(self) -> bool:
        """Whether an earlier status, since the last removal, shows an invitation."""
        return any(_plain(transition.status) in _INVITING for transition in self._earlier())

    @property
    def was_accepted(self) -> bool:
        """Whether a reading has shown ``AcceptedButDisabled`` (Detective)."""
        return any(_plain(transition.status) == _ACCEPTED for transition in self.transitions)

    def _earlier(self) -> tuple[Transition, ...]:
        """The transitions before the current status, since the account was last removed."""
        earlier = self.transitions[:-1]
        removed = [n for n, t in enumerate(earlier) if _plain(t.status) == _REMOVED]
        return earlier[removed[-1] + 1 :] if removed else earlier

    def tries(self, action: Action) -> int:
        """How many times this run began an action."""
        attempt = self.attempts.get(action)
        return attempt.count if attempt else 0

    def belongs_to(self, onboarding_id: str, started_at: float) -> bool:
        """Whether the run with this id and start time took it last.

        An older run may have had the same id: execution names can be reused after 90 days.
        """
        return self.onboarding_id == onboarding_id and self.taken_at >= started_at

    def taken(self, onboarding_id: str, mode: Mode, now: float) -> Membership:
        """This membership, taken by a new run.

        Keeps when it was last created or invited, so that no account is invited twice.
        """
        attempts: dict[Action, Attempt] = {
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
            attempts=MappingProxyType(attempts),
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
            surveyed_at=None,
        )

    def surveyed(
        self, observation: Observation, automation: Automation | None, at: float
    ) -> Membership:
        """This membership, just taken, with what a survey read at ``at``."""
        known = replace(self, automation=automation).seen(observation, at)
        return replace(known, surveyed_at=at)

    def told(self, found: Automation, now: float) -> Membership:
        """This membership after a reading of what the service does by itself."""
        known = self.automation
        return replace(self, automation=known.followed_by(found, now) if known else found)

    def begun(self, action: Action, now: float) -> Membership:
        """This membership with an action begun; it must be recorded before the call."""
        return self._with_attempt(action, Attempt(self.tries(action) + 1, now))

    def answered(self, action: Action, answer: Answer, now: float) -> Membership:
        """This membership after a begun action was answered."""
        attempt = replace(self.attempts[action], at=now, answer=answer)
        return self._with_attempt(action, attempt)

    def settled(self, outcome: Outcome, reason: Reason | None, now: float) -> Membership:
        """This membership with its outcome."""
        return replace(self, outcome=outcome, reason=reason, settled_at=now, due=None)

    def _with_attempt(self, action: Action, attempt: Attempt) -> Membership:
        return replace(
            self, attempts=MappingProxyType({**self.attempts, action: attempt}), due=None
        )


def survey_is_valid(surveyed_at: float, now: float) -> bool:
    """Whether what a survey read at ``surveyed_at`` (epoch seconds) may still be acted on."""
    return now - surveyed_at <= SURVEY_VALID_SECONDS


def _plain(status: str) -> str:
    """A status in a spelling that is the same for all services."""
    return status.casefold().replace("_", "").removeprefix("email")


_NO_MEMBER = (Status.ABSENT, Status.DELETED, Status.REMOVED, Status.CREATED)
_INVITING = frozenset({_plain(Status.INVITED), _plain(Status.VERIFYING)})
_ACCEPTED = _plain(Status.ACCEPTED_BUT_DISABLED)
_REMOVED = _plain(Status.REMOVED)

MembershipKey = tuple["AccountId", "Target"]
