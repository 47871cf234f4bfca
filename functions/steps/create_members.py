"""Create Members: make accounts members of the target. Detective invites with the same call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.membership import Action
from functions.steps.loop import ACTING, act
from functions.steps.needs import Needs
from functions.steps.step import step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from functions.enrolment.account import AccountId
    from functions.enrolment.documents import Loop
    from functions.enrolment.membership import Answer
    from functions.services.protocol import SecurityService
    from functions.steps.wiring import Wiring


NEEDS = Needs(timeout=300, table=ACTING, services=("create",))


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """Takes the loop; returns it with the service's answers recorded."""
    return act(event, wiring, Action.CREATE, _create)


def _create(
    service: SecurityService, loop: Loop, accounts: Sequence[AccountId]
) -> Mapping[AccountId, Answer]:
    emails = loop.emails
    return service.create(loop.resource or "", {a: emails[a] for a in accounts})
