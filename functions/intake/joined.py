"""Reads the account's id from an AccountJoinedOrganization event.

Inferred: AWS documents the event's name, ``joinedMethod`` and ``joinedTime`` (API reference of
Organizations, CreateAccount and AcceptHandshake), but not in which fields these and the id are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.enrolment.errors import InvalidInput
from functions.enrolment.scope import an_account_id
from functions.intake.pattern import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from functions.enrolment.account import AccountId

_CONTAINERS = (
    "serviceEventDetails",
    "requestParameters",
    "responseElements",
    "additionalEventData",
)
_IDS = frozenset({"accountid", "memberaccountid", "joinedaccountid"})
_METHODS = frozenset({"joinedmethod", "joinmethod"})
_ACCOUNTS = frozenset({"account", "memberaccount", "joinedaccount"})
_OTHERS = ("management", "master", "payer")


def joined_account(event: object) -> AccountId:
    """The id of the account that joined; all containers with an id must have the same one.

    ``joinedMethod`` is only checked for contradictions: every method is accepted.

    Raises:
        InvalidInput: no id is given, one is malformed, or the event contradicts itself.
    """
    given = [
        (key, value, f"detail.{container}")
        for container in _CONTAINERS
        for key, value in _facts(at(event, f"detail.{container}"))
    ]
    ids = [an_account_id(value, f"{path}.accountId") for key, value, path in given if key in _IDS]
    if not ids:
        raise InvalidInput(
            "detail.serviceEventDetails.accountId", "is required: the account that joined"
        )
    if len(set(ids)) > 1:
        raise InvalidInput("detail", "takes the id of one account; several are given")
    methods = {
        value.casefold() for key, value, _ in given if key in _METHODS and isinstance(value, str)
    }
    if len(methods) > 1:
        raise InvalidInput("detail", "takes one joinedMethod; several are given")
    return ids[0]


def _facts(container: object) -> Iterator[tuple[str, object]]:
    """A container's fields, and those of its objects that are not about another account."""
    for key, value in _fields(container):
        yield key, value
        if not key.startswith(_OTHERS) and key != "organization":
            for inner, fact in _fields(value):
                yield "accountid" if inner == "id" and key in _ACCOUNTS else inner, fact


def _fields(value: object) -> Iterator[tuple[str, object]]:
    """An object's fields that are not null, with names in lower case without separators."""
    for key, item in value.items() if isinstance(value, dict) else ():
        if item is not None:
            yield str(key).casefold().replace("_", "").replace("-", ""), item
