"""The examples in docs/events.md select what they say, of what runs really publish."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import AccountId
from tests.support.examples import example
from tests.workflow.hands import reconcile

if TYPE_CHECKING:
    from tests.support.rollcall import Rollcall

WATCHED, ALSO_WATCHED = AccountId("444455556666"), AccountId("555566667777")
OTHER = AccountId("666677778888")
PENDING = {"state": "PENDING_ACTIVATION"}


def queue(rollcall: Rollcall, name: str) -> tuple[str, str]:
    """The URL and the ARN of a new queue."""
    sqs: Any = rollcall.session.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, told["Attributes"]["QueueArn"]


def received(rollcall: Rollcall, url: str) -> list[dict[str, Any]]:
    sqs: Any = rollcall.session.client("sqs")
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def test_a_rule_for_accounts_matches_the_runs_that_failed_for_one_of_them(
    rollcall: Rollcall,
) -> None:
    events: Any = rollcall.session.client("events")
    url, arn = queue(rollcall, "failures")
    rule = {"Name": "failures", "EventBusName": "rollcall"}
    events.put_rule(**rule, EventPattern=example("event-pattern"))
    target = {"Id": "queue", "Arn": arn}
    events.put_targets(Rule=rule["Name"], EventBusName="rollcall", Targets=[target])
    rollcall.found_organization()
    rollcall.add_account(WATCHED)
    rollcall.add_account(ALSO_WATCHED, **PENDING)
    rollcall.add_account(OTHER, **PENDING)

    rollcall.run({"accounts": [{"id": WATCHED}, {"id": OTHER}]}, "of-the-other")
    rollcall.run({"accounts": [{"id": WATCHED}, {"id": ALSO_WATCHED}]}, "of-one")
    rollcall.run({"accounts": [{"id": WATCHED}]}, "of-none")

    assert [each["detail"]["onboarding_id"] for each in received(rollcall, url)] == ["of-one"]


def test_a_filter_policy_by_outcome_lets_through_what_is_to_be_looked_at(
    rollcall: Rollcall,
) -> None:
    sns: Any = rollcall.session.client("sns")
    url, arn = queue(rollcall, "to-be-looked-at")
    (topic,) = [each["TopicArn"] for each in sns.list_topics()["Topics"]]
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"RawMessageDelivery": "true", "FilterPolicy": example("filter-policy")},
    )
    rollcall.found_organization()
    rollcall.add_account(WATCHED)
    rollcall.add_account(OTHER, **PENDING)

    rollcall.run({"accounts": [{"id": WATCHED}]}, "fine")
    rollcall.run({"accounts": [{"id": OTHER}]}, "incomplete")
    rollcall.run({"accounts": []}, "refused")
    reconcile(rollcall, {"most_changes": 0}, "to-be-confirmed")
    reconcile(rollcall, {"report_only": True}, "reported")

    assert [each.get("onboarding_id", each.get("id")) for each in received(rollcall, url)] == [
        *("incomplete", "refused", "to-be-confirmed")
    ]
