"""Findings, and reading what they rest on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from functions.aws.calls import error_class, redacted_line
from functions.enrolment.errors import AccessDenied
from infra.cli.failures import FAILURES, denied_action

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

T = TypeVar("T")
_OPERATION = re.compile(r"(?:[A-Z][A-Za-z]* )+?([A-Z][a-z]+[A-Z][A-Za-z]+): ")


class Level(StrEnum):
    """How grave a finding is: ``WARN`` can be intended, or was not checked; ``FAIL`` cannot."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. ``check`` names it, for programs; ``reason`` is one line.

    ``command`` is one that mends it, "" if there is none, and ``account`` the account whose
    credentials it takes, "" for those of the deployment.
    """

    check: str
    level: Level
    reason: str
    command: str = ""
    account: str = ""


def ok(check: str, reason: str) -> Finding:
    """A finding that needs nothing."""
    return Finding(check, Level.OK, reason)


def warn(check: str, reason: str, command: str = "", account: str = "") -> Finding:
    """A finding that may be intended."""
    return Finding(check, Level.WARN, reason, command, account)


def fail(check: str, reason: str, command: str = "", account: str = "") -> Finding:
    """A finding without whose mending accounts are not enrolled."""
    return Finding(check, Level.FAIL, reason, command, account)


@dataclass(frozen=True, slots=True)
class Unread:
    """What could not be read. ``action`` is the call's IAM action; ``said`` is one line."""

    action: str
    said: str
    denied: bool = True


def ask(action: str, call: Callable[[], T]) -> T | Unread:
    """The answer of a call; ``action`` is its IAM action."""
    try:
        return call()
    except FAILURES as error:
        return unread_of(action, error)


def ask_for(action: str, missing: Collection[str], call: Callable[[], T]) -> T | Unread | None:
    """The answer of a call; None if its error has one of the codes ``missing``."""
    try:
        return call()
    except ClientError as error:
        if error.response["Error"].get("Code") in missing:
            return None
        return unread_of(action, error)
    except FAILURES as error:
        return unread_of(action, error)


def not_checked(check: str, what: str, unread: Unread) -> Finding:
    """The finding where something could not be read."""
    to_do = f"; to do: allow {unread.action}" if unread.denied else ""
    return warn(check, f"{what}: not checked, {unread.action} was refused: {unread.said}{to_do}")


def action_of(error: Exception, name: str) -> str:
    """The action that was refused: the adapters' errors begin with the operation's name."""
    found = _OPERATION.match(str(error))
    return f"{name}:{found[1]}" if found else f"{name}:*"


def unread_of(action: str, error: Exception) -> Unread:
    """What an error of ``FAILURES`` leaves unread, with the action that it says is denied, or
    ``action``.
    """
    denied = isinstance(error, AccessDenied)
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        denied = error_class(error.response["Error"].get("Code", ""), status) is AccessDenied
    return Unread(denied_action(error) or action, redacted_line(str(error)), denied)
