"""One turn of a target's loop: readings in, the next action for the batch out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.decide import Circumstances, deadline, decide
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
from functions.enrolment.target import ServiceName, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from functions.enrolment.configuration import Timing
    from functions.enrolment.membership import Observation

# The batch does one kind of action a turn; those that make members come first.
_ORDER = (Action.CREATE, Action.INVITE, Action.ACCEPT, Action.RESTART)


@dataclass(frozen=True, slots=True)
class Loop:
    """The state of a target's loop: all that its steps hand on.

    ``resource`` is the administrator's detector id or behavior graph ARN, once found.
    ``holding_since`` is when it began to wait for another service, in epoch seconds.
    ``quiet_turns`` counts readings without change. ``accounts`` are those the ``next`` action
    concerns.
    """

    onboarding_id: str
    target: Target
    memberships: tuple[Membership, ...]
    dry_run: bool = False
    waits_for: ServiceName | None = None
    resource: str | None = None
    holding_since: float | None = None
    quiet_turns: int = 0
    next: Action = Action.WAIT
    accounts: tuple[AccountId, ...] = ()
    wait_seconds: int = 0

    @property
    def open(self) -> tuple[Membership, ...]:
        """The memberships without an outcome yet."""
        return tuple(m for m in self.memberships if m.outcome is None)

    def with_memberships(self, changed: Iterable[Membership]) -> Loop:
        """This loop with some memberships replaced, by account."""
        by_account = {m.account_id: m for m in changed}
        kept = tuple(by_account.get(m.account_id, m) for m in self.memberships)
        return replace(self, memberships=kept)

    def fail(self, reason: str, now: float) -> Loop:
        """This loop with every open membership failed for one reason."""
        failed = (m.settled(Outcome.FAILED, reason, now) for m in self.open)
        return replace(self.with_memberships(failed), next=Action.STOP, accounts=())


def take_turn(
    loop: Loop,
    observations: Iterable[Observation],
    now: float,
    *,
    circumstances: Circumstances,
    held: frozenset[AccountId] = frozenset(),
) -> Loop:
    """The loop after a reading: transitions noted, ended memberships settled, next action set.

    Accounts that are ``held`` have not been read and are left as they are.
    """
    seen = {o.account_id: o for o in observations}
    read = tuple(
        m.seen(seen[m.account_id], now) if m.outcome is None and m.account_id in seen else m
        for m in loop.memberships
    )
    changed = any(
        after.transitions != before.transitions
        for before, after in zip(loop.memberships, read, strict=True)
    )
    wanted: dict[Action, list[AccountId]] = {}
    memberships = []
    for membership in read:
        if membership.account_id in held:
            memberships.append(membership)
            continue
        decision = decide(membership, circumstances)
        if decision.outcome is not None and membership.outcome is None:
            membership = membership.settled(decision.outcome, decision.reason, now)
        elif loop.dry_run and membership.outcome is None:
            membership = _not_done(membership, decision.action, now)
        if membership.outcome is None:
            wanted.setdefault(decision.action, []).append(membership.account_id)
        memberships.append(membership)
    after = replace(
        loop,
        memberships=tuple(memberships),
        quiet_turns=0 if changed else loop.quiet_turns + 1,
    )
    for action in _ORDER:
        if action in wanted:
            return replace(
                after,
                next=action,
                accounts=tuple(wanted[action]),
                quiet_turns=0,
                wait_seconds=circumstances.timing.first_wait,
            )
    if not after.open:
        return replace(after, next=Action.STOP, accounts=(), wait_seconds=0)
    return replace(after, next=Action.WAIT, accounts=(), wait_seconds=_wait(after, circumstances))


def take_answers(
    loop: Loop, action: Action, answers: Mapping[AccountId, Answer], now: float
) -> Loop:
    """The loop after an action: attempts remembered, what will not work settled."""
    changed = []
    for membership in loop.open:
        answer = answers.get(membership.account_id)
        if answer is None:
            continue
        tried = membership.tried(action, answer, now)
        if answer.verdict is Verdict.PERMANENT:
            tried = tried.settled(Outcome.FAILED, answer.text, now)
        elif answer.verdict is Verdict.OUT_OF_REACH:
            tried = tried.settled(Outcome.SKIPPED, answer.text, now)
        changed.append(tried)
    return loop.with_memberships(changed)


def hold(
    loop: Loop, *, settled: Callable[[AccountId], bool], timing: Timing, now: float
) -> tuple[Loop, frozenset[AccountId]]:
    """The loop, and the accounts held back because the service it waits for is at work on them.

    An account is held until its other membership is ``settled`` or ``timing.hold`` is over; then
    ``waits_for`` is None. Where all are held, ``next`` is ``WAIT`` and nothing needs to be read.
    """
    since = loop.holding_since if loop.holding_since is not None else now
    held = frozenset(m.account_id for m in loop.open if not settled(m.account_id))
    if not held or now >= since + timing.hold:
        return replace(loop, waits_for=None, holding_since=None), frozenset()
    waiting = replace(loop, holding_since=since, next=Action.WAIT, accounts=())
    if len(held) < len(loop.open):
        return waiting, held
    wait = _backoff(loop, timing.first_wait, timing.longest_wait)
    rest = max(1, round(since + timing.hold - now))
    return (
        replace(waiting, quiet_turns=loop.quiet_turns + 1, wait_seconds=min(wait, rest)),
        held,
    )


def _not_done(membership: Membership, action: Action, now: float) -> Membership:
    if action is Action.WAIT:
        reason = f"dry run: would wait while {membership.raw}"
    else:
        reason = f"dry run: would {action} (now {membership.raw})"
    return membership.settled(Outcome.SKIPPED, reason, now)


def _wait(loop: Loop, circumstances: Circumstances) -> int:
    """Doubles while nothing changes, up to a cap, and never beyond the next deadline."""
    timing = circumstances.timing
    slow = all(m.status in (Status.INVITED, Status.ACCEPTED_BUT_DISABLED) for m in loop.open)
    cap = timing.longest_slow_wait if slow else timing.longest_wait
    backoff = _backoff(loop, timing.first_wait, cap)
    deadlines = [deadline(m, circumstances) for m in loop.open if m.status is not None]
    nearest = min(deadlines, default=circumstances.now + cap) - circumstances.now
    return max(1, min(backoff, int(nearest) + 1))


def _backoff(loop: Loop, first: int, longest: int) -> int:
    """Doubles with every quiet turn."""
    return min(first << min(loop.quiet_turns, 20), longest)


def loop_to_json(loop: Loop) -> dict[str, Any]:
    """The loop as the state machine carries it."""
    return {
        "onboarding_id": loop.onboarding_id,
        "target": {"service": str(loop.target.service), "region": loop.target.region},
        "memberships": [_membership_to_json(m) for m in loop.memberships],
        "dry_run": loop.dry_run,
        "waits_for": loop.waits_for,
        "resource": loop.resource,
        "holding_since": loop.holding_since,
        "quiet_turns": loop.quiet_turns,
        "next": str(loop.next),
        "accounts": list(loop.accounts),
        "wait_seconds": loop.wait_seconds,
    }


def loop_from_json(document: Mapping[str, Any]) -> Loop:
    """The loop back from what :func:`loop_to_json` made."""
    target = document["target"]
    return Loop(
        onboarding_id=document["onboarding_id"],
        target=Target(ServiceName(target["service"]), target["region"]),
        memberships=tuple(_membership_from_json(m) for m in document["memberships"]),
        dry_run=document["dry_run"],
        waits_for=ServiceName(document["waits_for"]) if document["waits_for"] else None,
        resource=document["resource"],
        holding_since=document["holding_since"],
        quiet_turns=document["quiet_turns"],
        next=Action(document["next"]),
        accounts=tuple(AccountId(account) for account in document["accounts"]),
        wait_seconds=document["wait_seconds"],
    )


def _membership_to_json(membership: Membership) -> dict[str, Any]:
    return {
        "account_id": membership.account_id,
        "mode": str(membership.mode),
        "email": membership.email,
        "status": membership.status,
        "raw": membership.raw,
        "detail": membership.detail,
        "transitions": [[t.status, t.at] for t in membership.transitions],
        "attempts": {
            str(action): [a.count, a.at, str(a.answer.verdict), a.answer.text]
            for action, a in membership.attempts.items()
        },
        "outcome": membership.outcome,
        "reason": membership.reason,
        "settled_at": membership.settled_at,
    }


def _membership_from_json(document: Mapping[str, Any]) -> Membership:
    return Membership(
        account_id=AccountId(document["account_id"]),
        mode=Mode(document["mode"]),
        email=document["email"],
        status=Status(document["status"]) if document["status"] else None,
        raw=document["raw"],
        detail=document["detail"],
        transitions=tuple(Transition(status, at) for status, at in document["transitions"]),
        attempts={
            Action(action): Attempt(count, at, Answer(Verdict(verdict), text))
            for action, (count, at, verdict, text) in document["attempts"].items()
        },
        outcome=Outcome(document["outcome"]) if document["outcome"] else None,
        reason=document["reason"],
        settled_at=document["settled_at"],
    )
