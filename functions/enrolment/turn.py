"""One turn of a target's loop: readings in, the batch's next action and wait out. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from functions.enrolment.account import MOST_ACCOUNTS, Mode
from functions.enrolment.automation import Automatic
from functions.enrolment.decide import Circumstances, deadline, decide
from functions.enrolment.explain import explain, refused
from functions.enrolment.membership import (
    Action,
    Membership,
    Observation,
    Outcome,
    Status,
    Verdict,
)
from functions.enrolment.reason import ReasonCode
from functions.enrolment.times import duration, iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from functions.enrolment.account import AccountId
    from functions.enrolment.automation import Automation
    from functions.enrolment.configuration import Timing
    from functions.enrolment.decide import Decision
    from functions.enrolment.membership import Answer

# The batch does one kind of action per turn, in this order.
_ORDER = (Action.CREATE, Action.INVITE, Action.ACCEPT, Action.RESTART)
_SLOW = frozenset({Status.INVITED, Status.ACCEPTED_BUT_DISABLED})
# A wait beyond the longest wait is a twelfth of the status's age. For slow statuses, the longest
# wait is twelve times as long.
_WAIT_FACTOR = 12
# The wait between turns is always at least a 150th of the batch's age: about 1,100 turns in 14
# days, 1,600 in a year.
_TURNS_PER_AGE = 150


@dataclass(frozen=True, slots=True)
class Turn:
    """The memberships after a turn, and the next action for the batch.

    ``accounts`` are those that the ``next`` action applies to. ``wait_seconds`` pass before the
    next reading, counted from the end of that action, or from now if ``next`` is ``WAIT``. If the
    action achieves nothing, the next reading may wait until another action is due: for the other
    accounts, ``others_wait`` seconds.
    """

    memberships: tuple[Membership, ...]
    next: Action
    accounts: tuple[AccountId, ...] = ()
    wait_seconds: int = 0
    others_wait: int = 0


def is_slow(membership: Membership) -> bool:
    """Whether only people or the service's slow work can change the status."""
    return membership.awaits_policy or membership.status in _SLOW


def take_turn(
    memberships: Sequence[Membership],
    observations: Iterable[Observation],
    *,
    circumstances: Circumstances,
    automations: Mapping[AccountId, Automation] | None = None,
    held: frozenset[AccountId] = frozenset(),
    dry_run: bool = False,
) -> Turn:
    """The turn after a reading: records transitions, settles memberships, sets the next action.

    ``automations`` are what was read of the service's own doing. Accounts that are ``held`` were
    not read and do not change.
    """
    seen = {o.account_id: o for o in observations}
    after: list[Membership] = []
    decisions: list[tuple[Membership, Decision]] = []
    for membership in memberships:
        if membership.outcome is not None or membership.account_id in held:
            after.append(membership)
            continue
        if membership.account_id in seen:
            membership = membership.seen(seen[membership.account_id], circumstances.now)
        if automations and membership.account_id in automations:
            found = automations[membership.account_id]
            membership = membership.told(found, circumstances.now)
        decision = decide(membership, circumstances)
        membership = _decided(membership, decision, circumstances.now, dry_run=dry_run)
        after.append(membership)
        if membership.outcome is None:
            decisions.append((membership, decision))
    waits = [_hold_wait(m, circumstances) for m in memberships if m.account_id in held]
    deadlines = [deadline(membership, circumstances) for membership, _ in decisions]
    rest = min(deadlines, default=math.inf) - circumstances.now + 1
    least = min(_least_wait(memberships, circumstances.now), rest)
    for action in _ORDER:
        accounts = tuple(m.account_id for m, decision in decisions if decision.action is action)
        if accounts:
            others = [_wait(m, d, circumstances) for m, d in decisions if d.action is not action]
            wait = max(least, min([circumstances.timing.first_wait, *waits]))
            others_wait = min([max(least, min([*waits, *others], default=math.inf)), rest])
            return Turn(
                _only_due(after, action), action, accounts, _seconds(wait), _seconds(others_wait)
            )
    waits += [_wait(membership, decision, circumstances) for membership, decision in decisions]
    if not waits:
        return Turn(tuple(after), Action.STOP)
    wait = min(max(least, min(waits)), rest)
    return Turn(tuple(after), Action.WAIT, wait_seconds=_seconds(wait))


def handed_over(memberships: Iterable[Membership], now: float) -> tuple[Observation, ...]:
    """What a survey read of the memberships; nothing unless it may be acted on for all of them.

    What the service does by itself was read then, too.
    """
    found = tuple(memberships)
    if not all(membership.is_surveyed(now) for membership in found):
        return ()
    return tuple(
        Observation(m.account_id, m.status or Status.UNKNOWN, m.raw, m.detail) for m in found
    )


def without_automation(
    memberships: Iterable[Membership],
    observations: Iterable[Observation],
    circumstances: Circumstances,
) -> tuple[AccountId, ...]:
    """The accounts for which the service's automation is to be read after these readings.

    For accounts of the organisation that are not Enabled: once, at every turn while it may change,
    and before the member is created, because the setting may be another one by then.
    """
    seen = {o.account_id: o for o in observations if o.status is not Status.ENABLED}

    def is_wanted(membership: Membership) -> bool:
        if membership.automation is None or membership.automation.may_change:
            return True
        read = membership.seen(seen[membership.account_id], circumstances.now)
        return decide(read, circumstances).action is Action.CREATE

    return tuple(
        m.account_id
        for m in memberships
        if m.account_id in seen and m.mode is Mode.ORGANIZATION and is_wanted(m)
    )


def take_refusal(
    memberships: Sequence[Membership],
    since: float,
    code: ReasonCode,
    said: str,
    timing: Timing,
    now: float,
) -> Turn:
    """The turn after a refused reading; all readings have been refused since ``since``.

    A batch that was never read fails at once: permission or set-up has always been missing. A batch
    that was read before waits for ``timing.refusal``, because permissions may be restored.
    """
    left = since + timing.refusal - now
    if left <= 0 or all(membership.status is None for membership in memberships):
        if now > since:
            said += f" (so since {iso(since, 'seconds')}, for {duration(now - since)})"
        return Turn(fail(memberships, code, said, now), Action.STOP)
    wait = max(timing.first_wait, (now - since) / _WAIT_FACTOR, _least_wait(memberships, now))
    return Turn(tuple(memberships), Action.WAIT, wait_seconds=_seconds(min(wait, left)))


# The time limit of the state machine; an execution may last for a year.
LONGEST_RUN_DAYS = 364


def longest_run(timing: Timing) -> int:
    """The most seconds that a run can take: the volume check may begin after the other waits.

    An account that a policy no longer enables has ``organization_deadline`` after that.
    """
    inside = max(timing.organization_deadline, timing.policy_deadline)
    longest = max(inside + timing.organization_deadline, timing.invitation_deadline)
    return timing.visibility + timing.hold + longest + timing.volume_deadline


def most_turns(timing: Timing) -> int:
    """The most turns that a batch can take until the longest deadline."""
    longest, slows_down_at = longest_run(timing), _TURNS_PER_AGE * timing.first_wait
    while_young = min(longest, slows_down_at) / timing.first_wait
    later = _TURNS_PER_AGE * math.log(max(1, longest / slows_down_at))
    return math.ceil(while_young + later) + MOST_ACCOUNTS  # plus one for each account's deadline


def begin(memberships: Iterable[Membership], action: Action, now: float) -> tuple[Membership, ...]:
    """The memberships with the action due, as begun; they must be recorded before the call."""
    return tuple(
        membership.begun(action, now)
        for membership in memberships
        if membership.due is action and membership.outcome is None
    )


def take_answers(
    begun: Iterable[Membership],
    action: Action,
    answers: Mapping[AccountId, Answer],
    before: Mapping[AccountId, Membership],
    now: float,
) -> tuple[Membership, ...]:
    """The memberships after an action: records answers and settles permanent failures.

    Without an answer, no call was made for the account: its membership is as ``before``, still due.
    """
    after = []
    for membership in begun:
        answer = answers.get(membership.account_id)
        if answer is None:
            known = before[membership.account_id]
            after.append(replace(membership, attempts=known.attempts, due=known.due))
            continue
        membership = membership.answered(action, answer, now)
        if answer.verdict is Verdict.PERMANENT:
            membership = membership.settled(Outcome.FAILED, refused(membership, answer), now)
        elif answer.verdict is Verdict.OUT_OF_REACH:
            membership = membership.settled(Outcome.SKIPPED, refused(membership, answer), now)
        after.append(membership)
    return tuple(after)


def wait_after(
    answered: Iterable[Membership],
    action: Action,
    wait_seconds: int,
    others_wait: int,
    circumstances: Circumstances,
) -> int:
    """The wait after an action of these memberships.

    It is longer if no attempt can have had an effect, because a reading would show no change.
    """
    left = [membership for membership in answered if membership.outcome is None]
    attempts = [m.attempts[action] for m in left if action in m.attempts]
    may_help = any(each.done or each.unanswered for each in attempts)
    if may_help or not left:
        return wait_seconds
    decisions = [(membership, decide(membership, circumstances)) for membership in left]
    waits = [
        _wait(membership, decision, circumstances)
        for membership, decision in decisions
        if decision.action is Action.WAIT
    ]
    if len(waits) < len(decisions):
        return wait_seconds
    return max(wait_seconds, min([others_wait, *map(_seconds, waits)]))


def fail(
    memberships: Iterable[Membership], code: ReasonCode, said: str, now: float
) -> tuple[Membership, ...]:
    """The memberships without an outcome, failed for one reason."""
    return tuple(
        membership.settled(Outcome.FAILED, explain(code, membership, said), now)
        for membership in memberships
        if membership.outcome is None
    )


def held_back(
    memberships: Iterable[Membership],
    awaited: Mapping[AccountId, Membership],
    timing: Timing,
    now: float,
) -> frozenset[AccountId]:
    """The accounts that are held back while the service that comes first is enrolled for them.

    ``awaited`` are their memberships at that service. An account is held until that membership has
    its outcome, for at most ``timing.hold`` seconds.
    """
    return frozenset(
        membership.account_id
        for membership in memberships
        if membership.outcome is None
        and now < membership.taken_at + timing.hold
        and membership.account_id in awaited
        and awaited[membership.account_id].outcome is None
    )


def _decided(
    membership: Membership, decision: Decision, now: float, *, dry_run: bool
) -> Membership:
    if decision.outcome is not None:
        return membership.settled(decision.outcome, decision.reason, now)
    if dry_run:
        return _skipped_in_dry_run(membership, decision.action, now)
    due = None if decision.action is Action.WAIT else decision.action
    return replace(membership, due=due)


def _only_due(memberships: Iterable[Membership], action: Action) -> tuple[Membership, ...]:
    """Clear all other due actions: they are decided again after the next reading."""
    return tuple(
        membership if membership.due in (None, action) else replace(membership, due=None)
        for membership in memberships
    )


def _skipped_in_dry_run(membership: Membership, action: Action, now: float) -> Membership:
    said = f"{action} (now {membership.raw}{_by_itself(membership)})"
    reason = explain(ReasonCode.DRY_RUN, membership, said)
    return membership.settled(Outcome.SKIPPED, reason, now)


def _by_itself(membership: Membership) -> str:
    automation = membership.automation
    if automation is None or automation.kind is Automatic.NONE:
        return ""
    return f"; {automation.said}"


def _least_wait(memberships: Iterable[Membership], now: float) -> float:
    return (now - min(m.taken_at for m in memberships)) / _TURNS_PER_AGE


def _seconds(wait: float) -> int:
    return max(1, math.ceil(wait))


def _wait(membership: Membership, decision: Decision, circumstances: Circumstances) -> float:
    """The wait grows with the age of the status; it ends earlier if an action becomes due."""
    now, timing = circumstances.now, circumstances.timing
    if decision.action is not Action.WAIT:
        return timing.first_wait
    age = now - membership.transitions[-1].at
    slow = is_slow(membership) and not _waits_for_another(membership, circumstances)
    longest = timing.longest_wait * (_WAIT_FACTOR if slow else 1)
    wait = min(age, max(longest, age / _WAIT_FACTOR), timing.longest_slow_wait)
    wait = max(timing.first_wait, wait)
    return wait if decision.until is None else min(wait, decision.until - now)


def _waits_for_another(membership: Membership, circumstances: Circumstances) -> bool:
    """Whether the wait ends when GuardDuty's membership has its outcome."""
    awaited = circumstances.awaited.get(membership.account_id)
    return awaited is not None and awaited.outcome is None


def _hold_wait(membership: Membership, circumstances: Circumstances) -> float:
    now, timing = circumstances.now, circumstances.timing
    age, rest = now - membership.taken_at, membership.taken_at + timing.hold - now
    return min(max(timing.first_wait, age), timing.longest_wait, rest)
