"""Get Members: read the batch's statuses, note transitions, decide what is next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.enrolment.documents import loop_from_json, loop_to_json
from functions.enrolment.errors import Permanent
from functions.enrolment.membership import Action
from functions.enrolment.target import Target
from functions.enrolment.turn import held_back, take_refusal, take_turn
from functions.steps.loop import read_batch, save_turn, target_keys
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.enrolment.account import AccountId
    from functions.enrolment.documents import Loop
    from functions.enrolment.membership import Observation
    from functions.enrolment.turn import Turn
    from functions.steps.loop import Batch
    from functions.steps.wiring import Wiring


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """The loop (at first the map's item) in, the loop with what is ``next`` out."""
    loop, now = loop_from_json(event), wiring.now()
    awaited = _awaited(loop)
    accounts = [account.id for account in loop.accounts]
    beside = target_keys(awaited, accounts) if awaited else ()
    batch = read_batch(loop, now, wiring, beside)
    if not batch.open:
        return loop_to_json(replace(loop, next=Action.STOP, acting=()))
    held = _held(batch, awaited, now, wiring)
    loop, turn = _take(loop, batch, held, now, wiring)
    return loop_to_json(save_turn(loop, batch, turn, now, wiring))


def _awaited(loop: Loop) -> Target | None:
    """The target that comes before this one: Detective waits for GuardDuty in its Region."""
    if loop.waits_for is None or loop.dry_run:
        return None
    return Target(loop.waits_for, loop.target.region)


def _held(batch: Batch, awaited: Target | None, now: float, wiring: Wiring) -> frozenset[AccountId]:
    others = (batch.others or {}).values() if awaited else ()
    before = {m.account_id: m for m in others if m.target == awaited}
    return held_back(batch.open, before, wiring.configuration.timing, now)


def _take(
    loop: Loop, batch: Batch, held: frozenset[AccountId], now: float, wiring: Wiring
) -> tuple[Loop, Turn]:
    """The loop with the administrator's resource, and the turn; no call where all are held."""
    accounts = [m.account_id for m in batch.open if m.account_id not in held]
    seen: tuple[Observation, ...] = ()
    if accounts:
        service = wiring.service(loop.target)
        try:
            if loop.resource is None:
                loop = replace(loop, resource=service.administrator_resource())
            seen = service.observe(loop.resource or "", accounts)
        except Permanent as error:
            since = loop.refused_since or now
            turn = take_refusal(batch.open, since, str(error), wiring.configuration.timing, now)
            return replace(loop, refused_since=since), turn
        loop = replace(loop, refused_since=None)
    circumstances = wiring.circumstances(loop.target, now)
    turn = take_turn(batch.open, seen, circumstances=circumstances, held=held, dry_run=loop.dry_run)
    return loop, turn
