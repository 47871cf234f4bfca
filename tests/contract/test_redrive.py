"""Redriving on the local AWS: what the stacks' outputs name, and a queue of another account."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from infra.cli import redrive
from infra.cli.__main__ import main
from tests.support.events import sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.local.process import LocalAws

REGION, ORIGIN = "eu-west-1", "us-east-1"
EVENT = sample("create_account_result_succeeded")
TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": {
                        "Effect": "Allow",
                        "Principal": {"Service": "states.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                    },
                }
            },
        },
        "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "DefinitionString": '{"StartAt":"End","States":{"End":{"Type":"Succeed"}}}',
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
            },
        },
    },
    "Outputs": {
        "StateMachineArn": {"Value": {"Ref": "Machine"}},
        "UndeliveredEventsUrl": {"Value": {"Ref": "Queue"}},
    },
}


@dataclass(frozen=True, slots=True)
class Administrator:
    """An account with a stack Rollcall, of which only what redriving needs is there."""

    aws: LocalAws
    account: str
    machine: str
    queue_url: str

    def put(self, event: dict[str, Any]) -> None:
        queues = self.aws.client("sqs", self.account, REGION)
        queues.send_message(QueueUrl=self.queue_url, MessageBody=json.dumps(event))

    def runs(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and input of every execution."""
        machines = self.aws.client("stepfunctions", self.account, REGION)
        found = machines.list_executions(stateMachineArn=self.machine)["executions"]
        arns = [execution["executionArn"] for execution in found]
        described = [machines.describe_execution(executionArn=arn) for arn in arns]
        return [(one["name"], json.loads(one["input"])) for one in described]


@pytest.fixture
def account(aws: LocalAws, new_account: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> str:
    """An account whose credentials the command finds."""
    account = new_account()
    for name, value in aws.environment(account, REGION).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(redrive, "LONG_POLL_SECONDS", 0)
    return account


@pytest.fixture
def administrator(aws: LocalAws, account: str) -> Administrator:
    return deployed(aws, account, "Rollcall")


def deployed(
    aws: LocalAws, account: str, name: str, template: dict[str, Any] = TEMPLATE
) -> Administrator:
    stacks = aws.client("cloudformation", account, REGION)
    stacks.create_stack(StackName=name, TemplateBody=json.dumps(template))
    stacks.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 0, "MaxAttempts": 200}
    )
    (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    machine, queue_url = outputs["StateMachineArn"], outputs["UndeliveredEventsUrl"]
    return Administrator(aws, account, machine, queue_url)


def test_queue_and_machine_are_those_of_the_stack(
    administrator: Administrator, capsys: pytest.CaptureFixture[str]
) -> None:
    administrator.put(EVENT)

    first, second = main(["redrive"]), main(["redrive"])

    assert (first, second) == (0, 0)
    assert administrator.runs() == [(f"redrive-{EVENT['id']}", EVENT)]
    assert capsys.readouterr().out == (
        f"{EVENT['id']}  CreateAccountResult  started\n"
        "1 redriven, 0 left in the queue\n"
        "0 redriven, 0 left in the queue\n"
    )


def test_a_deployment_of_another_name_has_a_queue_and_a_machine_of_its_own(
    administrator: Administrator,
) -> None:
    other = deployed(administrator.aws, administrator.account, "Rollcall-Test")
    other.put(EVENT)

    by_default, by_name = main(["redrive"]), main(["redrive", "--name", "Rollcall-Test"])

    assert (by_default, by_name) == (0, 0)
    assert administrator.runs() == []
    assert other.runs() == [(f"redrive-{EVENT['id']}", EVENT)]


ARCHIVED: dict[str, Any] = {
    "Resources": {
        **TEMPLATE["Resources"],
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "rollcall"}},
        "Archive": {
            "Type": "AWS::Events::Archive",
            "Properties": {"SourceArn": {"Fn::GetAtt": ["Bus", "Arn"]}},
        },
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventBusName": {"Ref": "Bus"},
                "EventPattern": {"source": ["organizations"]},
                "Targets": [
                    {
                        "Id": "machine",
                        "Arn": {"Ref": "Machine"},
                        "RoleArn": {"Fn::GetAtt": ["Starter", "Arn"]},
                    }
                ],
            },
        },
        "Starter": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Statement": {
                        "Effect": "Allow",
                        "Principal": {"Service": "events.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                    }
                },
                "Policies": [
                    {
                        "PolicyName": "start",
                        "PolicyDocument": {
                            "Statement": {
                                "Effect": "Allow",
                                "Action": "states:StartExecution",
                                "Resource": {"Ref": "Machine"},
                            }
                        },
                    }
                ],
            },
        },
    },
    "Outputs": {
        **TEMPLATE["Outputs"],
        "BusName": {"Value": {"Ref": "Bus"}},
        "BusArn": {"Value": {"Fn::GetAtt": ["Bus", "Arn"]}},
        "EventArchiveArn": {"Value": {"Fn::GetAtt": ["Archive", "Arn"]}},
    },
}


def test_the_command_that_it_prints_replays_the_archive_to_the_rules_of_the_machine(
    aws: LocalAws, account: str, capsys: pytest.CaptureFixture[str]
) -> None:
    administrator = deployed(aws, account, "Rollcall", ARCHIVED)
    events = aws.client("events", account, REGION)
    arrived = {"EventBusName": "rollcall", "Source": "organizations", "DetailType": "arrived"}
    events.put_events(Entries=[arrived | {"Detail": json.dumps({"is": "replayed"})}])

    status = main(["redrive"])

    report, _, command = capsys.readouterr().out.partition("\n\n")
    assert (status, report) == (0, "0 redriven, 0 left in the queue")
    said, _, words = command.partition("\n")
    assert said == "To replay the events of the last day whose runs were lost:"
    _, operation, verb, *options = shlex.split(words.replace("\\\n", " "))
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert (operation, verb, given.pop("--region")) == ("events", "start-replay", REGION)
    bus, _, filters = given["--destination"].removeprefix("Arn=").partition(",FilterArns=")
    events.start_replay(
        ReplayName=given["--replay-name"],
        EventSourceArn=given["--event-source-arn"],
        EventStartTime=given["--event-start-time"],
        EventEndTime=datetime.fromisoformat(given["--event-end-time"]) + timedelta(seconds=1),
        Destination={"Arn": bus, "FilterArns": filters.split(",")},
    )
    described = [
        events.describe_rule(Name=arn.split("/")[2], EventBusName="rollcall")["Arn"]
        for arn in filters.split(",")
    ]
    assert described == filters.split(",")
    while (state := events.describe_replay(ReplayName=given["--replay-name"])["State"]) in (
        "STARTING",
        "RUNNING",
    ):
        pass
    assert state == "COMPLETED"
    live, replayed = sorted((event for _, event in administrator.runs()), key=len)
    assert replayed == live | {"replay-name": given["--replay-name"]}


def test_a_run_that_was_started_before_is_started_no_more(administrator: Administrator) -> None:
    administrator.put(EVENT)
    main(["redrive"])
    administrator.put(EVENT)

    status = main(["redrive"])

    assert status == 0
    assert len(administrator.runs()) == 1


def test_the_queue_of_the_management_account_is_read_with_its_own_profile(
    administrator: Administrator,
    new_account: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    management = new_account()
    profiles = tmp_path / "config"
    profiles.write_text(
        f"[profile management]\naws_access_key_id = {management}\naws_secret_access_key = local\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profiles))
    queues = administrator.aws.client("sqs", management, ORIGIN)
    url = queues.create_queue(QueueName="undelivered")["QueueUrl"]
    queues.send_message(QueueUrl=url, MessageBody=json.dumps(EVENT))

    place = ["--queue-url", url, "--queue-region", ORIGIN, "--queue-profile", "management"]
    status = main(["redrive", *place])

    assert status == 0
    assert administrator.runs() == [(f"redrive-{EVENT['id']}", EVENT)]
    assert "Messages" not in queues.receive_message(QueueUrl=url)


@pytest.mark.usefixtures("account")
def test_where_there_is_no_stack_nothing_is_tried(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["redrive"])

    assert status == 2
    assert "Rollcall" in capsys.readouterr().err
