"""Invite Members: send invitations to created members outside the organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.membership import Action
from functions.steps.loop import ACTING, act
from functions.steps.needs import Needs
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.steps.wiring import Wiring


NEEDS = Needs(timeout=300, table=ACTING, services=("invite",))


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """Takes the loop; returns it with the service's answers recorded."""
    return act(
        event,
        wiring,
        Action.INVITE,
        lambda service, loop, accounts: service.invite(loop.resource or "", accounts),
    )
