"""The deployed stack ``Rollcall``: where the verbs learn what was deployed."""

from __future__ import annotations

from typing import Any

STACK = "Rollcall"


class NotDeployed(Exception):
    """The stack lacks what a verb needs; the message says what."""


def stack_outputs(cloudformation: Any, *wanted: str) -> dict[str, str]:
    """The stack's outputs by key, ``wanted`` among them.

    ``cloudformation`` is boto3's client, of the account and Region that Rollcall is deployed to.

    Raises:
        NotDeployed: the stack has no such output.
        ClientError: there is no such stack, or the call was refused.
    """
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}
    for key in wanted:
        if key not in outputs:
            raise NotDeployed(f"the stack {STACK} has no output {key}")
    return outputs
