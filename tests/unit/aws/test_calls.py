"""What becomes of the errors of AWS calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from botocore.retries.standard import ThrottledRetryableChecker

from functions.aws.calls import (
    CLIENT_CONFIG,
    MEMBER_CONFIG,
    calling,
    code_of,
    error_class,
    redacted_line,
)
from functions.enrolment.errors import (
    AccessDenied,
    Conflict,
    CredentialsRefused,
    RollcallError,
    ServiceRefused,
    ServiceUnavailable,
    Throttled,
)

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("LimitExceededException", 429, Throttled),  # Security Hub
        ("TooManyRequestsException", 429, Throttled),  # Detective, Organizations
        ("KMSThrottling", 400, Throttled),  # SNS
        ("ThrottlingException", 400, Throttled),
        ("Throttling", 400, Throttled),
        ("RequestLimitExceeded", 503, Throttled),
        ("SlowDown", 503, Throttled),
        ("ProvisionedThroughputExceededException", 400, Throttled),
        ("429", 429, Throttled),  # GuardDuty, unmodelled
        ("InternalException", 500, ServiceUnavailable),  # Security Hub
        ("InternalServerErrorException", 500, ServiceUnavailable),  # GuardDuty
        ("InternalServerException", 500, ServiceUnavailable),  # Detective
        ("ServiceException", 500, ServiceUnavailable),  # Organizations
        ("InternalServerError", 400, ServiceUnavailable),
        ("502", 502, ServiceUnavailable),
        ("ServiceUnavailable", 503, ServiceUnavailable),
        ("RequestTimeout", 408, ServiceUnavailable),
        ("ResourceConflictException", 409, Conflict),  # Security Hub
        ("ConflictException", 409, Conflict),  # Detective, GuardDuty
        ("ConcurrentModificationException", 400, Conflict),  # Organizations
        ("409", 409, Conflict),
        ("AccessDeniedException", 403, AccessDenied),
        ("AccessDenied", 403, AccessDenied),  # STS
        ("InvalidAccessException", 401, AccessDenied),  # Security Hub
        ("UnrecognizedClientException", 403, CredentialsRefused),
        ("InvalidClientTokenId", 403, CredentialsRefused),  # STS
        ("RegionDisabledException", 403, CredentialsRefused),  # STS
        ("OptInRequired", 403, CredentialsRefused),
        ("AuthFailure", 401, CredentialsRefused),
        ("ExpiredToken", 403, AccessDenied),
        ("ExpiredTokenException", 403, AccessDenied),
        ("InvalidSignatureException", 403, AccessDenied),
        ("SignatureDoesNotMatch", 403, AccessDenied),
        ("403", 403, AccessDenied),
        ("BadRequestException", 400, ServiceRefused),
        ("InvalidInputException", 400, ServiceRefused),
        ("ServiceQuotaExceededException", 402, ServiceRefused),  # Detective
        ("ResourceNotFoundException", 404, ServiceRefused),
        ("ConditionalCheckFailedException", 400, ServiceRefused),
        ("", 0, ServiceRefused),
    ],
)
def test_an_error_is_classified_by_its_code_or_else_its_status(
    code: str, status: int, kind: type[RollcallError]
) -> None:
    assert error_class(code, status) is kind


# Its constants are not typed.
BOTOCORE: Any = ThrottledRetryableChecker


# DynamoDB's is a conflict with another transaction, not too many calls; EC2 is not called.
@pytest.mark.parametrize(
    "code",
    sorted(
        set(BOTOCORE._THROTTLED_ERROR_CODES)
        - {"TransactionInProgressException", "EC2ThrottledException"}
    ),
)
def test_what_botocore_calls_throttling_is_throttling(code: str) -> None:
    assert error_class(code, 400) is Throttled


def client_error(code: str, message: str, status: int = 400) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "GetMembers",
    )


def test_the_message_names_service_operation_and_code_and_is_one_line() -> None:
    cause = client_error("BadRequestException", "The request\n is rejected.")

    with pytest.raises(ServiceRefused) as caught, calling("GuardDuty", "GetMembers"):
        raise cause

    assert (
        str(caught.value) == "GuardDuty GetMembers: BadRequestException: The request is rejected."
    )
    assert caught.value.__cause__ is cause
    assert code_of(caught.value) == "BadRequestException"


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        ("403", "The security token included in the request is invalid.", CredentialsRefused),
        ("AccessDenied", "The security token included in the request is expired", AccessDenied),
        ("403", "User is not authorized to perform: guardduty:GetMembers", AccessDenied),
    ],
)
def test_a_token_that_is_not_known_is_told_by_its_words_too(
    code: str, words: str, kind: type[RollcallError]
) -> None:
    with pytest.raises(AccessDenied) as caught, calling("GuardDuty", "GetMembers"):
        raise client_error(code, words, status=403)

    assert type(caught.value) is kind


def test_an_error_without_any_detail_is_still_classified() -> None:
    with pytest.raises(ServiceRefused) as caught, calling("GuardDuty", "GetMembers"):
        raise ClientError({}, "GetMembers")

    assert str(caught.value) == "GuardDuty GetMembers: HTTP 0"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ReadTimeoutError(endpoint_url="https://127.0.0.1"), ServiceUnavailable),
        (ConnectTimeoutError(endpoint_url="https://127.0.0.1"), ServiceUnavailable),
        (ConnectionClosedError(endpoint_url="https://127.0.0.1"), ServiceUnavailable),
        (EndpointConnectionError(endpoint_url="https://127.0.0.1"), ServiceUnavailable),
        (CredentialRetrievalError(provider="x", error_msg="y"), ServiceUnavailable),
        (ResponseParserError("no JSON"), ServiceUnavailable),
        (NoCredentialsError(), AccessDenied),
        (ParamValidationError(report="Missing required parameter"), ServiceRefused),
    ],
)
def test_a_call_without_a_readable_answer_is_classified(
    error: BotoCoreError | ResponseParserError, kind: type[RollcallError]
) -> None:
    with pytest.raises(kind) as caught, calling("Detective", "ListGraphs"):
        raise error

    assert str(caught.value).startswith(f"Detective ListGraphs: {type(error).__name__}: ")
    assert caught.value.__cause__ is error
    assert code_of(caught.value) == ""


def test_errors_of_other_kinds_pass_through() -> None:
    with pytest.raises(KeyError), calling("Detective", "ListGraphs"):
        raise KeyError("x")


@pytest.mark.parametrize(
    ("text", "published"),
    [
        (
            "The address\n jane.doe+x@example.com does not match",
            "The address (e-mail) does not match",
        ),
        ("x" * 5000, "x" * 499 + "…"),
        # Redacted before it is cut: half an address is one, too.
        ("x" * 490 + " a@example.com", "x" * 490 + " (e-mail)"),
    ],
)
def test_what_is_published_is_one_short_line_without_e_mail_addresses(
    text: str, published: str
) -> None:
    assert redacted_line(text) == published


def test_clients_retry_in_standard_mode_five_times_in_all() -> None:
    config: Any = CLIENT_CONFIG  # its attributes are not typed

    assert config.retries == {"mode": "standard", "total_max_attempts": 5}
    assert (config.connect_timeout, config.read_timeout) == (5, 20)
    assert config.user_agent_extra == "rollcall"


def test_a_members_clients_give_up_sooner() -> None:
    config: Any = MEMBER_CONFIG  # its attributes are not typed

    assert config.retries == {"mode": "standard", "total_max_attempts": 2}
    assert (config.connect_timeout, config.read_timeout) == (5, 10)
    assert config.user_agent_extra == "rollcall"
