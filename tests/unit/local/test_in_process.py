from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.in_process import everything_local, local_session
from tests.unit.local.echo import EchoWorld

ACCOUNT = "111122223333"
ROLE = "arn:aws:iam::444455556666:role/RollcallMember"


def trusting(caller: str, role: str, external_id: str | None) -> bool:
    return (caller, role, external_id) == (ACCOUNT, ROLE, "rollcall")


def test_a_role_is_assumed_and_its_account_calls() -> None:
    world = EchoWorld("securityhub", {"ListMembers": {}})
    sts = local_session(world.endpoint, ACCOUNT, may_assume=trusting).client("sts")

    given = sts.assume_role(RoleArn=ROLE, RoleSessionName="test", ExternalId="rollcall")
    with everything_local(world.endpoint):
        member = boto3.Session(
            aws_access_key_id=given["Credentials"]["AccessKeyId"],
            aws_secret_access_key=given["Credentials"]["SecretAccessKey"],
            aws_session_token=given["Credentials"]["SessionToken"],
            region_name="eu-west-1",
        )
        member.client("securityhub").list_members()

    assert world.service.asked[0][0].account_id == "444455556666"


@pytest.mark.parametrize("external_id", ["another", None])
def test_a_role_that_does_not_trust_the_caller_is_refused(external_id: str | None) -> None:
    world = EchoWorld("securityhub", {})
    sts = local_session(world.endpoint, ACCOUNT, may_assume=trusting).client("sts")
    condition = {"ExternalId": external_id} if external_id else {}

    with pytest.raises(ClientError) as caught:
        sts.assume_role(RoleArn=ROLE, RoleSessionName="test", **condition)  # type: ignore[arg-type]  # one str

    assert caught.value.response["Error"] == {
        "Type": "Sender",
        "Code": "AccessDenied",
        "Message": f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: "
        f"sts:AssumeRole on resource: {ROLE}",
    }


def test_a_call_to_a_service_nobody_wrote_is_a_mistake_of_the_test() -> None:
    world = EchoWorld("securityhub", {})

    with pytest.raises(AssertionError, match="no local service"):
        local_session(world.endpoint, ACCOUNT).client("sqs").list_queues()
