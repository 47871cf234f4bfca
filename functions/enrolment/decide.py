"""Decides the next action for a membership. Pure: facts in, one action out.

Real runs and dry runs use the same decision.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from functions.enrolment.account import Mode
from functions.enrolment.automation import BY_POLICY, Automatic
from functions.enrolment.explain import why_ended
from functions.enrolment.membership import UNSUCCESSFUL, Action, Outcome, Status, Verdict
from functions.enrolment.reason import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Timing
    from functions.enrolment.membership import Attempt, Membership
    from functions.enrolment.reason import Reason


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The facts that a decision depends on besides the membership.

    ``now`` is in epoch seconds. ``accepts`` says whether Rollcall may accept invitations through
    a member role. ``opted_in`` are the accounts that are known to have the Region enabled.
    ``recent`` are the accounts that joined the organisation lately, so that a service may be about
    to make them members by itself. ``awaited`` are, for a target that comes after another
    one (Detective after GuardDuty), the memberships there by account: those of this run, or of
    another run that is working on them.
    """

    now: float
    timing: Timing
    accepts: bool
    opted_in: frozenset[AccountId] = frozenset()
    recent: frozenset[AccountId] = frozenset()
    awaited: Mapping[AccountId, Membership] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Decision:
    """The next action; with ``STOP``, the outcome and its reason.

    With ``WAIT``, ``until`` is when an action becomes due, in epoch seconds; None if none does.
    """

    action: Action
    outcome: Outcome | None = None
    reason: Reason | None = None
    until: float | None = None


WAIT = Decision(Action.WAIT)
# How long after it joined an account counts as new. GuardDuty's user guide gives 24 hours for the
# auto-enabling of all accounts, and nothing for that of new ones.
RECENT_SECONDS = 86400
# An action is retried after this part of the status's age: an eighth if it did not succeed, half
# if it succeeded without effect.
_RETRY_DIVISOR = 8
_REPEAT_DIVISOR = 2
# How many seconds an invitation must be missing before it counts as declined or deleted.
GONE_SECONDS = 900
# GuardDuty may be, or may become, enabled in an account although its membership ended like this.
_GUARDDUTY_MAY_BE_ON = frozenset(
    {
        ReasonCode.OTHER_ADMINISTRATOR,
        ReasonCode.NOT_ENABLED,
        ReasonCode.BEING_VERIFIED,
        ReasonCode.MONITORING_OFF,
        ReasonCode.UNREADABLE,
        ReasonCode.UNKNOWN_STATUS,
    }
)

_OUTCOMES: Mapping[Status | None, Outcome] = MappingProxyType(
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

    Never acts on ``Enabled`` or ``Resigned``, never invites an account of the organisation, and
    never creates a member that a configuration policy enables or leaves out. What was skipped at
    the target that comes first is skipped at this one too. An invitation is repeated only if it is
    unknown whether it was sent and the service still reports none after the grace time. Actions
    that may yet succeed are retried until the deadline at growing intervals.
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
        outdated = _is_outdated(membership, circumstances)
        reason = why_ended(membership, awaited, healed=outdated)
        return Decision(Action.STOP, outcome, reason)
    return _act(membership, circumstances)


def deadline(membership: Membership, circumstances: Circumstances) -> float:
    """When the wait for this membership, read at least once, ends; in epoch seconds.

    The time for Detective's volume check counts from when Detective reports the volume as unknown,
    or GuardDuty's membership has its outcome; a different status in between does not end the wait.
    An account that a policy no longer enables has the time of any other from then on.
    """
    timing, last = circumstances.timing, membership.transitions[-1]
    invited = membership.mode is Mode.INVITATION
    allowed = timing.invitation_deadline if invited else timing.organization_deadline
    # A survey may have read it before the run took it.
    since = max(membership.transitions[0].at, membership.taken_at)
    automation = membership.automation
    if automation is not None and automation.kind is Automatic.POLICY:
        allowed = max(allowed, timing.policy_deadline)
    elif automation is not None and automation.freed_at is not None:
        since = automation.freed_at
    regular = since + allowed
    if not membership.was_accepted:
        return regular
    awaited = circumstances.awaited.get(membership.account_id)
    begin = awaited.settled_at if awaited is not None else last.at
    latest = regular + timing.volume_deadline
    if begin is None or membership.status is not Status.ACCEPTED_BUT_DISABLED:
        return latest
    return min(max(last.at, begin) + timing.volume_deadline, latest)


def _end(membership: Membership, circumstances: Circumstances) -> Outcome | None:
    """The outcome if the membership ends now."""
    now = circumstances.now
    invited = membership.mode is Mode.INVITATION
    awaited = circumstances.awaited.get(membership.account_id)
    if awaited is not None and awaited.outcome is Outcome.SKIPPED:
        return Outcome.SKIPPED
    match _automatic(membership):
        case Automatic.LEFT_OUT:
            return Outcome.SKIPPED
        case Automatic.NOT_DELEGATED:
            return Outcome.FAILED
    outcome = _OUTCOMES.get(membership.status)
    if outcome is not None and not _is_outdated(membership, circumstances):
        return outcome
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


def _is_outdated(membership: Membership, circumstances: Circumstances) -> bool:
    """Whether the facts contradict the status: a service may report an outdated one.

    Accounts of the organisation are enrolled only if ACTIVE, and need no e-mail verification.
    """
    if membership.status is Status.REGION_DISABLED:
        return membership.account_id in circumstances.opted_in
    inside = membership.mode is Mode.ORGANIZATION
    return inside and membership.status in (Status.ACCOUNT_SUSPENDED, Status.VERIFICATION_FAILED)


def _gives_up_at(membership: Membership, circumstances: Circumstances) -> float | None:
    """When Detective fails because GuardDuty is not enabled: after a restart that did not help.

    None if GuardDuty is or may become enabled, or if Detective was not restarted after GuardDuty's
    membership ended without success.
    """
    awaited = circumstances.awaited.get(membership.account_id)
    if awaited is None or awaited.settled_at is None or awaited.outcome not in UNSUCCESSFUL:
        return None
    if awaited.reason is not None and awaited.reason.code in _GUARDDUTY_MAY_BE_ON:
        return None
    restart = membership.attempts.get(Action.RESTART)
    if restart is None or not restart.done or restart.at < awaited.settled_at:
        return None
    return restart.ended_by + circumstances.timing.grace


def _act(membership: Membership, circumstances: Circumstances) -> Decision:
    if membership.status in membership.target.service.restarts:
        return _restart(membership, circumstances)
    if membership.mode is Mode.INVITATION:
        return _act_outside(membership, circumstances)
    decision = _act_inside(membership, circumstances)
    return _after_the_service(decision, membership, circumstances)


def _act_inside(membership: Membership, circumstances: Circumstances) -> Decision:
    """The next action for an account of the organisation."""
    match membership.status:
        case Status.ABSENT | Status.DELETED | Status.REMOVED:
            return _create(membership, circumstances)
        case Status.CREATED | Status.INVITED | Status.VERIFICATION_FAILED:
            return _create_again(membership, circumstances)
        case Status.ACCOUNT_SUSPENDED | Status.REGION_DISABLED:
            # Inferred: CreateMembers has the same effect here as for a Removed member.
            return _until_deadline(Action.CREATE, membership, circumstances)
        case _:
            return WAIT


def _after_the_service(
    decision: Decision, membership: Membership, circumstances: Circumstances
) -> Decision:
    """Creates a member only after the service had its time to do so by itself.

    Its time counts from when the run took the membership: Detective's passes while GuardDuty is
    enrolled. A configuration policy is left to the service: AWS does not document what
    CreateMembers does to an account under one.
    """
    automatic = _automatic(membership)
    if decision.action is not Action.CREATE:
        return decision
    if automatic in BY_POLICY:
        return WAIT
    if membership.tries(Action.CREATE):
        return decision
    # An account that was moved has no association for a while, too.
    expected = automatic in (Automatic.ALL, Automatic.UNASSOCIATED) or (
        automatic is Automatic.NEW and membership.account_id in circumstances.recent
    )
    due_at = membership.taken_at + circumstances.timing.auto_enable
    if expected and circumstances.now < due_at:
        return Decision(Action.WAIT, until=due_at)
    return decision


def _automatic(membership: Membership) -> Automatic | None:
    return membership.automation.kind if membership.automation else None


def _act_outside(membership: Membership, circumstances: Circumstances) -> Decision:
    """The next action for an account outside the organisation."""
    invites = membership.target.service.create_invites
    match membership.status:
        case Status.ABSENT | Status.DELETED | Status.CREATED if membership.was_invited:
            return Decision(Action.WAIT, until=membership.transitions[-1].at + GONE_SECONDS)
        case Status.ABSENT | Status.DELETED:
            return _create(membership, circumstances)
        case Status.REGION_DISABLED if not invites:
            return _until_deadline(Action.CREATE, membership, circumstances)
        case Status.REMOVED if not invites:
            return _create_and_invite(membership, circumstances)
        case Status.CREATED if not invites:
            return _repeat(Action.INVITE, membership, circumstances)
        case Status.INVITED if circumstances.accepts:
            return _repeat(Action.ACCEPT, membership, circumstances)
        case _:
            return WAIT


def _create(membership: Membership, circumstances: Circumstances) -> Decision:
    """Create, and repeat after the grace time; if creating also invites, never repeat a success."""
    return _repeat(
        Action.CREATE,
        membership,
        circumstances,
        once=membership.target.service.create_invites and membership.mode is Mode.INVITATION,
    )


def _create_again(membership: Membership, circumstances: Circumstances) -> Decision:
    """An organisation account becomes Enabled by itself; create it again after the grace time."""
    due_at = membership.transitions[-1].at + circumstances.timing.grace
    if circumstances.now < due_at:
        return Decision(Action.WAIT, until=due_at)
    return _create(membership, circumstances)


def _create_and_invite(membership: Membership, circumstances: Circumstances) -> Decision:
    """Create a disassociated member again, and invite it unless creating was sufficient.

    GuardDuty adds a former account of the organisation with CreateMembers only, and an invited
    account with InviteMembers (botocore, ``InviteMembers``); the status does not show which it was.
    """
    created = membership.attempts.get(Action.CREATE)
    if created is None or not created.count or not _may_have_succeeded(created):
        return _repeat(Action.CREATE, membership, circumstances)
    due_at = created.at + circumstances.timing.grace
    if circumstances.now < due_at:
        return Decision(Action.WAIT, until=due_at)
    return _repeat(Action.INVITE, membership, circumstances)


def _may_have_succeeded(created: Attempt) -> bool:
    """Whether creating a removed member may have succeeded: an unknown text may say so."""
    answer = created.answer
    return created.done or (answer is not None and answer.verdict is Verdict.UNKNOWN)


def _repeat(
    action: Action, membership: Membership, circumstances: Circumstances, *, once: bool = False
) -> Decision:
    """Do an action, or repeat it; with ``once``, never repeat it after it was done."""
    attempt, timing = membership.attempts.get(action), circumstances.timing
    if attempt is None:
        return Decision(action)
    if attempt.count == 0:
        return _when_due(attempt.ended_by + timing.grace, action, circumstances)
    if attempt.done:
        if once or action is Action.INVITE or attempt.count >= timing.most_attempts:
            return WAIT
        return _when_due(attempt.at + timing.grace, action, circumstances)
    return _retry(action, attempt, membership.transitions[-1].at, circumstances)


def _retry(
    action: Action, attempt: Attempt, since: float, circumstances: Circumstances
) -> Decision:
    """Retry an action that did not succeed, at growing intervals: an eighth of the time between
    ``since`` and the last attempt.
    """
    timing = circumstances.timing
    age = attempt.at - since
    interval = min(max(timing.first_wait, age / _RETRY_DIVISOR), timing.longest_slow_wait)
    if attempt.unanswered:
        interval = max(interval, timing.grace)
    return _when_due(attempt.ended_by + interval, action, circumstances)


def _when_due(due_at: float, action: Action, circumstances: Circumstances) -> Decision:
    if circumstances.now >= due_at:
        return Decision(action)
    return Decision(Action.WAIT, until=due_at)


def _restart(membership: Membership, circumstances: Circumstances) -> Decision:
    """Restart until it helps, and at once when GuardDuty's membership in the Region has ended."""
    attempt = membership.attempts.get(Action.RESTART)
    awaited = circumstances.awaited.get(membership.account_id)
    ended = awaited.settled_at if awaited is not None else None
    if attempt is not None and ended is not None and ended <= circumstances.now:
        if attempt.at < ended:
            return _when_due(attempt.ended_by, Action.RESTART, circumstances)
        if not attempt.done:
            since = max(ended, membership.transitions[-1].at)
            return _retry(Action.RESTART, attempt, since, circumstances)
        due_at = _gives_up_at(membership, circumstances)
        if due_at is not None:
            return Decision(Action.WAIT, until=due_at)
    return _until_deadline(Action.RESTART, membership, circumstances)


def _until_deadline(
    action: Action, membership: Membership, circumstances: Circumstances
) -> Decision:
    """Repeat at growing intervals until the deadline: the cause may disappear by itself."""
    attempt, since = membership.attempts.get(action), membership.transitions[-1].at
    if attempt is None:
        return Decision(action)
    if not attempt.done:
        return _retry(action, attempt, since, circumstances)
    interval = max(circumstances.timing.grace, (attempt.at - since) / _REPEAT_DIVISOR)
    return _when_due(attempt.at + interval, action, circumstances)
