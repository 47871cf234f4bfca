"""Restart Members: start monitoring members again that are disabled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.membership import Action
from functions.steps.loop import act
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.steps.wiring import Wiring


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """The loop in, the loop with the service's answers out."""
    return act(
        event,
        wiring,
        Action.RESTART,
        lambda service, loop, accounts: service.restart(loop.resource or "", accounts),
    )
