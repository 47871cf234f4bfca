"""Get Members: read the batch's statuses, note transitions, decide what is next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.aws import ledger
from functions.enrolment.automation import unreadable
from functions.enrolment.documents import loop_to_json
from functions.enrolment.errors import AdministratorNotReady, Permanent, RollcallError
from functions.enrolment.explain import reason_code_of
from functions.enrolment.membership import ENABLED, Action, Status
from functions.enrolment.turn import (
    handed_over,
    held_back,
    take_refusal,
    take_turn,
    without_automation,
)
from functions.steps.loop import ACTING, read_batch, save_turn, target_keys
from functions.steps.needs import Needs, actions_of
from functions.steps.step import step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from functions.enrolment.account import AccountId
    from functions.enrolment.automation import Automation
    from functions.enrolment.documents import Loop
    from functions.enrolment.membership import Membership, Observation
    from functions.enrolment.target import Target
    from functions.enrolment.turn import Turn
    from functions.services.protocol import SecurityService
    from functions.steps.loop import Batch
    from functions.steps.wiring import Wiring

    Memberships = Mapping[AccountId, Membership]


NEEDS = Needs(
    timeout=120,
    table=(
        *ACTING,
        *actions_of(ledger.ACTIONS, "onboarding", "persist_dry_run", "plan", "persist_resource"),
    ),
    services=("observe", "automation"),
)


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """Takes the loop (at first the map's item); returns it with what is ``next``."""
    loop, now = wiring.loop(event), wiring.now()
    first = _comes_first(loop)
    accounts = [account.id for account in loop.accounts]
    batch = read_batch(loop, now, wiring, target_keys(first, accounts) if first else ())
    if not batch.open:
        return loop_to_json(replace(loop, next=Action.STOP, acting=()))
    awaited = _awaited(first, batch, wiring) if first else {}
    loop, turn = _take(loop, batch, awaited, now, wiring)
    return loop_to_json(save_turn(loop, batch, turn, now, wiring))


def _comes_first(loop: Loop) -> Target | None:
    """The target that comes before this one: Detective waits for GuardDuty in its Region."""
    if loop.waits_for is None or loop.dry_run:
        return None
    return loop.target.comes_after


def _awaited(first: Target, batch: Batch, wiring: Wiring) -> Memberships:
    """The accounts' memberships at the target that comes first, as far as they concern this run.

    A membership that the plan ended has no row, or one of an older run.
    """
    rows = {m.account_id: m for m in (batch.others or {}).values() if m.target == first}
    found = {
        m.account_id: rows[m.account_id]
        for m in batch.open
        if m.account_id in rows and _is_of_now(rows[m.account_id], m)
    }
    stuck = (m for m in batch.open if m.status is Status.ACCEPTED_BUT_DISABLED)
    if batch.onboarding is not None and any(m.account_id not in found for m in stuck):
        plan = wiring.ledger.plan(batch.onboarding)
        ended = plan.settled if plan else ()
        found = {m.account_id: m for m in ended if m.target == first} | found
    return found


def _is_of_now(row: Membership, membership: Membership) -> bool:
    if row.outcome is None or row.outcome in ENABLED:
        return True
    if row.onboarding_id == membership.onboarding_id:
        return True
    return (row.settled_at or 0) >= membership.taken_at


def _take(
    loop: Loop, batch: Batch, awaited: Memberships, now: float, wiring: Wiring
) -> tuple[Loop, Turn]:
    """The loop with the administrator's resource, and the turn.

    Nothing is read if all are held back, or if a survey's reading of all others is still valid.
    """
    held = held_back(batch.open, awaited, wiring.configuration.timing, now)
    reading = [m for m in batch.open if m.account_id not in held]
    circumstances = wiring.circumstances(loop, now, awaited)
    surveyed = handed_over(reading, now)
    seen = surveyed
    automations: Mapping[AccountId, Automation] = {}
    if reading:
        try:
            remembered = batch.resource if loop.resource is None else loop.resource
            if not surveyed:
                accounts = [m.account_id for m in reading]
                resource, seen = _observe(loop, remembered, accounts, wiring)
            elif remembered is not None:
                resource = remembered
            else:
                resource = wiring.service(loop.target).administrator_resource()
        except Permanent as error:
            since, code = loop.refused_since or now, reason_code_of(error, loop.target.region)
            timing = wiring.configuration.timing
            turn = take_refusal(batch.open, since, code, str(error), timing, now)
            return replace(loop, refused_since=since), turn
        loop = replace(loop, resource=resource, refused_since=None)
        if not surveyed:
            wanted = without_automation(batch.open, seen, circumstances)
            automations = _automations(loop, resource, wanted, wiring)
    turn = take_turn(
        batch.open,
        seen,
        circumstances=circumstances,
        automations=automations,
        held=held,
        dry_run=loop.dry_run,
    )
    return loop, turn


def _automations(
    loop: Loop, resource: str, accounts: Sequence[AccountId], wiring: Wiring
) -> Mapping[AccountId, Automation]:
    """What the service does by itself about these accounts; unknown if the call is refused."""
    if not accounts:
        return {}
    try:
        return wiring.service(loop.target).automation(resource, accounts)
    except Permanent as error:
        return dict.fromkeys(accounts, unreadable(error))


def _observe(
    loop: Loop, remembered: str | None, accounts: Sequence[AccountId], wiring: Wiring
) -> tuple[str, tuple[Observation, ...]]:
    """The administrator's resource and the reading; what is remembered of it is looked up again
    when the service refuses it, in whatever words.
    """
    service = wiring.service(loop.target)
    if remembered is not None:
        try:
            return remembered, service.observe(remembered, accounts)
        except Permanent as refusal:
            resource = _looked_up(service, refusal)
            if resource == remembered:
                raise
    else:
        resource = service.administrator_resource()
    seen = service.observe(resource, accounts)
    if resource:
        wiring.ledger.persist_resource(loop.target, resource)
    return resource, seen


def _looked_up(service: SecurityService, refusal: Permanent) -> str:
    """The administrator's resource, after a call with the remembered one was refused.

    Raises:
        Permanent: the refusal, where it cannot be looked up.
    """
    try:
        return service.administrator_resource()
    except AdministratorNotReady:
        raise
    except RollcallError as error:
        raise refusal from error
