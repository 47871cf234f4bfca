"""What a verb says when AWS refuses what it needs: one line, with what to do about it."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from functions.aws.calls import redacted_line
from functions.enrolment.errors import RollcallError
from infra.cli.stack import NotDeployed

if TYPE_CHECKING:
    from collections.abc import Callable

    from functions.enrolment.errors import Unreadable

FAILURES = (RollcallError, NotDeployed, BotoCoreError, ClientError)

_DENIED = re.compile(r"not authorized to perform:? ([A-Za-z0-9-]+:[A-Za-z0-9]+)")
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
_UNKNOWN = (
    "AuthFailure",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
)


def explained(error: Exception) -> str:
    """The line for one of ``FAILURES``."""
    text = redacted_line(str(error))
    to_do = _to_do(error)
    return f"{text}; to do: {to_do}" if to_do else text


def print_unread(verb: str, error: Exception | str) -> None:
    """Print what a verb goes on without, because it could not be read."""
    text = error if isinstance(error, str) else explained(error)
    print(f"rollcall {verb}: not read: {text}", file=sys.stderr)


def print_unread_once() -> Callable[[Unreadable], None]:
    """Prints the rows of the table that a verb goes on without, each once."""
    printed: set[str] = set()

    def unread(error: Unreadable) -> None:
        if str(error) not in printed:
            printed.add(str(error))
            print(f"rollcall: not read: {explained(error)}", file=sys.stderr)

    return unread


def denied_action(error: Exception) -> str:
    """The IAM action that an error says is denied, "" if it says none."""
    found = _DENIED.search(str(error))
    return found[1] if found else ""


def allow(action: str) -> str:
    """What to do about a denied action."""
    return f"allow {action} (README.md, The operator's permissions)"


def _to_do(error: Exception) -> str:
    match error:
        case NoCredentialsError():
            return "give --profile, or set AWS_PROFILE; aws sts get-caller-identity must work"
        case NoRegionError():
            return "give --home-region, or set AWS_REGION"
        case UnauthorizedSSOTokenError() | TokenRetrievalError():
            return "sign in again: aws sso login"
    cause = error if isinstance(error, ClientError) else error.__cause__
    code = cause.response["Error"].get("Code", "") if isinstance(cause, ClientError) else ""
    if code in _EXPIRED:
        return "get new credentials; these have expired"
    if code in _UNKNOWN:
        return "check the credentials, and that the account has enabled the Region"
    action = denied_action(error)
    return allow(action) if action else ""


def to_allow(text: str) -> str:
    """What the operator is to do about a call that was denied to them, according to AWS's text."""
    denied = _DENIED.search(text)
    return allow(denied[1] if denied else "your credentials to make the call")
