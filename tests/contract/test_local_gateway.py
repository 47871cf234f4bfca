"""The gateway as people run it: a process of its own, spoken to by boto3 over a socket."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from functools import partial
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local.process import local_aws

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.local.process import LocalAws

ADMINISTRATOR = "111122223333"
MEMBER = "444455556666"
REGION = "eu-west-1"
REGIONS = ("us-east-1", "ap-east-1")
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


def client(aws: LocalAws, service: str, account_id: str = ADMINISTRATOR) -> Any:
    return aws.client(service, account_id, REGION)


def children(aws: LocalAws) -> set[int]:
    """The process ids of the Lambda workers."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="],  # noqa: S607 (wherever ps is)
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = [tuple(map(int, line.split())) for line in listing.stdout.splitlines()]
    return {child for child, parent in pairs if parent == aws.process.pid}


def eventually(check: Callable[[], Any], seconds: float = 20) -> Any:
    """The first truthy answer, asked for over and over: the other side is another process."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return answer


def deploy_function(aws: LocalAws, name: str, source: str) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.writestr("index.py", source)
    role = create_role(aws, f"{name}-role", {"Service": "lambda.amazonaws.com"})
    function = client(aws, "lambda").create_function(
        FunctionName=name,
        Runtime=f"python3.{sys.version_info.minor}",
        Handler="index.handler",
        Role=role,
        Code={"ZipFile": archive.getvalue()},
        Timeout=20,
    )
    return str(function["FunctionArn"])


def create_role(
    aws: LocalAws,
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
    role = client(aws, "iam", account_id).create_role(
        RoleName=name, AssumeRolePolicyDocument=policy
    )
    return str(role["Role"]["Arn"])


def test_our_services_and_ministack_answer_on_one_port(
    aws: LocalAws, new_account: Callable[[], str]
) -> None:
    account = new_account()
    hub = client(aws, "securityhub", account)
    hub.enable_security_hub(EnableDefaultStandards=False)
    queue = client(aws, "sqs", account).create_queue(QueueName="anything")["QueueUrl"]
    client(aws, "s3", account).create_bucket(
        Bucket="anything", CreateBucketConfiguration={"LocationConstraint": REGION}
    )

    assert hub.list_members()["Members"] == []
    assert queue.endswith(f"/{account}/anything")
    assert [
        (call["service"], call["operation"])
        for call in aws.control("GET", "calls")["calls"]
        if call["account_id"] == account
    ] == [
        ("securityhub", "EnableSecurityHub"),
        ("securityhub", "ListMembers"),
    ]


def test_a_service_event_reaches_a_rules_target_whole(aws: LocalAws) -> None:
    events, sqs = client(aws, "events"), client(aws, "sqs")
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

    aws.control(
        "POST",
        "events",
        {"account": ADMINISTRATOR, "region": REGION, "bus": "rollcall", "event": EVENT},
    )

    received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert json.loads(received[0]["Body"]) == EVENT


def test_a_role_is_given_only_to_those_it_trusts(aws: LocalAws) -> None:
    role = create_role(
        aws,
        "RollcallMember",
        {"AWS": f"arn:aws:iam::{ADMINISTRATOR}:root"},
        account_id=MEMBER,
        condition={"StringEquals": {"sts:ExternalId": "rollcall"}},
    )
    trusted = client(aws, "sts")

    def refused(account_id: str, arn: str, external_id: str) -> str:
        with pytest.raises(ClientError) as caught:
            client(aws, "sts", account_id).assume_role(
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
    member: Any = boto3.Session().client(
        "securityhub",
        endpoint_url=aws.url,
        region_name=REGION,
        aws_access_key_id=given["Credentials"]["AccessKeyId"],
        aws_secret_access_key=given["Credentials"]["SecretAccessKey"],
        aws_session_token=given["Credentials"]["SessionToken"],
    )
    hub = member.enable_security_hub(EnableDefaultStandards=False) and member.describe_hub()
    assert hub["HubArn"].split(":")[4] == MEMBER


def refusal(call: Callable[..., Any], **params: Any) -> tuple[str, int]:
    """The code and status of an error."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"Action=GetCallerIdentity&Version=2011-06-15&Odd=\xff", 200),
        (b"Action=AssumeRole&Version=2011-06-15&RoleArn=\xff", 403),
    ],
)
def test_a_request_that_is_not_utf8_ends_in_no_traceback(
    aws: LocalAws, body: bytes, status: int
) -> None:
    scope = f"{ADMINISTRATOR}/20261122/{REGION}/sts/aws4_request"
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    connection = HTTPConnection(aws.url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/", body, headers)

    with connection.getresponse() as answer:
        assert answer.status == status
    connection.close()


def test_an_account_that_is_not_open_is_denied_and_gives_out_no_role(
    aws: LocalAws, new_account: Callable[[], str]
) -> None:
    caller, account = new_account(), new_account()
    trusts = {"AWS": f"arn:aws:iam::{caller}:root"}
    session = {"RoleArn": create_role(aws, "Open", trusts, account), "RoleSessionName": "test"}
    sts = client(aws, "sts", caller)
    given = sts.assume_role(**session)["Credentials"]

    aws.world(do="add_account", account_id=account, state="SUSPENDED")
    denied = {
        service: refusal(getattr(client(aws, service, account), operation))
        for service, operation in (
            ("sts", "get_caller_identity"),
            ("iam", "list_roles"),
            ("ec2", "describe_regions"),
            ("s3", "list_buckets"),
            ("events", "list_rules"),
            ("securityhub", "describe_hub"),
        )
    }
    assumed = refusal(sts.assume_role, **session)
    still = boto3.Session(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    iam: Any = still.client("iam", endpoint_url=aws.url, region_name=REGION)
    kept = refusal(iam.list_roles)
    aws.world(do="set_account", account_id=account, state="ACTIVE")

    assert denied == {
        "sts": ("AccessDenied", 403),
        "iam": ("AccessDenied", 403),
        "ec2": ("UnauthorizedOperation", 403),
        "s3": ("AccessDenied", 403),
        "events": ("AccessDeniedException", 400),
        "securityhub": ("AccessDeniedException", 403),
    }
    assert assumed == kept == ("AccessDenied", 403)
    assert sts.assume_role(**session)


@pytest.mark.parametrize(
    ("principal", "name"),
    [
        ("securityhub.amazonaws.com", "AWSServiceRoleForSecurityHub"),
        ("guardduty.amazonaws.com", "AWSServiceRoleForAmazonGuardDuty"),
        (
            "malware-protection.guardduty.amazonaws.com",
            "AWSServiceRoleForAmazonGuardDutyMalwareProtection",
        ),
        ("detective.amazonaws.com", "AWSServiceRoleForDetective"),
        ("macie.amazonaws.com", "AWSServiceRoleForAmazonMacie"),
        ("inspector2.amazonaws.com", "AWSServiceRoleForAmazonInspector2"),
    ],
)
def test_a_service_linked_role_has_its_aws_name_and_is_made_once(
    aws: LocalAws, new_account: Callable[[], str], principal: str, name: str
) -> None:
    account = new_account()
    iam = client(aws, "iam", account)

    role = iam.create_service_linked_role(AWSServiceName=principal, Description="made")["Role"]
    with pytest.raises(ClientError) as again:
        iam.create_service_linked_role(AWSServiceName=principal)
    with pytest.raises(ClientError) as suffixed:
        iam.create_service_linked_role(AWSServiceName=principal, CustomSuffix="two")

    assert role["Arn"] == f"arn:aws:iam::{account}:role/aws-service-role/{principal}/{name}"
    assert iam.get_role(RoleName=name)["Role"]["Description"] == "made"
    answer = again.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (
        "InvalidInput",
        400,
    )
    assert answer["Error"]["Message"] == (
        f"Service role name {name} has been taken in this account, please try a different suffix."
    )
    refused = suffixed.value.response["Error"]
    assert refused["Code"] == "InvalidInput"
    assert refused["Message"] == f"Custom suffix is not allowed for {principal}"


def test_a_service_may_take_a_suffix_for_its_role(
    aws: LocalAws, new_account: Callable[[], str]
) -> None:
    iam = client(aws, "iam", new_account())
    principal = "autoscaling.amazonaws.com"

    names = [
        iam.create_service_linked_role(AWSServiceName=principal, **suffix)["Role"]["RoleName"]
        for suffix in ({}, {"CustomSuffix": "two"})
    ]

    assert names == ["AWSServiceRoleForAutoScaling", "AWSServiceRoleForAutoScaling_two"]


@pytest.mark.parametrize("role", [None, "Admin"])
def test_a_created_account_has_a_role_that_its_management_account_may_assume(
    aws: LocalAws, new_account: Callable[[], str], role: str | None
) -> None:
    management, stranger = new_account(), new_account()
    aws.world(do="create_organization", management=management)
    organizations = client(aws, "organizations", management)
    given = {"RoleName": role} if role else {}
    request = organizations.create_account(
        Email=f"{role}-{management}@example.com", AccountName="new", **given
    )["CreateAccountStatus"]["Id"]

    def created() -> Any:
        status = organizations.describe_create_account_status(CreateAccountRequestId=request)
        return status["CreateAccountStatus"].get("AccountId")

    account = eventually(created)
    arn = f"arn:aws:iam::{account}:role/{role or 'OrganizationAccountAccessRole'}"
    session = {"RoleArn": arn, "RoleSessionName": "test"}
    refused = refusal(client(aws, "sts", stranger).assume_role, **session)
    credentials = client(aws, "sts", management).assume_role(**session)["Credentials"]
    assumed: Any = boto3.Session().client(
        "iam",
        endpoint_url=aws.url,
        region_name=REGION,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )

    assert refused == ("AccessDenied", 403)
    assert [one["Arn"] for one in assumed.list_roles()["Roles"]] == [arn]
    attached = assumed.list_attached_role_policies(RoleName=arn.split("/")[-1])
    assert [one["PolicyName"] for one in attached["AttachedPolicies"]] == ["AdministratorAccess"]


def test_a_region_not_opted_in_to_knows_no_credentials_of_the_account(
    aws: LocalAws, new_account: Callable[[], str]
) -> None:
    account, unknown = new_account(), new_account()
    aws.world(do="add_account", account_id=account, regions=["af-south-1"])

    refused = {
        service: refusal(getattr(aws.client(service, account, "ap-east-1"), operation))
        for service, operation in (
            ("sts", "get_caller_identity"),
            ("ec2", "describe_regions"),
            ("events", "list_rules"),
            ("lambda", "list_functions"),
            ("securityhub", "describe_hub"),
        )
    }
    nobody = refusal(aws.client("sts", unknown, "af-south-1").get_caller_identity)

    assert refused == {
        "sts": ("InvalidClientTokenId", 403),
        "ec2": ("AuthFailure", 401),
        "events": ("UnrecognizedClientException", 400),
        "lambda": ("UnrecognizedClientException", 403),
        "securityhub": ("UnrecognizedClientException", 403),
    }
    assert nobody == ("InvalidClientTokenId", 403)
    for region in ("af-south-1", REGION):
        assert aws.client("sts", account, region).get_caller_identity()["Account"] == account
    # IAM is global, wherever its client is.
    assert aws.client("iam", account, "ap-east-1").list_roles()["Roles"] == []


def test_a_region_only_the_roles_account_lacks_is_disabled_for_the_role(
    aws: LocalAws, new_account: Callable[[], str]
) -> None:
    caller, account = new_account(), new_account()
    aws.world(do="add_account", account_id=caller, regions=["ap-east-1"])
    aws.world(do="add_account", account_id=account)
    trusts = {"AWS": f"arn:aws:iam::{caller}:root"}
    session = {"RoleArn": create_role(aws, "There", trusts, account), "RoleSessionName": "test"}
    sts = aws.client("sts", caller, "ap-east-1")

    stranger = {**session, "RoleArn": f"arn:aws:iam::{account}:role/Unknown"}
    assert refusal(sts.assume_role, **stranger) == ("AccessDenied", 403)
    assert refusal(sts.assume_role, **session) == ("RegionDisabledException", 403)

    aws.world(do="set_account", account_id=account, regions=["ap-east-1"])
    assert sts.assume_role(**session)["Credentials"]


def test_a_bucket_addressed_by_its_host_is_refused_in_a_region_not_opted_in_to(
    aws: LocalAws, new_account: Callable[[], str]
) -> None:
    account = new_account()
    aws.world(do="add_account", account_id=account, regions=["af-south-1"])
    bucket = f"bucket-{account}"
    aws.client("s3", account, "us-east-1").create_bucket(Bucket=bucket)

    def listed(region: str, host: str, path: str) -> int:
        scope = f"{account}/20261121/{region}/s3/aws4_request"
        request = urllib.request.Request(  # noqa: S310  # our own URL
            aws.url + path,
            headers={
                "Host": host,
                "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, "
                "Signature=0",
            },
        )
        try:
            with urllib.request.urlopen(request) as response:  # noqa: S310  # our own URL
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    by_path = {region: listed(region, "localhost", f"/{bucket}") for region in REGIONS}
    by_host = {region: listed(region, f"{bucket}.localhost", "/") for region in REGIONS}

    assert by_host == by_path
    assert by_host["us-east-1"] == 200
    assert by_host["ap-east-1"] == 403


def test_regions_are_described_as_the_account_has_them(
    aws: LocalAws, new_account: Callable[[], str]
) -> None:
    account = new_account()
    aws.world(do="add_account", account_id=account, regions=["af-south-1"])
    ec2 = client(aws, "ec2", account)

    def described(**params: Any) -> dict[str, str]:
        regions = ec2.describe_regions(**params)["Regions"]
        assert all(one["Endpoint"] == f"ec2.{one['RegionName']}.amazonaws.com" for one in regions)
        return {one["RegionName"]: one["OptInStatus"] for one in regions}

    usual, everything = described(), described(AllRegions=True)
    states = [{"Name": "opt-in-status", "Values": ["opted-in", "not-*"]}]

    assert usual["eu-west-1"] == "opt-in-not-required"
    assert usual["af-south-1"] == "opted-in"
    assert len(usual) == 18
    assert everything["ap-east-1"] == "not-opted-in"
    assert {name for name, status in everything.items() if status != "not-opted-in"} == set(usual)
    assert len(everything) == 36
    # Named Regions are described whether they are on or off.
    assert described(RegionNames=["ap-east-1"]) == {"ap-east-1": "not-opted-in"}
    assert described(Filters=states) == {"af-south-1": "opted-in"}
    assert len(described(Filters=states, AllRegions=True)) == 19
    ends = [{"Name": "endpoint", "Values": ["*.eu-north-1.*"]}]
    assert list(described(Filters=ends)) == ["eu-north-1"]


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


def test_errors_of_functions_keep_their_names(aws: LocalAws) -> None:
    function = deploy_function(aws, "named-errors", HANDLER)
    states = client(aws, "stepfunctions")
    role = create_role(aws, "machine-role", {"Service": "states.amazonaws.com"})
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
    invoked = client(aws, "lambda").invoke(
        FunctionName="named-errors", Payload=json.dumps({"end": "refused"})
    )
    assert invoked["FunctionError"] == "Unhandled"
    assert json.load(invoked["Payload"])["errorType"] == "RefusedError"


VERSIONED = """
import os
from botocore.session import Session

def handler(event, context):
    Session().create_client("sqs").send_message(
        QueueUrl=event["queue"], MessageBody=os.environ["NUMBER"] + " from " + event["by"]
    )
    return os.environ["NUMBER"]
"""


def test_an_alias_is_invoked_with_the_code_and_environment_of_its_version(aws: LocalAws) -> None:
    functions, events, sqs = (client(aws, name) for name in ("lambda", "events", "sqs"))
    states = client(aws, "stepfunctions")
    queue = sqs.create_queue(QueueName="invoked")["QueueUrl"]
    deploy_function(aws, "versioned", VERSIONED)

    def publish(number: str) -> str:
        functions.update_function_configuration(
            FunctionName="versioned", Environment={"Variables": {"NUMBER": number}}
        )
        return str(functions.publish_version(FunctionName="versioned")["Version"])

    alias = functions.create_alias(
        FunctionName="versioned", Name="live", FunctionVersion=publish("one")
    )["AliasArn"]
    machine = states.create_state_machine(
        name="versioned",
        definition=json.dumps(
            {
                "StartAt": "Call",
                "States": {"Call": {"Type": "Task", "Resource": alias, "End": True}},
            }
        ),
        roleArn=create_role(aws, "versioned-machine", {"Service": "states.amazonaws.com"}),
    )["stateMachineArn"]
    events.put_rule(Name="versioned", EventPattern=json.dumps({"source": ["test"]}))
    target = {"Id": "alias", "Arn": alias, "InputPath": "$.detail"}
    events.put_targets(Rule="versioned", Targets=[target])

    def received() -> set[str]:
        """What an invocation of each kind has sent."""
        given = {"queue": queue}
        states.start_execution(
            stateMachineArn=machine, input=json.dumps(given | {"by": "a machine"})
        )
        detail = json.dumps(given | {"by": "a rule"})
        events.put_events(Entries=[{"Source": "test", "DetailType": "test", "Detail": detail}])
        functions.invoke(FunctionName=alias, Payload=json.dumps(given | {"by": "a call"}))
        sent: set[str] = set()

        def all_sent() -> set[str] | None:
            for message in sqs.receive_message(QueueUrl=queue).get("Messages", ()):
                sent.add(message["Body"])
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            return sent if len(sent) == 3 else None

        eventually(all_sent)
        return sent

    first = received()
    second_version = publish("two")
    while_published = received()
    functions.update_alias(FunctionName="versioned", Name="live", FunctionVersion=second_version)
    moved = received()

    by = ("a machine", "a rule", "a call")
    assert first == while_published == {f"one from {each}" for each in by}
    assert moved == {f"two from {each}" for each in by}


def test_a_child_execution_knows_its_own_name(aws: LocalAws) -> None:
    states = client(aws, "stepfunctions")
    role = create_role(aws, "parent-role", {"Service": "states.amazonaws.com"})
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


def test_faults_clock_and_reset_are_controlled_from_outside(tmp_path: Path) -> None:
    with local_aws(tmp_path / "aws.log") as aws:
        hub = client(aws, "securityhub")
        aws.control("POST", "faults", {"kind": "throttling", "service": "securityhub"})
        with pytest.raises(ClientError) as throttled:
            hub.list_members()
        before = aws.control("GET", "clock")["now"]
        after = aws.control("POST", "clock", {"advance": 3600})["now"]
        client(aws, "sqs").create_queue(QueueName="forgotten")

        aws.control("POST", "reset")

        assert throttled.value.response["Error"]["Code"] == "LimitExceededException"
        assert after - before >= 3600
        assert aws.control("GET", "clock")["now"] < after
        assert aws.control("GET", "faults") == {"faults": []}
        assert aws.control("GET", "calls") == {"calls": []}
        assert not client(aws, "sqs").list_queues().get("QueueUrls")


@pytest.mark.parametrize("end", ["SIGTERM", "SIGINT", "stdin closes"])
def test_nothing_is_left_when_it_ends(end: str, tmp_path: Path) -> None:
    with local_aws(tmp_path / "aws.log") as aws:
        deploy_function(aws, "idle", "def handler(event, context):\n    return event\n")
        client(aws, "lambda").invoke(FunctionName="idle", Payload=b"{}")
        workers = children(aws)
        assert aws.process.stdin is not None

        if end == "stdin closes":
            aws.process.stdin.close()
        else:
            aws.process.send_signal(signal.Signals[end])

        assert aws.process.wait(timeout=10) == 0
        assert workers
        assert all(_gone(pid) for pid in workers)


def test_workers_end_with_a_gateway_that_is_killed(tmp_path: Path) -> None:
    with local_aws(tmp_path / "aws.log") as aws:
        deploy_function(aws, "idle", "def handler(event, context):\n    return event\n")
        client(aws, "lambda").invoke(FunctionName="idle", Payload=b"{}")
        workers = children(aws)

        aws.process.kill()
        aws.process.wait(timeout=10)

        assert workers
        for pid in workers:
            eventually(partial(_gone, pid))


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
