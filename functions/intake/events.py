"""Events that say an account has come, by ``detail.eventName``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.account import AccountId, is_account_id
from functions.enrolment.errors import InvalidInput
from functions.enrolment.request import OnboardingRequest, RequestedAccount

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def read_event(event: Mapping[str, Any]) -> OnboardingRequest:
    """Read an EventBridge event.

    Raises:
        InvalidInput: the event is not one that brings an account; no id is ever guessed.
    """
    name = _at(event, "detail.eventName")
    reader = _READERS.get(name) if isinstance(name, str) else None
    if reader is None:
        raise InvalidInput("detail.eventName", f"takes one of {', '.join(_READERS)}")
    return OnboardingRequest(
        accounts=(RequestedAccount(reader(event)),), source=str(name), automatic=True
    )


def _create_account_result(event: Mapping[str, Any]) -> AccountId:
    """The id of a created account (Organizations user guide, "CreateAccountResult")."""
    status = "detail.serviceEventDetails.createAccountStatus"
    if _at(event, f"{status}.state") != "SUCCEEDED":
        raise InvalidInput(f"{status}.state", "takes SUCCEEDED")
    return _account_id(event, f"{status}.accountId")


_READERS: dict[str, Callable[[Mapping[str, Any]], AccountId]] = {
    "CreateAccountResult": _create_account_result
}


def _account_id(event: Mapping[str, Any], path: str) -> AccountId:
    value = _at(event, path)
    if not is_account_id(value):
        raise InvalidInput(path, "takes an account id: a string of 12 digits")
    return AccountId(str(value))


def _at(event: Mapping[str, Any], path: str) -> object:
    """What stands at a dotted path; None where there is nothing."""
    value: object = event
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value
