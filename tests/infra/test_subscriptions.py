"""The configured subscribers: those of results and those of alarms, each on its own topics."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from infra.notifications import Notifications, Subscriber
from tests.infra.conftest import ORGANIZED, synthesise
from tests.infra.support import resources, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.infra.conftest import Templates

EMAIL = ("email", "security@example.com")
QUEUE = ("sqs", "arn:aws:sqs:eu-west-1:111122223333:results")
FUNCTION = ("lambda", "arn:aws:lambda:eu-west-1:111122223333:function:page")


def subscribed(template: Mapping[str, Any], output: str) -> list[dict[str, Any]]:
    topic = text(template["Outputs"][output]["Value"])
    found = resources(template, "AWS::SNS::Subscription").values()
    return [each for each in found if text(each["TopicArn"]) == topic]


def endpoints(template: Mapping[str, Any], output: str) -> set[tuple[str, str]]:
    return {(each["Protocol"], each["Endpoint"]) for each in subscribed(template, output)}


def test_results_are_sent_to_their_subscribers_a_queue_receives_the_document_itself(
    templates: Templates,
) -> None:
    assert endpoints(templates["Rollcall"], "TopicArn") == {EMAIL, QUEUE}
    raw = {
        each["Protocol"]: each.get("RawMessageDelivery")
        for each in subscribed(templates["Rollcall"], "TopicArn")
    }
    assert raw == {"email": None, "sqs": True}


@pytest.mark.parametrize(
    "stack", ["Rollcall", "RollcallOrganizationEvents", "RollcallControlTowerEvents"]
)
def test_alarms_of_every_stack_are_sent_to_theirs(stack: str, templates: Templates) -> None:
    assert endpoints(templates[stack], "OperationsTopicArn") == {EMAIL, FUNCTION}


def test_removing_a_subscriber_leaves_the_other_subscriptions_as_they_are(
    templates: Templates, tmp_path: Path
) -> None:
    fewer = replace(ORGANIZED, notifications=Notifications((Subscriber(*QUEUE),), ()))
    before = resources(templates["Rollcall"], "AWS::SNS::Subscription")

    after = resources(synthesise(fewer, tmp_path)["Rollcall"], "AWS::SNS::Subscription")

    assert len(after) == 1
    assert after.items() <= before.items()
