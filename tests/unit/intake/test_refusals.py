"""Whatever comes in, a refusal is one short line that can be encoded and tells no address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.enrolment.errors import InvalidInput
from functions.enrolment.request import OnboardingRequest
from functions.enrolment.scope import Scope
from functions.intake.arrivals import ARRIVALS
from functions.intake.events import require_publisher
from functions.intake.reader import read_request, source_of
from functions.intake.reconcile_input import read_reconcile_input, reconcile_source_of
from tests.support.builders import ACCOUNT, EMAIL, MANAGEMENT, a_configuration
from tests.support.events import EVENTS, sample

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIGURATION = a_configuration(
    regions=("eu-west-1", "ap-east-1"), scope=Scope(include_paths=("o-aa111bb222/",))
)
LONG = "x" * 200_000

any_text = st.text(st.characters(exclude_categories=()), max_size=20)
foreign_keys = (
    any_text
    | st.emails()
    | st.builds("{}{}{}".format, any_text, st.emails(), any_text)
    | st.sampled_from([LONG, f"{'x' * 60}{EMAIL}", f"{LONG}{EMAIL}", "\ud800", "a\r\nb", ""])
)
keys = foreign_keys | st.sampled_from(
    ["accounts", "id", "email", "mode", "services", "detail-type", "detail", "eventName", "source"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | foreign_keys | st.just(ACCOUNT)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)
accounts = st.lists(
    st.builds(
        lambda entry, more: {**entry, **more},
        st.fixed_dictionaries({"id": st.just(ACCOUNT)}, optional={"email": scalars}),
        st.dictionaries(foreign_keys, json_values, max_size=2),
    )
    | json_values,
    min_size=1,
    max_size=3,
)
manual = st.builds(
    lambda entries, more: {"accounts": entries, **more},
    accounts,
    st.dictionaries(foreign_keys, json_values, max_size=2),
)
reconciled = st.builds(
    lambda identity, entries, more: {"reconcile": identity, "accounts": entries, **more},
    st.fixed_dictionaries({"id": scalars, "batch": scalars}) | json_values,
    accounts,
    st.dictionaries(foreign_keys | st.just("begin_after"), json_values, max_size=2),
)
events = st.fixed_dictionaries(
    {"detail-type": st.sampled_from([*ARRIVALS, "AWS API Call via CloudTrail"]) | json_values},
    optional={
        "source": scalars,
        "account": scalars,
        "detail": json_values
        | st.fixed_dictionaries({"eventName": st.sampled_from([*ARRIVALS]) | json_values}),
    },
)


def hold_to_what_is_fit_to_be_published(text: str) -> None:
    assert len(text) <= 1000
    assert len(text.splitlines()) == 1
    text.encode()
    assert text.isprintable()
    assert not re.search(r"[A-Za-z0-9]@[A-Za-z0-9]", text)


def read_and_check(value: object) -> None:
    hold_to_what_is_fit_to_be_published(source_of(value))
    try:
        request = read_request(value, CONFIGURATION)
        require_publisher(request, MANAGEMENT)
    except InvalidInput as refusal:
        hold_to_what_is_fit_to_be_published(str(refusal))
    else:
        assert isinstance(request, OnboardingRequest)
        for account in request.accounts:
            (account.email or "").encode()


@settings(max_examples=400, deadline=None)
@given(json_values | manual | reconciled | events)
def test_an_input_is_taken_or_refused_in_one_short_line(value: object) -> None:
    read_and_check(value)


@settings(max_examples=80, deadline=None)
@given(
    json_values
    | st.dictionaries(
        st.sampled_from(
            ["source", "services", "regions", "most_changes", "retry_failed", "report_only"]
        )
        | foreign_keys,
        json_values,
        max_size=4,
    )
)
def test_the_input_of_a_reconcile_is_taken_or_refused_in_one_short_line(value: object) -> None:
    hold_to_what_is_fit_to_be_published(reconcile_source_of(value))
    try:
        request = read_reconcile_input(value, CONFIGURATION, {})
    except InvalidInput as refusal:
        hold_to_what_is_fit_to_be_published(str(refusal))
    else:
        assert set(request.targets) <= set(CONFIGURATION.targets)


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.iterdir()))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_an_event_with_a_foreign_key_or_value_is_no_different(
    name: str, data: st.DataObject
) -> None:
    event: Any = sample(name)
    place = event
    while isinstance(place, dict) and place:
        key = data.draw(st.sampled_from(sorted(place)))
        place[data.draw(foreign_keys)] = data.draw(json_values)
        if data.draw(st.booleans()):
            place[key] = data.draw(json_values)
            break
        place = place[key]

    read_and_check(event)


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        (LONG, "x" * 63 + "…"),
        ("\ud800", "?"),
        ("a\r\nb", "a b"),
        (EMAIL, "(e-mail)"),
        (f"{'x' * 60} {EMAIL}", "x" * 60 + " (e…"),
    ],
    ids=["long", "a surrogate", "two lines", "an address", "an address where it is cut"],
)
def test_an_unknown_key_is_refused_by_what_can_be_shown_of_it(key: str, shown: str) -> None:
    for value, place in (
        ({"accounts": [{"id": ACCOUNT}], key: 1}, shown),
        ({"accounts": [{"id": ACCOUNT, key: 1}]}, f"accounts[0].{shown}"),
    ):
        with pytest.raises(InvalidInput) as refused:
            read_request(value, CONFIGURATION)

        assert str(refused.value).startswith(f"{place}: is not known here; known are ")


def test_an_address_that_cannot_be_encoded_is_refused() -> None:
    value = {"accounts": [{"id": ACCOUNT, "email": "\ud800@example.com"}]}

    with pytest.raises(InvalidInput, match="takes an e-mail address"):
        read_request(value, CONFIGURATION)


def nested(wrap: Callable[[object], object], depth: int = 100_000) -> object:
    value: object = EMAIL
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"account": v}], ids=["list", "object"])
def test_a_deeply_nested_input_is_refused(wrap: Callable[[object], object]) -> None:
    deep = nested(wrap)
    inputs: list[dict[str, Any]] = [
        {"accounts": deep},
        {"accounts": [{"id": deep}]},
        {"accounts": [{"id": ACCOUNT, "email": deep}]},
        {"accounts": [{"id": ACCOUNT}], "mode": deep},
        {"accounts": [{"id": ACCOUNT}], "more": deep},
        {"detail-type": deep},
        *(sample("create_account_result_succeeded") | {key: deep} for key in ("source", "detail")),
        sample("account_joined_organization_created.INFERRED")
        | {"detail": {"eventName": "AccountJoinedOrganization", "serviceEventDetails": deep}},
    ]

    for value in inputs:
        with pytest.raises(InvalidInput) as refused:
            read_request(value, CONFIGURATION)
        hold_to_what_is_fit_to_be_published(str(refused.value))
        hold_to_what_is_fit_to_be_published(source_of(value))
