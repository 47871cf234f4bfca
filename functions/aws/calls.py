"""Calls of AWS: the clients' configuration, and the conversion of errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
)
from botocore.parsers import ResponseParserError

from functions.enrolment.errors import (
    AccessDenied,
    Conflict,
    CredentialsRefused,
    RollcallError,
    ServiceRefused,
    ServiceUnavailable,
    Throttled,
)
from functions.enrolment.text import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 5},
    connect_timeout=5,
    read_timeout=20,
    user_agent_extra="rollcall",
)
# Member accounts are called one after the other, so that no call may take long. The time limits of
# Accept Invitations depend on this.
MEMBER_CONFIG = CLIENT_CONFIG.merge(
    Config(retries={"mode": "standard", "total_max_attempts": 2}, read_timeout=10)
)

_BY_CODE: dict[str, type[RollcallError]] = {
    # botocore/retries/standard.py; Security Hub returns LimitExceededException when it throttles.
    "BandwidthLimitExceeded": Throttled,
    # SNS, of an encrypted topic (botocore, sns KMSThrottlingException).
    "KMSThrottling": Throttled,
    "KMSThrottlingException": Throttled,
    "LimitExceededException": Throttled,
    "PriorRequestNotComplete": Throttled,
    "ProvisionedThroughputExceededException": Throttled,
    "RequestLimitExceeded": Throttled,
    "RequestThrottled": Throttled,
    "RequestThrottledException": Throttled,
    "SlowDown": Throttled,
    "ThrottledException": Throttled,
    "Throttling": Throttled,
    "ThrottlingException": Throttled,
    "TooManyRequestsException": Throttled,
    "InternalError": ServiceUnavailable,
    "InternalException": ServiceUnavailable,
    "InternalFailure": ServiceUnavailable,
    "InternalServerError": ServiceUnavailable,
    "InternalServerErrorException": ServiceUnavailable,
    "InternalServerException": ServiceUnavailable,
    "RequestTimeout": ServiceUnavailable,
    "RequestTimeoutException": ServiceUnavailable,
    "ServiceException": ServiceUnavailable,
    "ServiceUnavailable": ServiceUnavailable,
    "ServiceUnavailableException": ServiceUnavailable,
    "ConcurrentModificationException": Conflict,
    "ConflictException": Conflict,
    "ResourceConflictException": Conflict,
    "TransactionConflictException": Conflict,
    "TransactionInProgressException": Conflict,
    "AuthFailure": CredentialsRefused,
    "InvalidClientTokenId": CredentialsRefused,
    "OptInRequired": CredentialsRefused,
    "RegionDisabledException": CredentialsRefused,
    "UnrecognizedClientException": CredentialsRefused,
    "AccessDenied": AccessDenied,
    "AccessDeniedException": AccessDenied,
    "ExpiredToken": AccessDenied,
    "ExpiredTokenException": AccessDenied,
    "IncompleteSignature": AccessDenied,
    "InvalidAccessException": AccessDenied,
    "InvalidSignatureException": AccessDenied,
    "MissingAuthenticationToken": AccessDenied,
    "MissingAuthenticationTokenException": AccessDenied,
    "NotAuthorized": AccessDenied,
    "SignatureDoesNotMatch": AccessDenied,
    "UnauthorizedOperation": AccessDenied,
}
_BY_STATUS: dict[int, type[RollcallError]] = {
    401: AccessDenied,
    403: AccessDenied,
    408: ServiceUnavailable,
    409: Conflict,
    429: Throttled,
}

# AWS's message for unknown credentials, with any error code.
_UNKNOWN_TOKEN = "security token included in the request is invalid"  # noqa: S105 (AWS's words)

_LONGEST_TEXT = 500


@contextmanager
def calling(service: str, operation: str) -> Iterator[None]:
    """Convert the errors of the AWS call within; ``service`` is the display name.

    Raises:
        Throttled, ServiceUnavailable, Conflict, AccessDenied, CredentialsRefused, ServiceRefused:
            with the message ``GuardDuty GetMembers: BadRequestException: <the service's text>``.
    """
    try:
        yield
    except ClientError as error:
        code = _code(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        words = error.response.get("Error", {}).get("Message", "")
        parts = (f"{service} {operation}", code or f"HTTP {status}", words)
        error_type = error_class(code, status)
        if error_type is AccessDenied and _UNKNOWN_TOKEN in words:
            error_type = CredentialsRefused
        raise error_type(redacted_line(": ".join(filter(None, parts)))) from error
    except (BotoCoreError, ResponseParserError) as error:
        name = type(error).__name__
        raise _error_class_without_response(error)(
            redacted_line(f"{service} {operation}: {name}: {error}")
        ) from error


def error_class(code: str, status: int) -> type[RollcallError]:
    """The error class for an error code or, if the code is unknown, for an HTTP status."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status >= 500:
        return ServiceUnavailable
    return _BY_STATUS.get(status, ServiceRefused)


def code_of(error: RollcallError) -> str:
    """The AWS error code of an error that ``calling`` raised, or ""."""
    cause = error.__cause__
    return _code(cause) if isinstance(cause, ClientError) else ""


def redacted_line(text: str) -> str:
    """``text`` as one line without e-mail addresses, at most 500 characters."""
    return one_line(redact(text), _LONGEST_TEXT)


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _error_class_without_response(error: Exception) -> type[RollcallError]:
    """The error class for a call without a response, or with one that cannot be parsed."""
    # botocore parses the response before it raises, so the call may have taken effect.
    lost = HTTPClientError | ConnectionError | IncompleteReadError | ResponseParserError
    if isinstance(error, lost | CredentialRetrievalError):
        return ServiceUnavailable
    return AccessDenied if isinstance(error, NoCredentialsError) else ServiceRefused
