"""The errors the endpoint itself raises, as each service words them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.api import ServiceError
from infra.local.wire.constraints import Constraint

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

_ORGANIZATIONS_REASONS = {
    Constraint.REQUIRED: "INPUT_REQUIRED",
    Constraint.ENUM: "INVALID_ENUM",
    Constraint.PATTERN: "INVALID_PATTERN",
    Constraint.MIN_LENGTH: "MIN_LENGTH_EXCEEDED",
    Constraint.MAX_LENGTH: "MAX_LENGTH_EXCEEDED",
    Constraint.MIN_VALUE: "MIN_VALUE_EXCEEDED",
    Constraint.MAX_VALUE: "MAX_VALUE_EXCEEDED",
}


def invalid_input(service: str, broken: Sequence[Violation]) -> ServiceError:
    """The service's modelled error for parameters that break the model's constraints.

    GuardDuty's wording and type were observed (boto3 issue 3890); the others' wording is that of
    AWS's common request validation, inferred.
    """
    first = broken[0]
    number = "1 validation error" if len(broken) == 1 else f"{len(broken)} validation errors"
    message = f"{number} detected: {'; '.join(map(str, broken))}"
    match service:
        case "guardduty":
            name = first.path[0][:1].lower() + first.path[0][1:]
            text = f"The request is rejected because the parameter {name} has an invalid value."
            return ServiceError("BadRequestException", text, Type="InvalidInputException")
        case "detective":
            graph = first.path == ("GraphArn",)
            code = "INVALID_GRAPH_ARN" if graph else "INVALID_REQUEST_BODY"
            return ServiceError("ValidationException", message, ErrorCode=code)
        case "organizations":
            reason = _ORGANIZATIONS_REASONS[first.constraint]
            return ServiceError("InvalidInputException", message, Reason=reason)
        case "account":
            return ServiceError("ValidationException", message, reason="fieldValidationFailed")
        case _:
            return ServiceError("InvalidInputException", message)


def malformed(service: str, message: str) -> ServiceError:
    """For a body that is no JSON, or holds a value of another type.

    json 1.1 services answer SerializationException; the rest-json ones their invalid input error.
    """
    match service:
        case "organizations":
            return ServiceError("SerializationException", message)
        case "guardduty":
            text = "The request is rejected because the JSON could not be processed."
            return ServiceError("BadRequestException", text, Type="InvalidInputException")
        case "detective":
            return ServiceError("ValidationException", message, ErrorCode="INVALID_REQUEST_BODY")
        case "account":
            return ServiceError("ValidationException", message, reason="fieldValidationFailed")
        case _:
            return ServiceError("InvalidInputException", message)
