"""What a role is allowed on resources whose ids are not known when the stack is deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from infra.constructs.findings import acknowledge, as_written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from constructs import Construct

ANY = "*"


def allow_on(
    scope: Construct,
    role: iam.Role,
    actions: Iterable[str],
    resources: Mapping[str, str],
    *,
    administrator: str,
    reason: str,
) -> None:
    """Let a role of ``scope`` do each action on its resource, or on any where its service has none
    for it; ``reason`` says why it is no narrower.

    ``resources`` are ARNs by action, as a service's record has them.
    """
    stack = cdk.Stack.of(scope)
    place = {
        "partition": stack.partition,
        "account": stack.account,
        "administrator": administrator,
    }
    by_resource: dict[str, set[str]] = {}
    for action in actions:
        by_resource.setdefault(resources.get(action, ANY), set()).add(action)
    for resource, allowed in sorted(by_resource.items()):
        role.add_to_principal_policy(
            iam.PolicyStatement(actions=sorted(allowed), resources=[resource.format(**place)])
        )
        written = {name: as_written(stack, value) for name, value in place.items()}
        acknowledge(scope, f"AwsSolutions-IAM5[Resource::{resource.format(**written)}]", reason)
