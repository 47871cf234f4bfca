"""Checks for every stack with rules: its queue for undelivered events and its alarms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.infra.support import arrival_rules, resources, text, the

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = 86400


def check_undelivered_events(template: Mapping[str, Any]) -> None:
    """Undelivered events of every rule, and no other messages, go to one encrypted queue."""
    rules = arrival_rules(template)
    queue = queue_of_rules(template)
    policy = policy_of(template, queue)
    allowed = [statement for statement in policy if statement["Effect"] == "Allow"]

    for rule in rules.values():
        (target,) = rule["Targets"]
        assert text(target["DeadLetterConfig"]["Arn"]) == queue
    for properties in resources(template, "AWS::SQS::Queue").values():
        assert properties | {"Tags": None} == {
            "MessageRetentionPeriod": 14 * DAY,
            "SqsManagedSseEnabled": True,
            "Tags": None,
        }
    for statement in allowed:
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        assert statement["Action"] == "sqs:SendMessage"
        assert set(statement["Condition"]) == {"ArnEquals"}
    admitted = {text(s["Condition"]["ArnEquals"]["aws:SourceArn"]) for s in allowed}
    assert admitted == set(rules)
    assert refuses_plain_http(policy)


def queue_of_rules(template: Mapping[str, Any]) -> str:
    """The logical id of the one dead-letter queue of all rules about accounts."""
    rules = arrival_rules(template).values()
    (queue,) = {text(t["DeadLetterConfig"]["Arn"]) for rule in rules for t in rule["Targets"]}
    return queue


def policy_of(template: Mapping[str, Any], queue: str) -> list[dict[str, Any]]:
    """The statements of a queue's policy."""
    (policy,) = [
        one["PolicyDocument"]["Statement"]
        for one in resources(template, "AWS::SQS::QueuePolicy").values()
        if [text(each) for each in one["Queues"]] == [queue]
    ]
    statements: list[dict[str, Any]] = policy
    return statements


def check_alarms(template: Mapping[str, Any]) -> None:
    """Every alarm has a topic that CloudWatch may publish to, encrypted; one watches the queue of
    the rules and names the command that redrives its events.
    """
    topic = text(template["Outputs"]["OperationsTopicArn"]["Value"])
    alarms = resources(template, "AWS::CloudWatch::Alarm").values()
    for alarm in alarms:
        assert [text(action) for action in alarm["AlarmActions"]] == [topic]
        assert [text(action) for action in alarm["OKActions"]] == [topic]
        # Either something has happened once, or nothing has.
        is_absence = alarm["TreatMissingData"] == "breaching"
        compared = "LessThanThreshold" if is_absence else "GreaterThanOrEqualToThreshold"
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, compared)
        assert len(text(alarm["AlarmDescription"])) < 1024
    about = watched_queues(template)
    assert ".venv/bin/rollcall redrive" in about[queue_of_rules(template)]
    assert set(about) == set(resources(template, "AWS::SQS::Queue"))

    key = the(template, "AWS::KMS::Key")
    assert key["EnableKeyRotation"] is True
    (policy,) = [
        policy["PolicyDocument"]["Statement"]
        for policy in resources(template, "AWS::SNS::TopicPolicy").values()
        if [text(one) for one in policy["Topics"]] == [topic]
    ]
    assert cloudwatch_may(key["KeyPolicy"]["Statement"]) == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert cloudwatch_may(policy) == "sns:Publish"


def watched_queues(template: Mapping[str, Any]) -> dict[str, str]:
    """What the alarms about queues say, by the logical id of the queue."""
    about = {}
    for alarm in resources(template, "AWS::CloudWatch::Alarm").values():
        if alarm["Namespace"] == "AWS/SQS":
            (dimension,) = alarm["Dimensions"]
            assert dimension["Name"] == "QueueName"
            assert (alarm["Statistic"], alarm["TreatMissingData"]) == ("Maximum", "ignore")
            about[text(dimension["Value"])] = text(alarm["AlarmDescription"])
    return about


def cloudwatch_may(policy: list[dict[str, Any]]) -> object:
    """The actions CloudWatch is allowed, for alarms of the account only."""
    (allowed,) = [
        statement
        for statement in policy
        if statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    ]
    assert allowed["Effect"] == "Allow"
    account = text(allowed["Condition"]["StringEquals"]["aws:SourceAccount"])
    alarms = text(allowed["Condition"]["ArnLike"]["aws:SourceArn"])
    assert re.match("arn:aws[a-z-]*:cloudwatch:", alarms)
    assert alarms.endswith(f":{account}:alarm:*")
    return allowed["Action"]


def refuses_plain_http(policy: list[dict[str, Any]]) -> bool:
    return any(
        statement["Effect"] == "Deny"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in policy
    )
