"""The patterns the rules are built from, judged by another implementation of EventBridge's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from functions.intake.arrivals import ARRIVALS
from tests.support.events import EVENTS, sample

ARRIVALS_OF = {
    "accept_handshake.INFERRED": ["AcceptHandshake"],
    "account_joined_organization_created.INFERRED": ["AccountJoinedOrganization"],
    "account_joined_organization_invited.INFERRED": ["AccountJoinedOrganization"],
    "account_region_opt_in_status_change": ["Region Opt-In Status Change"],
    "controltower_create_managed_account_succeeded": ["CreateManagedAccount"],
    "controltower_enable_baseline_succeeded": ["EnableBaseline"],
    "controltower_update_managed_account_succeeded": ["UpdateManagedAccount"],
    "create_account_result_succeeded": ["CreateAccountResult"],
    "create_gov_cloud_account_result_succeeded.INFERRED": ["CreateAccountResult"],
    "move_account": ["MoveAccount"],
}


def matching(event: Any) -> list[str]:
    """The arrivals whose rule would let the event through."""
    return [
        name
        for name, arrival in ARRIVALS.items()
        if EventPattern.load(json.dumps(arrival.pattern)).matches_event(event)
    ]


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.iterdir()))
def test_a_rule_lets_through_what_brings_an_account_and_nothing_else(name: str) -> None:
    assert matching(sample(name)) == ARRIVALS_OF.get(name, [])


@pytest.mark.parametrize("name", ["move_account", "accept_handshake.INFERRED"])
def test_a_rule_lets_no_failed_call_through(name: str) -> None:
    event = sample(name)
    event["detail"]["errorCode"] = "AccessDeniedException"

    assert matching(event) == []


@pytest.mark.parametrize("detail_type", ["AWS API Call via CloudTrail", "Something new"])
@pytest.mark.parametrize("event_source", ["organizations.amazonaws.com", "another", None])
def test_a_join_is_matched_by_its_source_and_name_alone(
    detail_type: str, event_source: str | None
) -> None:
    event = sample("account_joined_organization_created.INFERRED") | {"detail-type": detail_type}
    event["detail"]["eventSource"] = event_source

    assert matching(event) == ["AccountJoinedOrganization"]
    assert matching(event | {"source": "aws.controltower"}) == []
    event["detail"]["eventName"] = "AccountDepartedOrganization"
    assert matching(event) == []


@pytest.mark.parametrize(
    "target",
    [
        "arn:aws:organizations::111122223333:ou/o-aa111bb222/ou-ab12-cdefgh34",
        "arn:aws:organizations::111122223333:root/o-aa111bb222/r-ab12",
        "",
        None,
    ],
)
def test_a_baseline_of_something_else_than_an_account_is_not_matched(target: str | None) -> None:
    event = sample("controltower_enable_baseline_succeeded")
    status = event["detail"]["serviceEventDetails"]["enableBaselineStatus"]
    status["enabledBaselineDetails"]["targetIdentifier"] = target

    assert matching(event) == []


def test_a_pattern_says_all_the_intake_will_ask_for() -> None:
    assert ARRIVALS["CreateManagedAccount"].pattern == {
        "source": ["aws.controltower"],
        "detail-type": ["AWS Service Event via CloudTrail", "AWS API Call via CloudTrail"],
        "detail": {
            "eventSource": ["controltower.amazonaws.com"],
            "eventName": ["CreateManagedAccount"],
            "errorCode": [{"exists": False}],
            "serviceEventDetails": {"createManagedAccountStatus": {"state": ["SUCCEEDED"]}},
        },
    }
    assert ARRIVALS["Region Opt-In Status Change"].pattern == {
        "source": ["aws.account"],
        "detail-type": ["Region Opt-In Status Change"],
        "detail": {"status": ["ENABLED"]},
    }
