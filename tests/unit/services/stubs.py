"""Stubbed clients: every request is held against the service's model and against the expected."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.stub import Stubber

from functions.enrolment.account import AccountId

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "eu-west-1"
ADMINISTRATOR = AccountId("111122223333")
STRANGER = AccountId("999900001111")
ONE = AccountId("444455556666")
TWO = AccountId("555566667777")
THREE = AccountId("666677778888")
TOO_MANY = [AccountId(f"{number:012}") for number in range(51)]


@contextmanager
def stubbed(service: str) -> Iterator[tuple[Any, Stubber]]:
    """A client and its stubber; every response added must have been asked for in the end."""
    client: Any = boto3.client(  # type: ignore[call-overload]  # any service
        service,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 (nothing is signed for anybody)
    )
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()
