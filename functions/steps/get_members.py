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
    from functions.enrolment.turn import Loop
    from functions.steps.wiring import Wiring


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """The loop (at first the map's item) in, the loop with its ``next`` action out."""
    loop = read_loop(event)
    now = wiring.now()
    return keep(loop, _read(_held(loop, now, wiring), now, wiring), now, wiring)


def _held(loop: Loop, now: float, wiring: Wiring) -> Loop:
    """Detective waits for GuardDuty's memberships here, without a call to Detective."""
    if loop.waits_for is None or loop.dry_run:
        return replace(loop, waits_for=None)
    awaited = Target(loop.waits_for, loop.target.region)
    records = wiring.ledger.memberships_at(awaited, [m.account_id for m in loop.open])
    settled = {
        record.account_id
        for record in records
        if record.onboarding_id == loop.onboarding_id and record.outcome is not None
    }
    timing = wiring.configuration.timing
    return hold(loop, settled=settled.__contains__, timing=timing, now=now)


def _read(loop: Loop, now: float, wiring: Wiring) -> Loop:
    if loop.waits_for is not None:
        return loop
    since = now if loop.since is None else loop.since
    circumstances = wiring.circumstances(loop.target, now, since)
    if not loop.open:
        return take_turn(loop, (), now, circumstances=circumstances)
    service = wiring.service(loop.target)
    try:
        resource = loop.resource if loop.resource is not None else service.administrator_resource()
        seen = service.observe(resource, [m.account_id for m in loop.open])
    except Permanent as error:
        return loop.fail(str(error), now)
    return take_turn(
        replace(loop, resource=resource, since=since), seen, now, circumstances=circumstances
    )
