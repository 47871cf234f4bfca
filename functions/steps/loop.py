"""What the steps of a target's loop share: they start from the table, note what they begin before
they do it, and write only what is still their run's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from functions.aws import ledger
from functions.enrolment.documents import REPORT, Loop, loop_to_json
from functions.enrolment.errors import Conflict, Permanent, Retryable, ServiceRefused
from functions.enrolment.explain import reason_code_of
from functions.enrolment.membership import STEP_SECONDS, Action, Answer, Membership, Verdict
from functions.enrolment.ownership import LEASE_SECONDS
from functions.enrolment.turn import begin, is_slow, take_answers, wait_after
from functions.services.answers import read_error
from functions.steps.needs import actions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from functions.enrolment.account import AccountId
    from functions.enrolment.membership import MembershipKey
    from functions.enrolment.records import OnboardingRecord
    from functions.enrolment.target import Target
    from functions.enrolment.turn import Turn
    from functions.services.protocol import SecurityService
    from functions.services.record import ServiceRecord
    from functions.steps.wiring import Wiring

# The calls of the table for an action.
ACTING = actions_of(ledger.ACTIONS, "read_with_onboarding", "extend_lease", "record")


@dataclass(frozen=True, slots=True)
class Batch:
    """This run's memberships at a target, as the table has them.

    ``others`` are the memberships that were read beside them; ``resource`` is what an earlier run
    found of the administrator, where this one has not. Where the run is closed, or there is
    no record of it, it owns nothing.
    """

    onboarding: OnboardingRecord | None
    memberships: tuple[Membership, ...] = ()
    others: Mapping[MembershipKey, Membership] | None = None
    resource: str | None = None

    @property
    def open(self) -> tuple[Membership, ...]:
        """The memberships without an outcome yet."""
        return tuple(m for m in self.memberships if m.outcome is None)


def read_batch(
    loop: Loop, now: float, wiring: Wiring, beside: Iterable[MembershipKey] = ()
) -> Batch:
    """The batch as the table has it; ``beside`` are further memberships to read with it.

    A membership without a row gets a new one.
    """
    fresh = [
        Membership(account.id, loop.target, account.mode, loop.onboarding_id, taken_at=now)
        for account in loop.accounts
    ]
    if loop.dry_run:
        return Batch(wiring.ledger.onboarding(loop.onboarding_id), tuple(fresh))
    keys = [membership.key for membership in fresh]
    place = loop.target if loop.resource is None else None
    known = wiring.ledger.read_with_onboarding(loop.onboarding_id, [*keys, *beside], place)
    onboarding, rows = known.onboarding, known.rows
    if onboarding is None or onboarding.closed_at is not None:
        return Batch(onboarding)
    own = [
        rows.get(membership.key, membership)
        for membership in fresh
        if membership.key not in rows
        or rows[membership.key].belongs_to(onboarding.id, onboarding.started_at)
    ]
    return Batch(onboarding, tuple(own), rows, known.resource)


def save_turn(loop: Loop, batch: Batch, turn: Turn, now: float, wiring: Wiring) -> Loop:
    """Persist a turn; returns the loop with what is next for the memberships still owned."""
    if loop.dry_run:
        wiring.ledger.persist_dry_run(turn.memberships, now)
        return replace(loop, next=Action.STOP, acting=())
    still_open = [m for m in turn.memberships if m.outcome is None]
    if still_open and not _keep_lease(batch, now, turn.wait_seconds, wiring):
        return replace(loop, next=Action.STOP, acting=())
    before = {m.key: m for m in batch.memberships}
    changed = [m for m in turn.memberships if m != before[m.key] or not m.revision]
    lost = record(loop, batch, changed, now, wiring).lost
    own = [m for m in still_open if m.key not in lost]
    acting = tuple(a for a in turn.accounts if (a, loop.target) not in lost)
    following: str = turn.next if acting or turn.next is Action.STOP else Action.WAIT
    if not own:
        following = Action.STOP
    elif _is_to_report(loop, batch, own, following, now, wiring):
        following = REPORT
        loop = replace(loop, reported_at=now)
    return replace(
        loop,
        next=following,
        acting=acting,
        wait_seconds=turn.wait_seconds,
        others_wait=turn.others_wait,
    )


def act(
    document: Mapping[str, Any],
    wiring: Wiring,
    action: Action,
    call: Callable[[SecurityService, Loop, Sequence[AccountId]], Mapping[AccountId, Answer]],
) -> dict[str, Any]:
    """Do one action for the accounts for which it is due, and record the service's answers.

    That it is begun is noted before the call. A step that was cut short finds it begun, not due,
    and leaves it to the next reading to say whether it took effect.
    """
    loop, now = wiring.loop(document), wiring.now()
    batch = read_batch(_only(loop, loop.acting), now, wiring)
    due = begin(batch.open, action, now)
    if due and _keep_lease(batch, now, 0, wiring):
        begun = record(loop, batch, due, now, wiring).written
        before = {m.account_id: m for m in batch.open}
        service = wiring.service(loop.target)
        # A step may end before it reaches all of them: those with the fewest tries come first.
        fewest_first = sorted(begun, key=lambda membership: membership.tries(action))
        accounts = [membership.account_id for membership in fewest_first]
        answers = _each_answer(
            accounts,
            lambda some: call(service, loop, some),
            wiring.record(loop.target),
            loop.target.region,
        )
        now = wiring.now()
        answered = take_answers(begun, action, answers, before, now)
        record(loop, batch, answered, now, wiring)
        # What comes after a restart depends on the memberships that are waited for, too.
        if action is not Action.RESTART or loop.waits_for is None:
            circumstances = wiring.circumstances(loop, now)
            wait = wait_after(answered, action, loop.wait_seconds, loop.others_wait, circumstances)
            if wait > loop.wait_seconds:
                _keep_lease(batch, now, wait, wiring)
            loop = replace(loop, wait_seconds=wait)
    return loop_to_json(replace(loop, next=Action.WAIT, acting=()))


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was written, as it is in the table now, and what is another run's now."""

    written: tuple[Membership, ...]
    lost: frozenset[MembershipKey]


def record(
    loop: Loop, batch: Batch, memberships: Iterable[Membership], now: float, wiring: Wiring
) -> Recorded:
    """Write the memberships that this run still owns.

    Raises:
        Conflict: another attempt of this very step has gone on meanwhile: start from the table.
    """
    written, lost = wiring.ledger.record(memberships, now)
    started_at = batch.onboarding.started_at if batch.onboarding else now
    for membership in lost.values():
        if membership is not None and membership.belongs_to(loop.onboarding_id, started_at):
            raise Conflict(f"{membership.account_id} was written by another step of this run")
    return Recorded(tuple(written.values()), frozenset(lost))


def _keep_lease(batch: Batch, now: float, wait: float, wiring: Wiring) -> bool:
    """Extend the run's lease past the wait and one step; False once the run is closed."""
    onboarding = batch.onboarding
    if onboarding is None:
        return False
    if onboarding.lease_until >= now + wait + STEP_SECONDS:
        return True
    return wiring.ledger.extend_lease(onboarding.id, now + wait + LEASE_SECONDS)


def _is_to_report(
    loop: Loop,
    batch: Batch,
    own: Sequence[Membership],
    following: str,
    now: float,
    wiring: Wiring,
) -> bool:
    """Whether the target has been waiting for people or slow checks only, for a while.

    An action that is due comes after it, at the next turn; so that it is not put off each time,
    there is twice the time between such reports.
    """
    onboarding = batch.onboarding
    if not loop.reports or onboarding is None or "interim" in onboarding.published:
        return False
    if any(not is_slow(membership) for membership in own):
        return False
    began = min(membership.taken_at for membership in own)
    lasts = now - max(membership.transitions[-1].at for membership in own)
    put_off = following is not Action.WAIT and now - began < 2 * (loop.reported_at - began)
    return lasts >= wiring.configuration.timing.longest_wait and not put_off


def _only(loop: Loop, accounts: Iterable[AccountId]) -> Loop:
    wanted = frozenset(accounts)
    return replace(loop, accounts=tuple(a for a in loop.accounts if a.id in wanted))


def _each_answer(
    accounts: Sequence[AccountId],
    call: Callable[[Sequence[AccountId]], Mapping[AccountId, Answer]],
    record: ServiceRecord,
    region: str,
) -> dict[AccountId, Answer]:
    """One call for all; where the service refuses it, one for each, so that no account suffers
    for another. After a call that was not answered no other is made.
    """
    if not accounts:
        return {}
    given: dict[AccountId, Answer] = {}
    try:
        return dict(call(accounts))
    except ServiceRefused as refusal:
        if len(accounts) == 1:
            return {accounts[0]: _of_one(refusal, record, region)}
    except Permanent as error:
        return dict.fromkeys(accounts, _refusal(error, region))
    except Retryable as error:
        return dict.fromkeys(accounts, Answer(Verdict.UNANSWERED, str(error)))
    for account in accounts:
        given |= _each_answer([account], call, record, region)
        if given[account].verdict is Verdict.UNANSWERED:
            break
    return given


def _of_one(refusal: ServiceRefused, record: ServiceRecord, region: str) -> Answer:
    """What a refused call about one account means: by its text, else permanent."""
    answer = read_error(record, refusal)
    return _refusal(refusal, region) if answer.verdict is Verdict.UNKNOWN else answer


def _refusal(error: Permanent, region: str) -> Answer:
    return Answer(Verdict.PERMANENT, str(error), reason_code_of(error, region))


def target_keys(target: Target, accounts: Iterable[AccountId]) -> list[MembershipKey]:
    """The keys of several accounts' memberships at one target."""
    return [(account, target) for account in accounts]
