"""What operators are told, and how: docs/decisions/0009."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from aws_cdk import aws_sqs as sqs
    from aws_cdk import aws_stepfunctions as sfn

FIVE_MINUTES = cdk.Duration.minutes(5)


class Alarms(Construct):
    """Alarms of one stack, and the topic they are told to: to subscribe to it is the operators'."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        place = f"arn:{stack.partition}:cloudwatch:{stack.region}:{stack.account}"
        # Both, as AWS's guide has them (SNS developer guide, "Encryption at rest").
        ours = {
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnLike": {"aws:SourceArn": f"{place}:alarm:*"},
        }
        key = kms.Key(
            self,
            "Key",
            description="Rollcall: the operations topic, so that CloudWatch may publish to it",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        key.add_to_resource_policy(
            _cloudwatch(["kms:Decrypt", "kms:GenerateDataKey*"], "*", conditions=ours)
        )
        self.topic = sns.Topic(self, "Operations", enforce_ssl=True, master_key=key)
        # A topic with a policy of its own has lost the one that admits its account's alarms.
        self.topic.add_to_resource_policy(
            _cloudwatch(["sns:Publish"], self.topic.topic_arn, conditions=ours)
        )
        cdk.CfnOutput(stack, "OperationsTopicArn", value=self.topic.topic_arn)

    def watch_queue(self, queue: sqs.IQueue, *, remedy: str) -> None:
        """Alarm while events wait in a dead-letter queue; ``remedy`` says what to do."""
        self._alarm(
            "Undelivered Events",
            metric=queue.metric_approximate_number_of_messages_visible(
                period=FIVE_MINUTES, statistic=cloudwatch.Stats.MAXIMUM
            ),
            # SQS stops telling of a queue nobody has touched for six hours, full or empty.
            missing=cloudwatch.TreatMissingData.IGNORE,
            about="Events about accounts could not be delivered and are kept for 14 days."
            f" {remedy}",
        )

    def watch_machine(self, machine: sfn.StateMachine) -> None:
        """Alarm when an execution of the state machine failed."""
        self._alarm(
            "Failed Executions",
            metric=machine.metric_failed(period=FIVE_MINUTES, statistic=cloudwatch.Stats.SUM),
            missing=cloudwatch.TreatMissingData.NOT_BREACHING,
            about="A run ended with memberships that are not Enabled, or did not get as far. The"
            " failed execution's error and cause say which and why; once that is mended, start a"
            " run by hand for those accounts (README, Start a run by hand): what is Enabled is"
            " left alone.",
        )

    def _alarm(
        self,
        name: str,
        *,
        metric: cloudwatch.Metric,
        missing: cloudwatch.TreatMissingData,
        about: str,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            alarm_description=f"Rollcall: {about}",
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            threshold=1,
            evaluation_periods=1,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))


def _cloudwatch(
    allowed: list[str], resource: str, *, conditions: Mapping[str, Any]
) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
        actions=allowed,
        resources=[resource],
        conditions=dict(conditions),
    )
