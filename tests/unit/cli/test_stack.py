"""Looking up the outputs of the deployed stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.cli.stack import NotDeployed, stack_outputs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def cloudformation() -> Iterator[Any]:
    """A client whose stack RollcallTest has the output ``TableName``."""
    client: Any = boto3.Session(
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106  # no secret
        region_name="eu-west-1",
    ).client("cloudformation")
    stack = {
        "StackName": "RollcallTest",
        "CreationTime": "2027-01-11T08:00:00Z",
        "StackStatus": "CREATE_COMPLETE",
        "Outputs": [{"OutputKey": "TableName", "OutputValue": "table"}],
    }
    with Stubber(client) as stub:
        stub.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "RollcallTest"})
        yield client


def test_outputs_are_those_of_the_stack(cloudformation: Any) -> None:
    assert stack_outputs(cloudformation, "RollcallTest", "TableName") == {"TableName": "table"}


def test_an_output_that_the_stack_lacks_is_named(cloudformation: Any) -> None:
    with pytest.raises(NotDeployed, match="the stack RollcallTest has no output TopicArn"):
        stack_outputs(cloudformation, "RollcallTest", "TableName", "TopicArn")
