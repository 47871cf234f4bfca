from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from functions.enrolment.account import Mode
from functions.enrolment.errors import InvalidInput
from functions.enrolment.request import OnboardingRequest, RequestedAccount
from functions.intake.reader import read_request
from functions.services import registry
from tests.support.builders import ACCOUNT, EMAIL, OTHER, a_configuration

SCHEMA = json.loads(Path("docs/manual-input.schema.json").read_text())
CONFIGURATION = a_configuration()


def test_the_schema_names_every_service() -> None:
    names = SCHEMA["properties"]["services"]["items"]["enum"]

    assert names == [service.name for service in registry.SERVICES]


def read(value: Any) -> OnboardingRequest:
    return read_request(value, CONFIGURATION)


def test_accounts_are_enough() -> None:
    request = read({"accounts": [{"id": ACCOUNT}]})

    assert request == OnboardingRequest((RequestedAccount(ACCOUNT),), "manual", automatic=False)


def test_everything_can_be_said() -> None:
    request = read(
        {
            "accounts": [{"id": ACCOUNT, "email": EMAIL}, {"id": OTHER}],
            "services": ["detective"],
            "regions": ["us-east-1"],
            "mode": "invitation",
            "dry_run": True,
        }
    )

    assert request == OnboardingRequest(
        (RequestedAccount(ACCOUNT, EMAIL), RequestedAccount(OTHER)),
        "manual",
        automatic=False,
        services=(registry.DETECTIVE,),
        regions=("us-east-1",),
        mode=Mode.INVITATION,
        dry_run=True,
    )


def accounts(count: int) -> list[dict[str, str]]:
    return [{"id": f"{number:012d}"} for number in range(count)]


REFUSED: list[tuple[Any, str]] = [
    (None, "input: takes a JSON object"),
    ([], "input: takes a JSON object"),
    ({}, "accounts: is required"),
    ({"accounts": []}, "accounts: takes a list of 1 to 50 items"),
    ({"accounts": accounts(51)}, "accounts: takes a list of 1 to 50 items"),
    ({"accounts": ["444455556666"]}, "accounts[0]: takes a JSON object"),
    ({"accounts": [{"id": 444455556666}]}, "accounts[0].id: takes an account id"),
    ({"accounts": [{"id": "44445555666"}]}, "accounts[0].id: takes an account id"),
    ({"accounts": [{"id": "\uff14" * 12}]}, "accounts[0].id: takes an account id"),
    ({"accounts": [{"id": ACCOUNT}, {"id": ACCOUNT}]}, "accounts[1]: repeats an earlier item"),
    ({"accounts": [{"id": ACCOUNT, "email": "root"}]}, "accounts[0].email: takes an e-mail"),
    ({"accounts": [{"id": ACCOUNT, "mail": EMAIL}]}, "accounts[0].mail: is not known here"),
    ({"accounts": accounts(1), "services": ["macie"]}, "services[0]: takes one of securityhub"),
    ({"accounts": accounts(1), "services": []}, "services: takes a list of 1 to 3 items"),
    ({"accounts": accounts(1), "regions": ["mars-1"]}, "regions[0]: takes one of eu-west-1, us"),
    ({"accounts": accounts(1), "mode": "auto"}, "mode: takes one of organization, invitation"),
    ({"accounts": accounts(1), "dry_run": "yes"}, "dry_run: takes true or false"),
    ({"accounts": accounts(1), "dryRun": True}, "dryRun: is not known here; known are accounts"),
]


@pytest.mark.parametrize(("value", "refusal"), REFUSED)
def test_bad_input_is_refused_by_its_field_and_what_it_takes(value: Any, refusal: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(value)

    assert str(refused.value).startswith(refusal)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
ids = st.from_regex(r"[0-9]{12}", fullmatch=True) | st.text(max_size=13) | json_values
emails = st.sampled_from([EMAIL, "root", "a@b.c", "x" * 64 + "@example.com"]) | json_values
account_entries = st.fixed_dictionaries({"id": ids}, optional={"email": emails}) | json_values
inputs = st.fixed_dictionaries(
    {},
    optional={
        "accounts": st.lists(account_entries, max_size=3) | json_values,
        "services": st.lists(st.sampled_from([*registry.SERVICES, "macie"]), max_size=3)
        | json_values,
        "regions": st.lists(st.sampled_from(["eu-west-1", "us-east-1"]), max_size=3) | json_values,
        "mode": st.sampled_from(["organization", "invitation", "auto"]) | json_values,
        "dry_run": st.booleans() | json_values,
        "extra": json_values,
    },
)


@settings(max_examples=400, deadline=None)
@given(inputs)
def test_the_published_schema_and_the_reader_agree(value: dict[str, Any]) -> None:
    fits = Draft202012Validator(SCHEMA).is_valid(value)
    try:
        read(value)
        taken = True
    except InvalidInput as refusal:
        # A schema cannot say that an id is given once only.
        assume("repeats" not in refusal.takes)
        taken = False

    assert taken == fits
