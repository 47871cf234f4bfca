from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from functions.enrolment.errors import InvalidInput
from functions.enrolment.request import OnboardingRequest, RequestedAccount
from functions.intake.reader import read_request
from tests.support.builders import ACCOUNT, a_configuration
from tests.support.events import create_account_result


def read(event: Any) -> OnboardingRequest:
    return read_request(event, a_configuration())


def test_a_created_account_is_enrolled() -> None:
    request = read(create_account_result(ACCOUNT))

    assert request == OnboardingRequest(
        (RequestedAccount(ACCOUNT),), "CreateAccountResult", automatic=True
    )


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("detail", None, "detail.eventName"),
        ("detail.eventName", "CreateAccount", "detail.eventName"),
        ("detail.eventName", ["CreateAccountResult"], "detail.eventName"),
        ("detail.serviceEventDetails", None, "state"),
        ("detail.serviceEventDetails.createAccountStatus.state", "FAILED", "state"),
        ("detail.serviceEventDetails.createAccountStatus.accountId", None, "accountId"),
        ("detail.serviceEventDetails.createAccountStatus.accountId", 444455556666, "accountId"),
        ("detail.serviceEventDetails.createAccountStatus.accountId", "4444", "accountId"),
    ],
)
def test_an_event_that_brings_no_account_is_refused(path: str, value: object, field: str) -> None:
    event = deepcopy(create_account_result(ACCOUNT))
    *parents, last = path.split(".")
    place = event
    for key in parents:
        place = place[key]
    place[last] = value

    with pytest.raises(InvalidInput) as refused:
        read(event)

    assert refused.value.field.endswith(field)
