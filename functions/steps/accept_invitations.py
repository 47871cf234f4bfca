"""Accept Invitations: accept this administrator's invitations through the member role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.aws import sessions
from functions.enrolment.errors import CredentialsRefused, RollcallError
from functions.enrolment.membership import Action, Answer, Verdict
from functions.enrolment.reason import ReasonCode
from functions.enrolment.regions import is_opt_in
from functions.steps.loop import ACTING, act
from functions.steps.needs import Needs, actions_of
from functions.steps.step import step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from functions.enrolment.account import AccountId
    from functions.enrolment.target import Target
    from functions.steps.wiring import Wiring

# Seconds in which accounts are begun. The one begun last calls STS and at most seven times as the
# member (aws.calls.MEMBER_CONFIG): each call takes two tries of 15 s and up to 6 s between them,
# all eight 288 s. What hangs is over after 528 of the 600 s that the step has; the rest is for the
# table.
BEGINNING = 240

NEEDS = Needs(
    timeout=600,
    table=ACTING,
    member_role=actions_of(sessions.ACTIONS, "as_member"),
)


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """Takes the loop; returns it with the answers recorded."""
    until = wiring.now() + BEGINNING
    return act(
        event,
        wiring,
        Action.ACCEPT,
        lambda _, loop, accounts: _accept_each(accounts, loop.target, wiring, until),
    )


def _accept_each(
    accounts: Iterable[AccountId], target: Target, wiring: Wiring, until: float
) -> dict[AccountId, Answer]:
    """The answers so far; an account not begun in time has none, and its action stays due."""
    given: dict[AccountId, Answer] = {}
    for account in accounts:
        if wiring.now() >= until:
            break
        given[account] = _accept(account, target, wiring)
    return given


def _accept(account_id: AccountId, target: Target, wiring: Wiring) -> Answer:
    """One account's answer. Only another administrator is permanent: the owner can fix the rest."""
    try:
        answer = wiring.invitee(target, account_id).accept(wiring.settings.administrator_id)
    except CredentialsRefused as error:
        if not is_opt_in(target.region):
            return Answer(Verdict.RETRY, str(error))
        text = f"the account may not have opted in to {target.region}: {error}"
        return Answer(Verdict.RETRY, text)
    except RollcallError as error:
        return Answer(Verdict.RETRY, str(error))
    if answer.verdict in (Verdict.TAKEN, Verdict.BENIGN):
        return answer
    if answer.verdict is Verdict.PERMANENT and answer.code is ReasonCode.OTHER_ADMINISTRATOR:
        return answer
    return Answer(Verdict.RETRY, answer.text)
