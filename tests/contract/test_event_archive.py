"""An archive on the local AWS, which CloudFormation makes, and replaying it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.process import LocalAws

REGION = "eu-west-1"
TEMPLATE = {
    "Resources": {
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "arrivals"}},
        "Archive": {
            "Type": "AWS::Events::Archive",
            "Properties": {
                "SourceArn": {"Fn::GetAtt": ["Bus", "Arn"]},
                "EventPattern": {"$or": [{"source": ["a"]}, {"detail": {"kept": [True]}}]},
                "RetentionDays": 14,
            },
        },
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventBusName": {"Ref": "Bus"},
                "EventPattern": {"source": ["a", "b"]},
                "Targets": [{"Id": "queue", "Arn": {"Fn::GetAtt": ["Queue", "Arn"]}}],
            },
        },
        "QueuePolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Queue"}],
                "PolicyDocument": {
                    "Statement": {
                        "Effect": "Allow",
                        "Principal": {"Service": "events.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": {"Fn::GetAtt": ["Queue", "Arn"]},
                    }
                },
            },
        },
    },
    "Outputs": {
        "Bus": {"Value": {"Fn::GetAtt": ["Bus", "Arn"]}},
        "Archive": {"Value": {"Fn::GetAtt": ["Archive", "Arn"]}},
        "Queue": {"Value": {"Ref": "Queue"}},
    },
}


def test_what_its_pattern_matches_is_replayed_with_the_name_of_the_replay(
    aws: LocalAws, new_account: Callable[[], str]
) -> None:
    account = new_account()
    stacks, events, queues = (
        aws.client(service, account, REGION) for service in ("cloudformation", "events", "sqs")
    )
    began = time.time()
    stacks.create_stack(StackName="Recovery", TemplateBody=json.dumps(TEMPLATE))
    stacks.get_waiter("stack_create_complete").wait(
        StackName="Recovery", WaiterConfig={"Delay": 0, "MaxAttempts": 200}
    )
    (stack,) = stacks.describe_stacks(StackName="Recovery")["Stacks"]
    made = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def received(count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < count:
            answer = queues.receive_message(
                QueueUrl=made["Queue"], MaxNumberOfMessages=10, WaitTimeSeconds=5
            )
            assert answer.get("Messages"), f"only {found}"
            found += [json.loads(message["Body"]) for message in answer["Messages"]]
        return found

    for source in ("a", "b"):
        entry = {"EventBusName": "arrivals", "Source": source, "DetailType": "t", "Detail": "{}"}
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0
    received(2)
    events.start_replay(
        ReplayName="after",
        EventSourceArn=made["Archive"],
        EventStartTime=datetime.fromtimestamp(began - 60, UTC),
        EventEndTime=datetime.fromtimestamp(time.time() + 60, UTC),
        Destination={"Arn": made["Bus"]},
    )

    (again,) = received(1)
    assert (again["source"], again["replay-name"]) == ("a", "after")
    (kept,) = events.list_archives()["Archives"]
    assert (kept["RetentionDays"], kept["EventCount"]) == (14, 1)
    stacks.delete_stack(StackName="Recovery")
    stacks.get_waiter("stack_delete_complete").wait(
        StackName=stack["StackId"], WaiterConfig={"Delay": 0, "MaxAttempts": 200}
    )
    assert events.list_archives()["Archives"] == []
