"""Get Members: read the batch's statuses, note transitions, decide what is next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import Permanent
from functions.enrolment.target import Target
from functions.enrolment.turn import hold, take_turn
from functions.steps.loop import keep, read_loop
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.enrolment.account import AccountId
    from functions.enrolment.membership import Observation
    from functions.enrolment.turn import Loop
    from functions.steps.wiring import Wiring


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """The loop (at first the map's item) in, the loop with its ``next`` action out."""
    loop = read_loop(event)
    now = wiring.now()
    held_back, held = _hold(loop, now, wiring)
    return keep(loop, _read(held_back, held, now, wiring), now, wiring)


def _hold(loop: Loop, now: float, wiring: Wiring) -> tuple[Loop, frozenset[AccountId]]:
    """Detective waits for GuardDuty's memberships here, without a call to Detective."""
    if loop.waits_for is None or loop.dry_run:
        return replace(loop, waits_for=None), frozenset()
    awaited = Target(loop.waits_for, loop.target.region)
    records = wiring.ledger.memberships_at(awaited, [m.account_id for m in loop.open])
    settled = {
        record.account_id
        for record in records
        if record.onboarding_id == loop.onboarding_id and record.outcome is not None
    }
    timing = wiring.configuration.timing
    return hold(loop, settled=settled.__contains__, timing=timing, now=now)


def _read(loop: Loop, held: frozenset[AccountId], now: float, wiring: Wiring) -> Loop:
    accounts = [m.account_id for m in loop.open if m.account_id not in held]
    if held and not accounts:
        return loop
    circumstances = wiring.circumstances(loop.target, now)
    seen: tuple[Observation, ...] = ()
    resource = loop.resource
    if accounts:
        service = wiring.service(loop.target)
        try:
            if resource is None:
                resource = service.administrator_resource()
            seen = service.observe(resource, accounts)
        except Permanent as error:
            return loop.fail(str(error), now)
    read = replace(loop, resource=resource)
    return take_turn(read, seen, now, circumstances=circumstances, held=held)
