"""The errors the endpoint itself raises, whatever the operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.local.wire.constraints import Violation

# Errors any service may answer with that its model does not list: "Common Errors" of the API
# references. rest-json statuses; json 1.1 answers every one of the client's errors with 400.
COMMON_ERRORS = {
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "IncompleteSignatureException": 400,
    "InternalFailure": 500,
    "InvalidClientTokenId": 403,
    "MissingAuthenticationTokenException": 403,
    "OptInRequired": 403,
    "RequestExpired": 400,
    "SerializationException": 400,
    "ServiceUnavailable": 503,
    "ThrottlingException": 400,
    "TooManyRequestsException": 429,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
    "ValidationError": 400,
}


def described(broken: Sequence[Violation]) -> str:
    """The message of AWS's common request validation."""
    number = "1 validation error" if len(broken) == 1 else f"{len(broken)} validation errors"
    return f"{number} detected: {'; '.join(map(str, broken))}"
