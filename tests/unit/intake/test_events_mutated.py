"""Events bent in every way: the account of the sample, or a refusal; never anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.events.models import EventPattern

from functions.enrolment.account import AccountId
from functions.enrolment.errors import InvalidInput
from functions.enrolment.request import OnboardingRequest, RequestedAccount
from functions.enrolment.scope import Scope
from functions.intake.arrivals import ARRIVALS, CLOUDTRAIL, Arrival
from functions.intake.events import read_event, require_publisher
from functions.intake.reader import read_request
from tests.support.builders import ACCOUNT, EMAIL, OTHER, a_configuration
from tests.support.events import EVENTS, sample

MANAGEMENT = AccountId("111122223333")
GOVCLOUD = "777788889999"
# us-east-1 is not configured: it is where the events come from, not what they are about.
CONFIGURATION = a_configuration(
    regions=("eu-west-1", "ap-east-1"), scope=Scope(include_paths=("o-aa111bb222/",))
)

ARRIVING = {
    "create_account_result_succeeded": ACCOUNT,
    "create_gov_cloud_account_result_succeeded.INFERRED": ACCOUNT,
    "accept_handshake.INFERRED": OTHER,
    "account_joined_organization_created.INFERRED": ACCOUNT,
    "account_joined_organization_invited.INFERRED": OTHER,
    "controltower_create_managed_account_succeeded": ACCOUNT,
    "controltower_enable_baseline_succeeded": ACCOUNT,
    "controltower_update_managed_account_succeeded": ACCOUNT,
    "move_account": ACCOUNT,
    "account_region_opt_in_status_change": ACCOUNT,
}
NOISE = (
    "account_departed_organization_removed.INFERRED",
    "close_account_result_succeeded",
    "controltower_create_managed_account_failed",
    "controltower_enable_baseline_organizational_unit.INFERRED",
    "create_account_api_call",
    "create_account_result_failed",
    "invite_account_to_organization",
    "leave_organization.INFERRED",
    "remove_account_from_organization",
)

Place = tuple[Any, Any]

WORDS = [EMAIL, "o-aa111bb222", "4444", f"{ACCOUNT}\n", "\uff14" * 12, *CLOUDTRAIL]
KEYS = [
    *("accountId", "AccountId", "account_id", "memberAccountId", "managementAccountId", "id"),
    *("account", "errorCode", "joinedMethod", "parties", "state", "type", EMAIL),
    *("serviceEventDetails", "requestParameters", "responseElements"),
]

keys = st.sampled_from(KEYS) | st.text(max_size=5)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


def places(value: Any) -> list[Place]:
    """Every place in a JSON value: the object or list that holds it, and its key there."""
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    return [place for key in keys for place in [(value, key), *places(value[key])]]


def bend(event: dict[str, Any], data: st.DataObject) -> None:
    """Bend an event in one way, without making it say that a third account came."""
    every = [place for place in places(event) if place[0][place[1]] != GOVCLOUD]
    (holder, key), (other_holder, other_key) = data.draw(st.tuples(*[st.sampled_from(every)] * 2))
    # An account may opt in to a Region in its own name, and so may the management account.
    ids = [MANAGEMENT] if event.get("source") != "aws.account" else []
    match data.draw(st.sampled_from(["remove", "replace", "rename", "add", "swap"])):
        case "remove":
            del holder[key]
        case "replace":
            holder[key] = data.draw(junk | st.sampled_from([None, *ids]))
        case "rename" if isinstance(holder, dict):
            holder[data.draw(keys)] = holder.pop(key)
        case "add" if isinstance(holder, dict):
            holder[data.draw(keys)] = data.draw(junk | st.sampled_from([None, *ids]))
        case "swap":
            values = holder[key], other_holder[other_key]
            # Swapping a value with what it holds would make a ring, which JSON cannot say.
            if not any(json.dumps(a) in json.dumps(b) for a, b in (values, values[::-1])):
                other_holder[other_key], holder[key] = values


def taken(event: Any, management_account: AccountId | None = None) -> OnboardingRequest | None:
    """The request the event becomes; None where it is refused, as it should be."""
    try:
        request = read_event(event, CONFIGURATION)
        require_publisher(request, management_account)
    except InvalidInput as refusal:
        if EMAIL in str(refusal):
            raise AssertionError("the refusal tells an e-mail") from refusal
        return None
    return request


def test_every_sample_is_bent() -> None:
    assert {path.stem for path in EVENTS.iterdir()} == {*ARRIVING, *NOISE}


@pytest.mark.parametrize("name", ARRIVING)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_bent_event_is_about_its_account_or_refused(name: str, data: st.DataObject) -> None:
    event: Any = sample(name)
    for _ in range(data.draw(st.integers(1, 4))):
        bend(event, data)

    request = taken(event, MANAGEMENT)

    if request is not None:
        assert request.accounts == (RequestedAccount(ARRIVING[name]),)
        assert request.regions in (None, ("ap-east-1",))
        # What the intake takes, the rule lets through.
        assert EventPattern.load(json.dumps(ARRIVALS[request.source].pattern)).matches_event(event)


@pytest.mark.parametrize("name", ARRIVING)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_one_bend_is_enough_to_notice_without_knowing_the_management_account(
    name: str, data: st.DataObject
) -> None:
    event = sample(name)
    bend(event, data)

    request = taken(event)

    assert request is None or request.accounts == (RequestedAccount(ARRIVING[name]),)


@pytest.mark.parametrize("name", NOISE)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_noise_stays_noise(name: str, data: st.DataObject) -> None:
    event = sample(name)
    for _ in range(data.draw(st.integers(0, 4))):
        bend(event, data)

    assert taken(event) is None


@pytest.mark.parametrize("arrival", ARRIVALS.values(), ids=list(ARRIVALS))
@settings(max_examples=60, deadline=None)
@given(detail=st.dictionaries(keys, junk, max_size=4))
def test_a_right_name_is_not_enough(arrival: Arrival, detail: dict[str, Any]) -> None:
    event = {
        "detail-type": arrival.pattern.get("detail-type", CLOUDTRAIL)[0],
        "source": arrival.source,
        "account": MANAGEMENT,
        "detail": {"eventSource": arrival.event_source, "eventName": arrival.name, **detail},
    }

    assert taken(event) is None


@given(event=junk)
def test_what_is_no_event_at_all_is_refused(event: Any) -> None:
    with pytest.raises(InvalidInput):
        read_request(event, CONFIGURATION)


@pytest.mark.parametrize("depth", [10, 900])
def test_depth_is_no_trap(depth: int) -> None:
    deep: Any = ACCOUNT
    for _ in range(depth):
        deep = {"accountId": deep}
    event = sample("account_joined_organization_created.INFERRED")
    event["detail"]["serviceEventDetails"] = {"joinedMethod": deep, "accountId": deep}

    assert taken(event) is None
