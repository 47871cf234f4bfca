"""What to do next for a membership. Pure: facts in, one action out.

The same decision serves a real run, a dry run and every later question of the kind "why".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from functions.enrolment.account import Mode
from functions.enrolment.explain import waiting_for
from functions.enrolment.membership import ENABLED, Action, Outcome, Status, Verdict
from functions.enrolment.reason import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Timing
    from functions.enrolment.membership import Attempt, Membership
    from functions.enrolment.reason import Reason
    from functions.enrolment.target import Traits


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a decision rests on besides the membership.

    ``now`` is in epoch seconds. ``accepts`` says whether Rollcall may accept invitations through
    a member role. ``opted_in`` are the accounts that are known to have the Region enabled.
    ``awaited`` are GuardDuty's memberships in the Region, by account, where Detective comes after
    it: of this run, or of another that is at work on them.
    """

    now: float
    timing: Timing
    traits: Traits
    accepts: bool
    opted_in: frozenset[AccountId] = frozenset()
    awaited: Mapping[AccountId, Membership] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Decision:
    """The next action; with ``STOP``, the outcome and its reason.

    ``until`` is when an action falls due that is waited for with ``WAIT``, in epoch seconds.
    """

    action: Action
    outcome: Outcome | None = None
    reason: Reason | None = None
    until: float | None = None


WAIT = Decision(Action.WAIT)
_PACE = 8
_SLOW_PACE = 2
# Seconds for which an invitation has to be gone before it counts as declined or deleted.
GONE_SECONDS = 900
# GuardDuty may be on in the account, or come yet, though its membership ended so.
_GUARDDUTY_MAY_COME = frozenset(
    {
        ReasonCode.OTHER_ADMINISTRATOR,
        ReasonCode.NOT_ENABLED,
        ReasonCode.BEING_VERIFIED,
        ReasonCode.MONITORING_OFF,
        ReasonCode.UNREADABLE,
        ReasonCode.UNKNOWN_STATUS,
    }
)

_ENDS: Mapping[Status, Outcome] = MappingProxyType(
    {
        Status.RESIGNED: Outcome.FAILED,
        Status.VERIFICATION_FAILED: Outcome.FAILED,
        Status.ACCOUNT_SUSPENDED: Outcome.FAILED,
        Status.REGION_DISABLED: Outcome.FAILED,
        Status.MANAGEMENT_NOT_ENABLED: Outcome.SKIPPED,
    }
)


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
    outcome = _end(membership, circumstances)
    if outcome is not None:
        awaited = circumstances.awaited.get(membership.account_id)
        healed = _has_healed(membership, circumstances)
        reason = waiting_for(membership, circumstances.now, awaited, healed=healed)
        return Decision(Action.STOP, outcome, reason)
    return _act(membership, circumstances)


def deadline(membership: Membership, circumstances: Circumstances) -> float:
    """When waiting for this membership, read at least once, ends; in epoch seconds.

    What Detective does not know is waited for from when it says so, or GuardDuty is Enabled; a
    reading in between that says otherwise does not end that.
    """
    timing, last = circumstances.timing, membership.transitions[-1]
    invited = membership.mode is Mode.INVITATION
    allowed = timing.invitation_deadline if invited else timing.organization_deadline
    in_time = membership.transitions[0].at + allowed
    if not membership.was_accepted:
        return in_time
    awaited = circumstances.awaited.get(membership.account_id)
    known = awaited.settled_at if awaited is not None else last.at
    in_any_case = in_time + timing.volume_deadline
    if known is None or membership.status is not Status.ACCEPTED_BUT_DISABLED:
        return in_any_case
    return min(max(last.at, known) + timing.volume_deadline, in_any_case)


def _end(membership: Membership, circumstances: Circumstances) -> Outcome | None:
    """How the membership ends now, if it does."""
    now = circumstances.now
    invited = membership.mode is Mode.INVITATION
    ends = _ENDS.get(membership.status) if membership.status else None
    if ends is not None and not _has_healed(membership, circumstances):
        return ends
    if membership.status is Status.ACCEPTED_BUT_DISABLED:
        if membership.detail == "VOLUME_TOO_HIGH":
            return Outcome.FAILED
        due_at = _gives_up_at(membership, circumstances)
        if due_at is not None and now >= due_at:
            return Outcome.FAILED
    gone = membership.status in (Status.ABSENT, Status.DELETED, Status.CREATED)
    gone_for = now - membership.transitions[-1].at
    if invited and gone and membership.was_invited and gone_for >= GONE_SECONDS:
        return Outcome.FAILED
    return Outcome.TIMED_OUT if now >= deadline(membership, circumstances) else None


def _has_healed(membership: Membership, circumstances: Circumstances) -> bool:
    """Whether the facts say otherwise than the service: it may say what once was.

    An account of the organisation that is not ACTIVE is never enrolled, and needs no address.
    """
    match membership.status:
        case Status.ACCOUNT_SUSPENDED | Status.VERIFICATION_FAILED:
            return membership.mode is Mode.ORGANIZATION
        case Status.REGION_DISABLED:
            return membership.account_id in circumstances.opted_in
        case _:
            return False


def _gives_up_at(membership: Membership, circumstances: Circumstances) -> float | None:
    """When Detective is given up because GuardDuty did not come: after a restart that did not help.
    None where GuardDuty may come yet, or has come, or Detective was not restarted since.
    """
    awaited = circumstances.awaited.get(membership.account_id)
    if awaited is None or awaited.outcome is None or awaited.outcome in ENABLED:
        return None
    if awaited.reason is not None and awaited.reason.code in _GUARDDUTY_MAY_COME:
        return None
    restart = membership.attempts.get(Action.RESTART)
    if restart is None or not restart.done or restart.at < (awaited.settled_at or 0):
        return None
    return restart.over_at + circumstances.timing.grace


def _act(membership: Membership, circumstances: Circumstances) -> Decision:
    if membership.status in circumstances.traits.restarts:
        return _restart(membership, circumstances)
    if membership.mode is Mode.INVITATION:
        return _act_outside(membership, circumstances)
    match membership.status:
        case Status.ABSENT | Status.DELETED | Status.REMOVED:
            return _create(membership, circumstances)
        case Status.CREATED | Status.INVITED | Status.VERIFICATION_FAILED:
            return _create_again(membership, circumstances)
        case Status.ACCOUNT_SUSPENDED | Status.REGION_DISABLED:
            # Inferred: what CreateMembers does for a Removed member it does here.
            return _until_it_helps(Action.CREATE, membership, circumstances)
        case _:
            return WAIT


def _act_outside(membership: Membership, circumstances: Circumstances) -> Decision:
    """What to do for an account outside the organisation."""
    invites = circumstances.traits.create_invites
    match membership.status:
        case Status.ABSENT | Status.DELETED | Status.CREATED if membership.was_invited:
            return Decision(Action.WAIT, until=membership.transitions[-1].at + GONE_SECONDS)
        case Status.ABSENT | Status.DELETED:
            return _create(membership, circumstances)
        case Status.REGION_DISABLED if not invites:
            return _until_it_helps(Action.CREATE, membership, circumstances)
        case Status.REMOVED if not invites:
            return _create_and_invite(membership, circumstances)
        case Status.CREATED if not invites:
            return _repeat(Action.INVITE, membership, circumstances)
        case Status.INVITED if circumstances.accepts:
            return _repeat(Action.ACCEPT, membership, circumstances)
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
    due_at = membership.transitions[-1].at + circumstances.timing.grace
    if circumstances.now < due_at:
        return Decision(Action.WAIT, until=due_at)
    return _create(membership, circumstances)


def _create_and_invite(membership: Membership, circumstances: Circumstances) -> Decision:
    """A member that was disassociated: created again, and invited unless that already helped.

    GuardDuty takes a former account of the organisation by CreateMembers only, and an invited one
    by InviteMembers (botocore, ``InviteMembers``); which it was is not to be seen.
    """
    created = membership.attempts.get(Action.CREATE)
    if created is None or not created.count or not _may_be_all(created):
        return _repeat(Action.CREATE, membership, circumstances)
    due_at = created.at + circumstances.timing.grace
    if circumstances.now < due_at:
        return Decision(Action.WAIT, until=due_at)
    return _repeat(Action.INVITE, membership, circumstances)


def _may_be_all(created: Attempt) -> bool:
    """Whether creating a removed member may have done what it can: unknown words may say so."""
    answer = created.answer
    return created.done or (answer is not None and answer.verdict is Verdict.UNKNOWN)


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
    action: Action,
    attempt: Attempt,
    membership: Membership,
    circumstances: Circumstances,
    since: float = 0,
) -> Decision:
    """What did not succeed, further and further apart: after an eighth of the time that it could
    have, which is the status's age or begins with ``since``.
    """
    timing = circumstances.timing
    age = attempt.at - max(membership.transitions[-1].at, since)
    distance = min(max(timing.first_wait, age / _PACE), timing.longest_slow_wait)
    if attempt.unanswered:
        distance = max(distance, timing.grace)
    return _from(attempt.over_at + distance, action, circumstances)


def _from(due_at: float, action: Action, circumstances: Circumstances) -> Decision:
    if circumstances.now >= due_at:
        return Decision(action)
    return Decision(Action.WAIT, until=due_at)


def _restart(membership: Membership, circumstances: Circumstances) -> Decision:
    """Until it helps, and at once when GuardDuty's membership there has ended."""
    attempt = membership.attempts.get(Action.RESTART)
    awaited = circumstances.awaited.get(membership.account_id)
    ended = awaited.settled_at if awaited is not None else None
    if attempt is not None and ended is not None and ended <= circumstances.now:
        if attempt.at < ended:
            return _from(attempt.over_at, Action.RESTART, circumstances)
        if not attempt.done:
            return _again(Action.RESTART, attempt, membership, circumstances, since=ended)
        due_at = _gives_up_at(membership, circumstances)
        if due_at is not None:
            return Decision(Action.WAIT, until=due_at)
    return _until_it_helps(Action.RESTART, membership, circumstances)


def _until_it_helps(
    action: Action, membership: Membership, circumstances: Circumstances
) -> Decision:
    """Soon, then further and further apart until the deadline: what blocks it heals by itself."""
    attempt = membership.attempts.get(action)
    if attempt is None:
        return Decision(action)
    if not attempt.done:
        return _again(action, attempt, membership, circumstances)
    age = attempt.at - membership.transitions[-1].at
    distance = max(circumstances.timing.grace, age / _SLOW_PACE)
    return _from(attempt.at + distance, action, circumstances)
