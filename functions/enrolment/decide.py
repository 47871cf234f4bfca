"""What to do next for a membership. Pure: facts in, one action out.

The same decision serves a real run, a dry run and every later question of the kind "why".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.enrolment.account import Mode
from functions.enrolment.membership import Action, Outcome, Status

if TYPE_CHECKING:
    from functions.enrolment.configuration import Timing
    from functions.enrolment.membership import Attempt, Membership
    from functions.enrolment.target import Traits


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a decision rests on besides the membership.

    ``now`` is in epoch seconds. ``accepts`` says whether Rollcall may accept invitations through
    a member role.
    """

    now: float
    timing: Timing
    traits: Traits
    accepts: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """The next action; with ``STOP``, the outcome and its reason.

    ``until`` is when an action falls due that is waited for with ``WAIT``, in epoch seconds.
    """

    action: Action
    outcome: Outcome | None = None
    reason: str | None = None
    until: float | None = None


WAIT = Decision(Action.WAIT)
_PACE = 10
_RESTART_PACE = 2

_HOPELESS: dict[Status, tuple[Outcome, str]] = {
    Status.RESIGNED: (
        Outcome.FAILED,
        "the member account left by itself; Rollcall does not override that: delete the member and"
        " start again once its owner agrees",
    ),
    Status.VERIFICATION_FAILED: (
        Outcome.FAILED,
        "the e-mail address given is not the one of the account's root user: delete the member and"
        " start again with the right address",
    ),
    Status.ACCOUNT_SUSPENDED: (Outcome.FAILED, "the service says the account is suspended"),
    Status.REGION_DISABLED: (
        Outcome.FAILED,
        "the service says the Region is disabled for the account: opt the account in",
    ),
    Status.MANAGEMENT_NOT_ENABLED: (
        Outcome.SKIPPED,
        "the management account must enable the service itself before it can be a member",
    ),
}


def decide(membership: Membership, circumstances: Circumstances) -> Decision:
    """The next action for a membership that has been read at least once.

    Never acts on ``Enabled`` or ``Resigned`` and never invites an account of the organisation. An
    invitation is sent again only where it is not known whether it was sent and the service still
    says, after the grace time, that there is none. What may heal is tried again until the deadline,
    further and further apart.
    """
    if membership.outcome is not None:
        return Decision(Action.STOP, membership.outcome, membership.reason)
    if membership.status is Status.ENABLED:
        acted = any(attempt.count for attempt in membership.attempts.values())
        untouched = not acted and membership.transition_count <= 1
        return Decision(Action.STOP, Outcome.ALREADY_ENABLED if untouched else Outcome.ENABLED)
    if membership.status in _HOPELESS:
        return Decision(Action.STOP, *_HOPELESS[membership.status])
    if membership.status is Status.ACCEPTED_BUT_DISABLED and _too_high(membership):
        return Decision(
            Action.STOP,
            Outcome.FAILED,
            "the account's data volume is too high for the behavior graph (VOLUME_TOO_HIGH)",
        )
    if circumstances.now >= deadline(membership, circumstances):
        return Decision(Action.STOP, Outcome.TIMED_OUT, _why_late(membership, circumstances))
    return _act(membership, circumstances)


def deadline(membership: Membership, circumstances: Circumstances) -> float:
    """When waiting for this membership, read at least once, ends; in epoch seconds."""
    return membership.transitions[0].at + _allowed(membership, circumstances.timing)


def _allowed(membership: Membership, timing: Timing) -> int:
    """How long this membership may take, in seconds."""
    allowed = (
        timing.organization_deadline
        if membership.mode is Mode.ORGANIZATION
        else timing.invitation_deadline
    )
    if membership.status is Status.ACCEPTED_BUT_DISABLED:
        allowed = max(allowed, timing.volume_deadline)
    return allowed


def _act(membership: Membership, circumstances: Circumstances) -> Decision:
    traits = circumstances.traits
    invited = membership.mode is Mode.INVITATION
    match membership.status:
        case Status.ABSENT | Status.DELETED:
            return _create(membership, circumstances)
        case Status.REMOVED if not invited:
            return _create(membership, circumstances)
        case Status.REMOVED if traits.reinvites_removed:
            return _repeat(Action.INVITE, membership, circumstances)
        case Status.REMOVED:
            return Decision(
                Action.STOP,
                Outcome.FAILED,
                "the administrator disassociated the account: delete the member and start again",
            )
        case Status.CREATED | Status.INVITED if not invited:
            return _create_again(membership, circumstances)
        case Status.CREATED if not traits.create_invites:
            return _repeat(Action.INVITE, membership, circumstances)
        case Status.INVITED if circumstances.accepts:
            return _repeat(Action.ACCEPT, membership, circumstances)
        case status if status in traits.restarts:
            return _restart(membership, circumstances)
        case _:
            return WAIT


def _create(membership: Membership, circumstances: Circumstances) -> Decision:
    """Create, again after the grace time; where creating invites, never again once taken."""
    return _repeat(
        Action.CREATE,
        membership,
        circumstances,
        once=circumstances.traits.create_invites and membership.mode is Mode.INVITATION,
    )


def _create_again(membership: Membership, circumstances: Circumstances) -> Decision:
    """An organisation account enables itself; one that somebody left half-way is created again."""
    patience = membership.transitions[-1].at + circumstances.timing.grace
    if circumstances.now < patience:
        return Decision(Action.WAIT, until=patience)
    return _create(membership, circumstances)


def _repeat(
    action: Action, membership: Membership, circumstances: Circumstances, *, once: bool = False
) -> Decision:
    """An action for the first time, or again; ``once``: never again after it was done."""
    attempt, timing = membership.attempts.get(action), circumstances.timing
    if attempt is None:
        return Decision(action)
    if attempt.count == 0:
        return _from(attempt.over_at + timing.grace, action, circumstances)
    if attempt.done:
        if once or action is Action.INVITE or attempt.count >= timing.most_attempts:
            return WAIT
        return _from(attempt.at + timing.grace, action, circumstances)
    return _again(action, attempt, membership, circumstances)


def _again(
    action: Action, attempt: Attempt, membership: Membership, circumstances: Circumstances
) -> Decision:
    """What did not succeed, further and further apart: after a tenth of the status's age."""
    timing = circumstances.timing
    age = attempt.at - membership.transitions[-1].at
    distance = min(max(timing.first_wait, age / _PACE), timing.longest_slow_wait)
    if attempt.unanswered:
        distance = max(distance, timing.grace)
    return _from(attempt.over_at + distance, action, circumstances)


def _from(due_at: float, action: Action, circumstances: Circumstances) -> Decision:
    if circumstances.now >= due_at:
        return Decision(action)
    return Decision(Action.WAIT, until=due_at)


def _restart(membership: Membership, circumstances: Circumstances) -> Decision:
    """Soon, then further and further apart until the deadline: what blocks it heals by itself."""
    attempt = membership.attempts.get(Action.RESTART)
    if attempt is None:
        return Decision(Action.RESTART)
    if not attempt.done:
        return _again(Action.RESTART, attempt, membership, circumstances)
    age = attempt.at - membership.transitions[-1].at
    distance = max(circumstances.timing.grace, age / _RESTART_PACE)
    return _from(attempt.at + distance, Action.RESTART, circumstances)


def _too_high(membership: Membership) -> bool:
    return membership.detail == "VOLUME_TOO_HIGH"


def _why_late(membership: Membership, circumstances: Circumstances) -> str:
    waited = duration(_allowed(membership, circumstances.timing))
    status = membership.raw + (f" ({membership.detail})" if membership.detail else "")
    answers = [
        f"; {action}: {attempt.answer.text}"
        for action, attempt in membership.attempts.items()
        if attempt.count and attempt.answer is not None and attempt.answer.text
    ]
    hint = "; nobody accepted the invitation" if membership.status is Status.INVITED else ""
    return f"still {status} after {waited}{hint}{''.join(answers)}"


def duration(seconds: float) -> str:
    """A duration for people: the largest two units of it, for example ``1 h 5 min``."""
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    rest = max(0, round(seconds))
    parts: list[str] = []
    for size, unit in units:
        count, rest = divmod(rest, size)
        if count and len(parts) < 2:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"
