"""Reads a request from an EventBridge event if it is one of the ARRIVALS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.document import one_of
from functions.enrolment.errors import InvalidInput
from functions.enrolment.request import OnboardingRequest, RequestedAccount
from functions.enrolment.scope import an_account_id
from functions.intake.arrivals import ARRIVALS
from functions.intake.pattern import at, require_match

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Configuration
    from functions.intake.arrivals import Arrival

_BY_EVENT_NAME = {name: arrival for name, arrival in ARRIVALS.items() if arrival.event_source}
_BY_DETAIL_TYPE = {name: arrival for name, arrival in ARRIVALS.items() if not arrival.event_source}


def read_event(event: Mapping[str, Any], configuration: Configuration) -> OnboardingRequest:
    """Read an EventBridge event.

    Raises:
        InvalidInput: the event matches no arrival or has no valid account id; none is guessed.
    """
    arrival = _arrival(event)
    if arrival.moves and not configuration.scope.uses_paths:
        raise InvalidInput("scope", f"takes {arrival.name} only where it goes by paths")
    require_match(arrival.pattern, event)
    account_id = arrival.account(event)
    reported_by = an_account_id(event.get("account"), "account")
    if not arrival.by_caller:
        _refuse_about_itself(event, reported_by, account_id)
    regions = None
    if arrival.region is not None:
        configured = {region: region for region in configuration.regions}
        regions = (one_of(configured)(at(event, arrival.region), arrival.region),)
    return OnboardingRequest(
        accounts=(RequestedAccount(account_id),),
        source=arrival.name,
        automatic=True,
        regions=regions,
        reported_by=reported_by,
    )


def _arrival(event: Mapping[str, Any]) -> Arrival:
    detail_type = event.get("detail-type")
    native = _BY_DETAIL_TYPE.get(detail_type) if isinstance(detail_type, str) else None
    return native or one_of(_BY_EVENT_NAME)(at(event, "detail.eventName"), "detail.eventName")


def require_publisher(
    request: OnboardingRequest,
    management: AccountId | None,
    administrator: AccountId | None = None,
) -> None:
    """Refuse an event from an account whose events start no runs.

    These are the management account's, and the administrator's where AWS publishes an event in the
    account that makes the call. Without an organisation, ``management`` is None and there is
    nothing to compare with: no event starts a run then.

    Raises:
        InvalidInput: it comes from another account.
    """
    if management is None or request.reported_by is None:
        return
    if request.reported_by == management:
        return
    takes = f"takes {management}, the management account"
    if not ARRIVALS[request.source].by_caller:
        raise InvalidInput("account", takes)
    if request.reported_by != administrator:
        either = f", or {administrator}, the administrator" if administrator else ""
        raise InvalidInput("account", f"{takes}{either}")


def _refuse_about_itself(
    event: Mapping[str, Any], publisher: AccountId, account_id: AccountId
) -> None:
    """The management account of a new organisation "joins" it, too."""
    if account_id in (publisher, at(event, "detail.recipientAccountId")):
        raise InvalidInput("account", "takes another account than the one the event is about")
