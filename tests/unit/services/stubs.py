"""Stubbed clients: every request is held against the service's model and against the expected."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.stub import Stubber

from functions.enrolment.account import AccountId
from tests.unit.aws.support import REGION, a_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # Adds what is expected next, and what is answered.
    Exchange = Callable[[Stubber], None]

ADMINISTRATOR = AccountId("111122223333")
STRANGER = AccountId("999900001111")
ONE = AccountId("444455556666")
TWO = AccountId("555566667777")
THREE = AccountId("666677778888")


def asked(operation: str, request: dict[str, Any], **response: Any) -> Exchange:
    """Exactly this request, and its response."""
    return lambda stubber: stubber.add_response(operation, response, request)


def refused(operation: str, code: str, text: str = "words", status: int = 400) -> Exchange:
    """A call that is answered with an error."""
    return lambda stubber: stubber.add_client_error(operation, code, text, http_status_code=status)


@contextmanager
def stubbed(service: str, *exchanges: Exchange, region: str = REGION) -> Iterator[Any]:
    """A client to which exactly these calls are made, in this order."""
    client = _client(service, region)
    with Stubber(client) as stubber:
        for exchange in exchanges:
            exchange(stubber)
        yield client
        stubber.assert_no_pending_responses()


@cache
def _client(service: str, region: str) -> Any:
    return a_session().client(service, region_name=region)  # type: ignore[call-overload]  # any service
