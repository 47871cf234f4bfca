"""What a verb says when AWS refuses what it needs."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)

from functions.aws.calls import calling
from functions.enrolment.errors import RollcallError
from infra.cli.failures import FAILURES, explained
from infra.cli.stack import NotDeployed


def refused(code: str, message: str) -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}}
    return ClientError(answer, "DescribeStacks")  # type: ignore[arg-type]  # enough of a response


DENIED = (
    "User: arn:aws:iam::1:user/x is not authorized to perform: cloudformation:DescribeStacks on"
    " resource: y"
)


@pytest.mark.parametrize(
    ("error", "to_do"),
    [
        (NoCredentialsError(), "give --profile, or set AWS_PROFILE"),
        (NoRegionError(), "give --home-region, or set AWS_REGION"),
        (refused("ExpiredToken", "The token is expired"), "get new credentials"),
        (refused("InvalidClientTokenId", "invalid"), "check the credentials"),
        (refused("AccessDenied", DENIED), "allow cloudformation:DescribeStacks ("),
    ],
)
def test_the_line_says_what_to_do(error: Exception, to_do: str) -> None:
    assert isinstance(error, FAILURES)
    text = explained(error)
    assert f"; to do: {to_do}" in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    "error",
    [
        NotDeployed("there is no stack Rollcall"),
        ProfileNotFound(profile="nobody"),
        EndpointConnectionError(endpoint_url="https://x"),
    ],
)
def test_what_says_enough_is_left_as_it_is(error: Exception) -> None:
    assert isinstance(error, FAILURES)
    assert explained(error) == str(error)


def test_the_cause_of_an_error_of_ours_counts_and_addresses_are_redacted() -> None:
    with pytest.raises(RollcallError) as caught, calling("Organizations", "ListAccounts"):
        raise refused("AccessDeniedException", f"{DENIED} of someone@example.com")

    text = explained(caught.value)

    assert text.startswith("Organizations ListAccounts: AccessDeniedException: User: ")
    assert "allow cloudformation:DescribeStacks (" in text
    assert "someone@example.com" not in text
