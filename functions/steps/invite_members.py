"""Invite Members: send invitations to created members outside the organisation."""

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
        Action.INVITE,
        lambda service, loop, accounts: service.invite(loop.resource or "", accounts),
    )
