"""An EventBridge event becomes a request when it is one of the ARRIVALS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.document import one_of
from functions.enrolment.errors import InvalidInput
from functions.enrolment.request import OnboardingRequest, RequestedAccount
from functions.enrolment.scope import an_account_id
from functions.intake.arrivals import ARRIVALS, CLOUDTRAIL
from functions.intake.pattern import at, hold_to

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Configuration
    from functions.intake.arrivals import Arrival

_TRAILED = {name: arrival for name, arrival in ARRIVALS.items() if arrival.event_source}
_NATIVE = {name: arrival for name, arrival in ARRIVALS.items() if not arrival.event_source}
# By detail-type; those of CloudTrail leave it to the event's name.
_KINDS: dict[str, Arrival | None] = {**dict.fromkeys(CLOUDTRAIL), **_NATIVE}


def read_event(
    event: Mapping[str, Any],
    configuration: Configuration,
    management_account: AccountId | None = None,
) -> OnboardingRequest:
    """Read an EventBridge event.

    Where ``management_account`` is given, events of Organizations and Control Tower must come
    from it.

    Raises:
        InvalidInput: the event is not one that brings an account; no id is ever guessed.
    """
    arrival = _arrival(event)
    if arrival.moves and not configuration.scope.looks_at_paths:
        raise InvalidInput("scope", f"takes {arrival.name} only where it goes by paths")
    hold_to(arrival.pattern, event)
    account_id = arrival.account(event)
    if arrival.event_source is not None:
        _hold_to_management(event, account_id, management_account)
    regions = None
    if arrival.region is not None:
        configured = {region: region for region in configuration.regions}
        regions = (one_of(configured)(at(event, arrival.region), arrival.region),)
    return OnboardingRequest(
        accounts=(RequestedAccount(account_id),),
        source=arrival.name,
        automatic=True,
        regions=regions,
    )


def _arrival(event: Mapping[str, Any]) -> Arrival:
    native = one_of(_KINDS)(event.get("detail-type"), "detail-type")
    return native or one_of(_TRAILED)(at(event, "detail.eventName"), "detail.eventName")


def _hold_to_management(
    event: Mapping[str, Any], account_id: AccountId, management_account: AccountId | None
) -> None:
    """Organizations and Control Tower write to the management account, and about another one.

    A new organisation's own management account "joins" it, too.
    """
    writer = an_account_id(event.get("account"), "account")
    if management_account is not None and writer != management_account:
        raise InvalidInput("account", f"takes {management_account}, the management account")
    if account_id in (writer, at(event, "detail.recipientAccountId")):
        raise InvalidInput("account", "takes another account than the one the event is about")
