"""The gateway as people run it: a process of its own, spoken to by boto3 over a socket."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
LOCAL_PYTHON = ROOT / ".venv-local" / "bin" / "python"
ADMINISTRATOR = "111122223333"
MANAGEMENT = "999900001111"
MEMBER = "444455556666"
REGION = "eu-west-1"
EVENT = {
    "version": "0",
    "id": "00000000-0000-0000-0000-000000000001",
    "detail-type": "AWS Service Event via CloudTrail",
    "source": "aws.organizations",
    "account": "999900001111",
    "time": "2026-11-21T10:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail": {"eventName": "CreateAccountResult"},
}


class Gateway:
    """A running gateway and what tests ask of it."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    def client(self, service: str, account_id: str = ADMINISTRATOR, **credentials: str) -> Any:
        keys: dict[str, Any] = {
            "aws_access_key_id": account_id,
            "aws_secret_access_key": "local",
            "region_name": REGION,
        }
        options = Config(retries={"mode": "standard", "total_max_attempts": 1})
        session: Any = boto3.Session(**(keys | credentials))
        return session.client(service, endpoint_url=self.url, config=options)

    def control(self, method: str, resource: str, document: object = None) -> Any:
        body = json.dumps(document).encode() if document is not None else None
        request = urllib.request.Request(  # noqa: S310 (our own URL)
            f"{self.url}/_rollcall/{resource}", data=body, method=method
        )
        with urllib.request.urlopen(request) as response:  # noqa: S310 (our own URL)
            return json.load(response)

    def workers(self) -> set[int]:
        """The process ids of the gateway's children."""
        listing = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid="],  # noqa: S607 (wherever ps is)
            capture_output=True,
            text=True,
            check=True,
        )
        pairs = [tuple(map(int, line.split())) for line in listing.stdout.splitlines()]
        return {child for child, parent in pairs if parent == self.process.pid}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    log = tmp_path_factory.mktemp("gateway") / "gateway.log"
    with run_gateway("--log", str(log), "--wait-scale", "0.01") as running:
        yield running


@contextmanager
def run_gateway(*arguments: str) -> Iterator[Gateway]:
    command = [str(LOCAL_PYTHON), "-m", "infra.local", "--port", "0", "--until-stdin-closes"]
    with subprocess.Popen(  # noqa: S603 (our own program)
        [*command, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ready = process.stdout.readline().split()
        yield Gateway(process, ready[-1])
        process.stdin.close()
        process.wait(timeout=10)


def eventually(check: Callable[[], Any], seconds: float = 20) -> Any:
    """The first truthy answer, asked for over and over: the other side is another process."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return answer


def deploy_function(gateway: Gateway, name: str, source: str) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.writestr("index.py", source)
    role = create_role(gateway, f"{name}-role", {"Service": "lambda.amazonaws.com"})
    function = gateway.client("lambda").create_function(
        FunctionName=name,
        Runtime=f"python3.{sys.version_info.minor}",
        Handler="index.handler",
        Role=role,
        Code={"ZipFile": archive.getvalue()},
        Timeout=20,
    )
    return str(function["FunctionArn"])


def create_role(
    gateway: Gateway,
    name: str,
    principal: dict[str, str],
    account_id: str = ADMINISTRATOR,
    condition: dict[str, Any] | None = None,
) -> str:
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "sts:AssumeRole",
    }
    if condition:
        statement["Condition"] = condition
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = gateway.client("iam", account_id).create_role(
        RoleName=name, AssumeRolePolicyDocument=policy
    )
    return str(role["Role"]["Arn"])


def test_our_services_and_ministack_answer_on_one_port(gateway: Gateway) -> None:
    gateway.client("securityhub").enable_security_hub(EnableDefaultStandards=False)
    queue = gateway.client("sqs").create_queue(QueueName="anything")["QueueUrl"]
    gateway.client("s3").create_bucket(
        Bucket="anything", CreateBucketConfiguration={"LocationConstraint": REGION}
    )

    assert gateway.client("securityhub").list_members()["Members"] == []
    assert queue.endswith(f"/{ADMINISTRATOR}/anything")
    calls = gateway.control("GET", "calls")["calls"]
    assert [(call["service"], call["operation"]) for call in calls] == [
        ("securityhub", "EnableSecurityHub"),
        ("securityhub", "ListMembers"),
    ]


def test_a_service_event_reaches_a_rules_target_whole(gateway: Gateway) -> None:
    events, sqs = gateway.client("events"), gateway.client("sqs")
    events.create_event_bus(Name="rollcall")
    queue = sqs.create_queue(QueueName="received")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ADMINISTRATOR}:received"
    events.put_rule(
        Name="accounts",
        EventBusName="rollcall",
        EventPattern=json.dumps({"source": ["aws.organizations"]}),
    )
    events.put_targets(
        Rule="accounts", EventBusName="rollcall", Targets=[{"Id": "queue", "Arn": arn}]
    )

    gateway.control(
        "POST",
        "events",
        {"account": ADMINISTRATOR, "region": REGION, "bus": "rollcall", "event": EVENT},
    )

    received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert json.loads(received[0]["Body"]) == EVENT


def test_an_account_made_through_organizations_is_announced_on_its_bus(gateway: Gateway) -> None:
    gateway.control("POST", "world", {"do": "create_organization", "management": MANAGEMENT})
    events = gateway.client("events", MANAGEMENT, region_name="us-east-1")
    sqs = gateway.client("sqs", MANAGEMENT, region_name="us-east-1")
    queue = sqs.create_queue(QueueName="announced")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{MANAGEMENT}:announced"
    pattern = {"detail": {"eventName": ["CreateAccountResult"]}}
    events.put_rule(Name="made", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="made", Targets=[{"Id": "queue", "Arn": arn}])

    created = gateway.client("organizations", MANAGEMENT).create_account(
        Email="new@example.com", AccountName="new"
    )["CreateAccountStatus"]

    received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
    event = json.loads(received[0]["Body"])
    assert (event["account"], event["region"]) == (MANAGEMENT, "us-east-1")
    announced = event["detail"]["serviceEventDetails"]["createAccountStatus"]
    assert (announced["id"], announced["state"]) == (created["Id"], "SUCCEEDED")


def test_a_role_is_given_only_to_those_it_trusts(gateway: Gateway) -> None:
    role = create_role(
        gateway,
        "RollcallMember",
        {"AWS": f"arn:aws:iam::{ADMINISTRATOR}:root"},
        account_id=MEMBER,
        condition={"StringEquals": {"sts:ExternalId": "rollcall"}},
    )
    trusted = gateway.client("sts")

    def refused(account_id: str, arn: str, external_id: str) -> str:
        with pytest.raises(ClientError) as caught:
            gateway.client("sts", account_id).assume_role(
                RoleArn=arn, RoleSessionName="test", ExternalId=external_id
            )
        error = caught.value.response["Error"]
        assert error["Code"] == "AccessDenied"
        return error["Message"]

    assert refused(ADMINISTRATOR, role, "another") == (
        f"User: arn:aws:iam::{ADMINISTRATOR}:root is not authorized to perform: "
        f"sts:AssumeRole on resource: {role}"
    )
    assert refused("777788889999", role, "rollcall")
    assert refused(ADMINISTRATOR, f"{role}-that-is-not-there", "rollcall")
    given = trusted.assume_role(RoleArn=role, RoleSessionName="test", ExternalId="rollcall")
    member = gateway.client(
        "securityhub",
        aws_access_key_id=given["Credentials"]["AccessKeyId"],
        aws_secret_access_key=given["Credentials"]["SecretAccessKey"],
        aws_session_token=given["Credentials"]["SessionToken"],
    )
    hub = member.enable_security_hub(EnableDefaultStandards=False) and member.describe_hub()
    assert hub["HubArn"].split(":")[4] == MEMBER


HANDLER = """
from botocore.session import Session

class NotYetError(Exception):
    pass

class RefusedError(Exception):
    pass

calls = 0

def handler(event, context):
    global calls
    calls += 1
    caller = Session().create_client("sts").get_caller_identity()["Arn"]
    if event["end"] == "refused":
        raise RefusedError("no")
    if calls < 3:
        raise NotYetError(f"call {calls}")
    return {"calls": calls, "caller": caller}
"""


def machine(function: str) -> str:
    call = {
        "Type": "Task",
        "Resource": function,
        "Retry": [
            {
                "ErrorEquals": ["NotYetError"],
                "IntervalSeconds": 1,
                "BackoffRate": 100,
                "MaxDelaySeconds": 2,
                "MaxAttempts": 3,
            }
        ],
        "Catch": [{"ErrorEquals": ["RefusedError"], "Next": "Caught"}],
        "End": True,
    }
    states = {"Call": call, "Caught": {"Type": "Pass", "End": True}}
    return json.dumps({"StartAt": "Call", "States": states})


def test_errors_of_functions_keep_their_names(gateway: Gateway) -> None:
    function = deploy_function(gateway, "named-errors", HANDLER)
    states = gateway.client("stepfunctions")
    role = create_role(gateway, "machine-role", {"Service": "states.amazonaws.com"})
    arn = states.create_state_machine(
        name="named-errors", definition=machine(function), roleArn=role
    )["stateMachineArn"]

    def run(end: str) -> Any:
        execution = states.start_execution(stateMachineArn=arn, input=json.dumps({"end": end}))[
            "executionArn"
        ]

        def ended() -> Any:
            answer = states.describe_execution(executionArn=execution)
            return answer if answer["status"] != "RUNNING" else None

        answer = eventually(ended)
        assert answer["status"] == "SUCCEEDED", answer["cause"]
        return json.loads(answer["output"])

    retried, caught = run("calls"), run("refused")

    # The environment outlived its exceptions: it counted on.
    assert retried["calls"] == 3
    assert retried["caller"] == (
        f"arn:aws:sts::{ADMINISTRATOR}:assumed-role/named-errors-role/named-errors"
    )
    assert caught["Error"] == "RefusedError"
    cause = json.loads(caught["Cause"])
    assert (cause["errorType"], cause["errorMessage"]) == ("RefusedError", "no")
    assert "raise RefusedError" in cause["stackTrace"][-1]
    invoked = gateway.client("lambda").invoke(
        FunctionName="named-errors", Payload=json.dumps({"end": "refused"})
    )
    assert invoked["FunctionError"] == "Unhandled"
    assert json.load(invoked["Payload"])["errorType"] == "RefusedError"


def test_a_child_execution_knows_its_own_name(gateway: Gateway) -> None:
    states = gateway.client("stepfunctions")
    role = create_role(gateway, "parent-role", {"Service": "states.amazonaws.com"})
    names = {"Type": "Pass", "Parameters": {"own.$": "$$.Execution.Name", "parent.$": "$.parent"}}
    children = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemSelector": {"parent.$": "$$.Execution.Name"},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Names",
            "States": {"Names": names | {"End": True}},
        },
        "End": True,
    }
    arn = states.create_state_machine(
        name="parent",
        definition=json.dumps({"StartAt": "Children", "States": {"Children": children}}),
        roleArn=role,
    )["stateMachineArn"]
    execution = states.start_execution(
        stateMachineArn=arn, name="the-parent", input=json.dumps({"items": [1, 2]})
    )["executionArn"]

    output = eventually(lambda: states.describe_execution(executionArn=execution).get("output"))

    (map_run,) = states.list_map_runs(executionArn=execution)["mapRuns"]
    started = states.list_executions(mapRunArn=map_run["mapRunArn"])["executions"]
    found = json.loads(output)
    assert {child["own"] for child in found} == {child["name"] for child in started}
    assert [child["parent"] for child in found] == ["the-parent", "the-parent"]


def test_faults_clock_and_reset_are_controlled_from_outside() -> None:
    with run_gateway() as gateway:
        hub = gateway.client("securityhub")
        gateway.control("POST", "faults", {"kind": "throttling", "service": "securityhub"})
        with pytest.raises(ClientError) as throttled:
            hub.list_members()
        before = gateway.control("GET", "clock")["now"]
        after = gateway.control("POST", "clock", {"advance": 3600})["now"]
        gateway.client("sqs").create_queue(QueueName="forgotten")

        gateway.control("POST", "reset")

        assert throttled.value.response["Error"]["Code"] == "LimitExceededException"
        assert after - before >= 3600
        assert gateway.control("GET", "faults") == {"faults": []}
        assert gateway.control("GET", "calls") == {"calls": []}
        assert not gateway.client("sqs").list_queues().get("QueueUrls")


@pytest.mark.parametrize("end", ["SIGTERM", "SIGINT", "stdin closes"])
def test_nothing_is_left_when_it_ends(end: str) -> None:
    with run_gateway() as gateway:
        deploy_function(gateway, "idle", "def handler(event, context):\n    return event\n")
        gateway.client("lambda").invoke(FunctionName="idle", Payload=b"{}")
        workers = gateway.workers()
        assert gateway.process.stdin is not None

        if end == "stdin closes":
            gateway.process.stdin.close()
        else:
            gateway.process.send_signal(signal.Signals[end])

        assert gateway.process.wait(timeout=10) == 0
        assert workers
        assert all(_gone(pid) for pid in workers)


def test_workers_end_with_a_gateway_that_is_killed() -> None:
    with run_gateway() as gateway:
        deploy_function(gateway, "idle", "def handler(event, context):\n    return event\n")
        gateway.client("lambda").invoke(FunctionName="idle", Payload=b"{}")
        workers = gateway.workers()

        gateway.process.kill()
        gateway.process.wait(timeout=10)

        assert workers
        for pid in workers:
            eventually(partial(_gone, pid))


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
