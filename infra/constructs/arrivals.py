"""Where events about new accounts arrive, and the rule that starts a run for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.findings import acknowledge

if TYPE_CHECKING:
    from aws_cdk import aws_stepfunctions as sfn

# CreateAccountResult is a service event (Organizations user guide); peers whose rules ask for API
# calls never hear of it. Both are matched, should that change.
DETAIL_TYPES = ["AWS Service Event via CloudTrail", "AWS API Call via CloudTrail"]
ACCOUNT_CREATED = events.EventPattern(
    source=["aws.organizations"],
    detail_type=DETAIL_TYPES,
    detail={
        "eventSource": ["organizations.amazonaws.com"],
        "eventName": ["CreateAccountResult"],
        "serviceEventDetails": {"createAccountStatus": {"state": ["SUCCEEDED"]}},
    },
)


class Arrivals(Construct):
    """The rule on the bus. What cannot be delivered for a day is kept in the queue for 14."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bus: events.IEventBus,
        machine: sfn.IStateMachine,
    ) -> None:
        super().__init__(scope, construct_id)
        self.undelivered = sqs.Queue(
            self,
            "Undelivered",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )
        acknowledge(
            self.undelivered, "AwsSolutions-SQS3", "This is the dead-letter queue of the rules"
        )
        self.account_created = events.Rule(
            self,
            "Account Created",
            description="Rollcall: start a run for an account that was created",
            event_bus=bus,
            event_pattern=ACCOUNT_CREATED,
            targets=[
                targets.SfnStateMachine(
                    machine,
                    dead_letter_queue=self.undelivered,
                    max_event_age=cdk.Duration.hours(24),
                    retry_attempts=185,
                )
            ],
        )
