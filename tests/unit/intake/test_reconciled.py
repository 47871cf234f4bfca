"""The input of a run that a reconcile starts."""

from __future__ import annotations

from typing import Any

import pytest

from functions.enrolment.errors import InvalidInput
from functions.enrolment.request import BatchId, OnboardingRequest, RequestedAccount
from functions.intake.reader import read_request, source_of
from tests.support.builders import ACCOUNT, EMAIL, OTHER, a_configuration

ENTRY = {"id": ACCOUNT, "email": EMAIL}
INPUT: dict[str, Any] = {"reconcile": {"id": "reconcile-1", "batch": 7}, "accounts": [ENTRY]}


@pytest.mark.parametrize("more", [{}, {"begin_after": 0}, {"begin_after": 3600}])
def test_the_batch_and_the_accounts_are_read(more: dict[str, Any]) -> None:
    request = read_request(INPUT | more, a_configuration())

    assert request == OnboardingRequest(
        (RequestedAccount(ACCOUNT, EMAIL),),
        "reconcile",
        automatic=True,
        batch=BatchId("reconcile-1", 7),
    )


@pytest.mark.parametrize("email", ["", "root@a_b.example", "x" * 320])
def test_an_address_that_a_service_may_refuse_is_left_to_the_service(email: str) -> None:
    request = read_request(INPUT | {"accounts": [ENTRY | {"email": email}]}, a_configuration())

    assert request.accounts == (RequestedAccount(ACCOUNT, email),)


def accounts(count: int) -> list[dict[str, str]]:
    return [{"id": f"{number:012d}", "email": EMAIL} for number in range(count)]


def batch(**changes: object) -> dict[str, object]:
    return {"reconcile": {"id": "reconcile-1", "batch": 7} | changes}


NAME = "reconcile.id: takes the name of an execution"
NUMBER = "reconcile.batch: takes a whole number from 0"
REFUSED: list[tuple[dict[str, object], str]] = [
    ({"reconcile": None}, "reconcile: takes a JSON object"),
    ({"reconcile": {"batch": 7}}, "reconcile.id: is required"),
    ({"reconcile": {"id": "reconcile-1"}}, "reconcile.batch: is required"),
    (batch(id=""), NAME),
    (batch(id="x" * 81), NAME),
    (batch(id="../plan"), NAME),
    (batch(id="a b"), NAME),
    (batch(id="\ud800"), NAME),
    (batch(batch=-1), NUMBER),
    (batch(batch="7"), NUMBER),
    (batch(batch=True), NUMBER),
    (batch(run=1), "reconcile.run: is not known here"),
    ({"accounts": []}, "accounts: takes a list of 1 to 50 items"),
    ({"accounts": accounts(51)}, "accounts: takes a list of 1 to 50 items"),
    ({"accounts": [ENTRY, ENTRY]}, "accounts[1]: repeats an earlier item"),
    ({"accounts": [{"id": OTHER}]}, "accounts[0].email: is required"),
    ({"accounts": [ENTRY | {"email": 1}]}, "accounts[0].email: takes an e-mail address"),
    ({"accounts": [ENTRY | {"email": "\ud800@b.c"}]}, "accounts[0].email: takes an e-mail address"),
    ({"accounts": [ENTRY | {"mode": "invitation"}]}, "accounts[0].mode: is not known here"),
    ({"begin_after": 3601}, "begin_after: takes a whole number from 0 to 3600"),
    ({"begin_after": -1}, "begin_after: takes a whole number from 0 to 3600"),
    ({"begin_after": 1.5}, "begin_after: takes a whole number from 0 to 3600"),
    ({"begin_after": "15"}, "begin_after: takes a whole number from 0 to 3600"),
    ({"services": ["guardduty"]}, "services: is not known here"),
]


@pytest.mark.parametrize(("changes", "refusal"), REFUSED, ids=range(len(REFUSED)))
def test_bad_input_is_refused_by_its_field_and_what_it_takes(
    changes: dict[str, object], refusal: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_request(INPUT | changes, a_configuration())

    assert str(refused.value).startswith(refusal)
    assert EMAIL not in str(refused.value)


def test_also_a_refused_input_is_that_of_a_reconcile() -> None:
    assert source_of({"reconcile": 1}) == "reconcile"
