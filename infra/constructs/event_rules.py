"""The rules for events about new accounts, from the event patterns of the intake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.findings import acknowledge

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = cdk.Duration.hours(24)
MOST_ATTEMPTS = 185


class EventRules(Construct):
    """One rule for each event name, so that each has metrics of its own.

    ``names`` are the rules' names by event, where they are fixed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bus: events.IEventBus | None,
        patterns: Mapping[str, Mapping[str, Any]],
        target: events.IRuleTarget,
        purpose: str,
        names: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.rules = [
            events.Rule(
                self,
                name,
                rule_name=(names or {}).get(name),
                description=f"Rollcall: {name} {purpose}",
                event_bus=bus,
                event_pattern=events.EventPattern(
                    source=pattern["source"],
                    detail_type=pattern.get("detail-type"),
                    detail=pattern["detail"],
                ),
                targets=[target],
            )
            for name, pattern in patterns.items()
        ]


class UndeliveredEvents(Construct):
    """A dead-letter queue, which keeps undelivered events for 14 days."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )
        acknowledge(self.queue, "AwsSolutions-SQS3", "This is a dead-letter queue")


def rules_role(
    scope: Construct, construct_id: str, *, description: str, name: str | None = None
) -> iam.Role:
    """A role for the targets of rules. EventBridge may assume it for rules of this account only."""
    return iam.Role(
        scope,
        construct_id,
        role_name=name,
        description=description,
        assumed_by=iam.ServicePrincipal(
            "events.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(scope).account}},
        ),
    )
