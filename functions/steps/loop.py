"""What the steps of a target's loop share: how it begins, is kept, and acts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.errors import Permanent, ServiceRefused
from functions.enrolment.membership import Action, Answer, Membership, Outcome, Verdict
from functions.enrolment.target import ServiceName, Target
from functions.enrolment.turn import Loop, loop_from_json, loop_to_json, take_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from functions.aws.ledger import Lease
    from functions.services.protocol import SecurityService
    from functions.steps.wiring import Wiring

# How long after its last sign of life an onboarding's claims still hold.
LEASE_SECONDS = 900


def read_loop(document: Mapping[str, Any]) -> Loop:
    """The loop from the state machine's document; from the map's item at the first turn."""
    if "memberships" in document:
        return loop_from_json(document)
    target = document["target"]
    return Loop(
        onboarding_id=document["onboarding_id"],
        target=Target(ServiceName(target["service"]), target["region"]),
        memberships=tuple(
            Membership(AccountId(account["id"]), Mode(account["mode"]), account["email"])
            for account in document["accounts"]
            if account["id"] not in target["left_out"]
        ),
        dry_run=document["dry_run"],
        waits_for=ServiceName(target["waits_for"]) if target["waits_for"] else None,
    )


def keep(before: Loop, after: Loop, now: float, wiring: Wiring) -> dict[str, Any]:
    """Keep the onboarding's claims alive, record what changed, hand the loop on."""
    ledger = wiring.ledger
    lost: frozenset[AccountId] = frozenset()
    if after.open and not after.dry_run:
        lease = ledger.extend_lease(after.onboarding_id, now + after.wait_seconds + LEASE_SECONDS)
        after, lost = _give_up(after, lease, now), lease.lost
    known = {m.account_id: m for m in before.memberships}
    changed = [m for m in after.memberships if m != known[m.account_id]]
    if changed:
        ledger.record(
            after.onboarding_id,
            after.target,
            changed,
            now,
            apart=lambda account_id: after.dry_run or account_id in lost,
        )
    return loop_to_json(after)


def _give_up(loop: Loop, lease: Lease, now: float) -> Loop:
    """Let go of what this onboarding holds no longer; whoever took it over goes on from there."""
    if lease.until is None:
        return loop.fail("the onboarding was closed before this membership had an outcome", now)
    lost = [m for m in loop.open if m.account_id in lease.lost]
    if not lost:
        return loop
    reason = "another onboarding has taken the account over"
    kept = loop.with_memberships(m.settled(Outcome.SKIPPED, reason, now) for m in lost)
    left = tuple(account for account in kept.accounts if account not in lease.lost)
    if not kept.open:
        return replace(kept, next=Action.STOP, accounts=())
    return replace(kept, next=kept.next if left else Action.WAIT, accounts=left)


def act(
    document: Mapping[str, Any],
    wiring: Wiring,
    action: Action,
    call: Callable[[SecurityService, Loop, Sequence[AccountId]], Mapping[AccountId, Answer]],
) -> dict[str, Any]:
    """Do one action for the accounts the loop names and remember what the service answered."""
    loop = read_loop(document)
    service = wiring.service(loop.target)
    answers = _each_answer(loop.accounts, lambda accounts: call(service, loop, accounts))
    now = wiring.now()
    return keep(loop, take_answers(loop, action, answers, now), now, wiring)


def _each_answer(
    accounts: Sequence[AccountId],
    call: Callable[[Sequence[AccountId]], Mapping[AccountId, Answer]],
) -> dict[AccountId, Answer]:
    """One call for all; where the service refuses it, one for each, so that no account suffers
    for another."""
    try:
        return dict(call(accounts))
    except ServiceRefused as refusal:
        if len(accounts) == 1:
            return {accounts[0]: Answer(Verdict.PERMANENT, str(refusal))}
        return {k: v for account in accounts for k, v in _each_answer([account], call).items()}
    except Permanent as error:
        return dict.fromkeys(accounts, Answer(Verdict.PERMANENT, str(error)))
