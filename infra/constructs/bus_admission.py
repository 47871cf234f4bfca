"""The policy of Rollcall's bus: which forwarders may put events on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk

from infra.organization import Admit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_events as events

    from infra.names import Names
    from infra.organization import Forwarder, OrganizationConfig


def admit_forwarders(
    stack: cdk.Stack,
    bus: events.IEventBus,
    organization: OrganizationConfig,
    forwarders: Sequence[Forwarder],
    names: Names,
) -> None:
    """Admit the forwarders to a bus, in one statement for each of their accounts.

    A statement names the account; roles and rules are in conditions, so that they need not exist
    when the policy is made.
    """
    before: cdk.CfnResource | None = None
    for account in dict.fromkeys(one.account for one in forwarders):
        # Observed: the policy is checked for a target in another Region of the same account, too.
        # To name the account allows its identities nothing that their own policies do not allow.
        ours = account == organization.administrator_account
        admitted = [one for one in forwarders if one.account == account]
        condition = {} if ours else _condition(organization.admit, admitted, stack.partition)
        # CfnEventBusPolicy warns of a deprecated property that nobody gives it.
        policy = cdk.CfnResource(
            stack,
            "OwnAdmission" if ours else "Admission",
            type="AWS::Events::EventBusPolicy",
            properties={
                "EventBusName": bus.event_bus_name,
                "StatementId": names.own_events if ours else names.organization_events,
                "Statement": {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:{stack.partition}:iam::{account}:root"},
                    "Action": "events:PutEvents",
                    "Resource": bus.event_bus_arn,
                    **condition,
                },
            },
        )
        if before is not None:
            # At the same time, one may be refused: ConcurrentModificationException (PutPermission).
            policy.node.add_dependency(before)
        before = policy


def _condition(admit: Admit, forwarders: Sequence[Forwarder], partition: str) -> dict[str, Any]:
    match admit:
        case Admit.ACCOUNT:
            return {}
        case Admit.ROLE:
            # Inferred: a delivery is signed with the target's role.
            key = "aws:PrincipalArn"
            arns = [f"arn:{partition}:iam::{one.account}:role/{one.name}" for one in forwarders]
        case Admit.RULE:
            key = "aws:SourceArn"
            arns = [
                f"arn:{partition}:events:{one.region}:{one.account}:rule/{name}"
                for one in forwarders
                for name in one.rule_names.values()
            ]
    return {"Condition": {"ArnEquals": {key: arns}}}
