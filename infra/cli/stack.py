"""A deployed stack and its outputs."""

from __future__ import annotations

from typing import Any


class NotDeployed(Exception):
    """The stack has no output of the name in the message."""


def stack_outputs(cloudformation: Any, name: str, *wanted: str) -> dict[str, str]:
    """The outputs by key of the stack ``name``; those in ``wanted`` must be among them.

    ``cloudformation`` is a boto3 client for the account and Region that Rollcall is deployed to.

    Raises:
        NotDeployed: the stack has no such output.
        ClientError: there is no such stack, or the call was refused.
    """
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}
    for key in wanted:
        if key not in outputs:
            raise NotDeployed(f"the stack {name} has no output {key}")
    return outputs
