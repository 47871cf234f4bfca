"""Accept Invitations: accept this administrator's invitations through the member role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import RollcallError
from functions.enrolment.membership import Action, Answer, Verdict
from functions.steps.loop import act
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.enrolment.account import AccountId
    from functions.enrolment.target import Target
    from functions.steps.wiring import Wiring


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """The loop in, the loop with the answers out."""
    return act(
        event,
        wiring,
        Action.ACCEPT,
        lambda _, loop, accounts: {
            account: _accept(account, loop.target, wiring) for account in accounts
        },
    )


def _accept(account_id: AccountId, target: Target, wiring: Wiring) -> Answer:
    """No failure ends the membership: the account's owner may still accept."""
    try:
        answer = wiring.invitee(target, account_id).accept(wiring.settings.administrator_id)
    except RollcallError as error:
        return Answer(Verdict.RETRY, str(error))
    refused = answer.verdict not in (Verdict.TAKEN, Verdict.BENIGN)
    return Answer(Verdict.RETRY, answer.text) if refused else answer
