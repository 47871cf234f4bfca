"""The alarms and their topic: docs/decisions/0009."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from functions.aws import metrics
from infra.constructs.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from aws_cdk import aws_sqs as sqs
    from aws_cdk import aws_stepfunctions as sfn

    from infra.names import Names
    from infra.notifications import Subscriber

_AGAIN = (
    "start a run by hand for those accounts (README, Start a run by hand): memberships that are"
    " Enabled are not changed."
)
_FAILED = (
    "A run failed: it ended with memberships that are not Enabled, or before it could process them."
    " To list the former, run: {incomplete}. To list the latter, run: {failed}. The error and cause"
    f" of the failed execution give the reason. Once that is fixed, {_AGAIN}"
)
_ABORTED = (
    "A run was aborted: somebody stopped its execution (StopExecution in CloudTrail says who). Its"
    " published result lists the memberships that are not Enabled. To list such runs, run:"
    f" {{failed}}. If the memberships should be enrolled, {_AGAIN}"
)
_TIMED_OUT = (
    "A run timed out: its execution reached the state machine's time limit, which its deadlines"
    " should have prevented. Its published result lists the memberships that are not Enabled. To"
    " list such runs, run: {failed}. Look in the execution's history for the state that did not"
    f" end, then {_AGAIN}"
)
_THROTTLED = (
    "Step Functions throttles the state transitions of {what}. They continue, but later; nothing is"
    " lost. All state machines of the account in this Region share the quota: find the one with"
    " the most transitions, or request a higher quota for StateTransition in Service Quotas."
)
_RECONCILE_FAILED = (
    "A reconcile failed; its published result says what it found and did. ReconcileIncomplete: a"
    " run that it started ended with memberships that are not Enabled, or a target could not be"
    " read; the result has the reasons, and the next reconcile tries again. ConfirmationRequired:"
    " it would create or invite more accounts than most_changes allows and started no run; check"
    " the list in the result and, if it is right, start a reconcile by hand with"
    ' {"most_changes": N} as the result says. ReconcileFailed: the cause of the failed execution'
    " says what to mend; then start a reconcile by hand. To list the gaps, run: {gaps}"
)
_RECONCILE_ABORTED = (
    "A reconcile was aborted: somebody stopped its execution (StopExecution in CloudTrail says"
    " who). Runs that it had started and that had planned continue; the others end without a"
    " change. To list the gaps, run: {gaps}. If they should be closed, start a reconcile by hand."
)
_RECONCILE_TIMED_OUT = (
    "A reconcile timed out: its execution reached the state machine's time limit, which its"
    " deadline should have prevented. Look in the execution's history for the state that did not"
    " end, then start a reconcile by hand. To list the gaps, run: {gaps}"
)
_COVERAGE_FELL = (
    "The coverage fell: memberships that were Enabled at the reconcile before are gaps now, and the"
    " reconcile has not enabled them again. Somebody may have removed members, or disabled a"
    " service. To list the gaps, run: {gaps}. drift in the reconcile's published result says which"
    " memberships a run had enabled before. Close the gaps as the reasons say. The alarm ends with"
    " the next reconcile that finds no further ones, also if these gaps are left."
)
_OLD_GAPS = (
    "Gaps are older than a day: reconciles have found the same memberships not Enabled for that"
    " long. To list the gaps with what to do about each, run: {gaps}. Most need a person: the owner"
    " of the account, or a change in it. If an account is not to be enrolled, exclude it by the"
    " configuration's scope. The alarm ends with the first reconcile that finds no old gap; until"
    " then, further ones are not reported by it."
)
_NOT_STARTED = (
    "A reconcile was not started at its time: EventBridge Scheduler tried for an hour and gave up."
    " The gaps of the organisation are left until the next one. The message in the queue gives the"
    " cause. Once that is fixed, start a reconcile by hand (README, Close the gaps of the whole"
    " organisation) and delete the message; as long as it is in the queue, 14 days at most, the"
    " alarm stays."
)
_NO_RECONCILE = (
    "No reconcile has ended and published what it found for {hours} hours, in which the schedule"
    " has at least one. The schedule may be disabled or deleted, its role may not be allowed to"
    " start one, a reconcile may hang, or all have failed before they knew the gaps (each has then"
    " raised the alarm about failed reconciles, too). To find what is wrong, run: {doctor}. To list"
    " the last reconciles, run: {runs}. Once the cause is fixed, start one: {start}. The alarm ends"
    " when a reconcile has ended. After the first deployment it is raised until then: none has"
    " ended yet."
)
# How the command line calls the outcomes of runs that did not end complete.
_OUTCOMES = ("incomplete", "failed")
_GAPS = "status --gaps"
_AT_LEAST = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
FIVE_MINUTES = cdk.Duration.minutes(5)


class Alarms(Construct):
    """The alarms of one stack, and the topic they are sent to, with its subscribers."""

    def __init__(
        self, scope: Construct, construct_id: str, *, subscribers: Iterable[Subscriber]
    ) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        place = f"arn:{stack.partition}:cloudwatch:{stack.region}:{stack.account}"
        # Both conditions, as in the SNS developer guide, "Encryption at rest".
        own_alarms = {
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
            _cloudwatch(["kms:Decrypt", "kms:GenerateDataKey*"], "*", conditions=own_alarms)
        )
        self.topic = sns.Topic(self, "Operations", enforce_ssl=True, master_key=key)
        # A policy replaces the default one, which lets alarms of the account publish.
        self.topic.add_to_resource_policy(
            _cloudwatch(["sns:Publish"], self.topic.topic_arn, conditions=own_alarms)
        )
        Subscriptions(self, "Subscriptions", topic=self.topic, subscribers=subscribers)
        cdk.CfnOutput(stack, "OperationsTopicArn", value=self.topic.topic_arn)

    def watch_queue(self, queue: sqs.IQueue, *, remedy: str) -> None:
        """Alarm while events are in a dead-letter queue. ``remedy``: text for the operator."""
        about = (
            "Events about accounts could not be delivered. They are kept in the queue for 14 days."
        )
        self._watch_queue(queue, "Undelivered Events", f"{about} {remedy}")

    def watch_schedule(self, queue: sqs.IQueue) -> None:
        """Alarm when a reconcile was not started at its time; ``queue`` is the schedule's."""
        self._watch_queue(queue, "Reconciles Not Started", _NOT_STARTED)

    def _watch_queue(self, queue: sqs.IQueue, name: str, about: str) -> None:
        self._alarm(
            name,
            metric=queue.metric_approximate_number_of_messages_visible(
                period=FIVE_MINUTES, statistic=cloudwatch.Stats.MAXIMUM
            ),
            # SQS publishes no metrics of a queue, full or empty, after six hours without activity.
            missing=cloudwatch.TreatMissingData.IGNORE,
            about=about,
        )

    def watch_onboardings(self, machine: sfn.StateMachine, names: Names, *, label: str) -> None:
        """Alarm when an onboarding's execution fails, is aborted, times out or is throttled.

        ``label`` is the Distributed Map's. Its children have metrics of their own, as those of a
        machine ``<machine>/<label>``. How they end is not watched: whatever a child leaves open
        fails its run, which the alarm about failed executions reports once. Throttling ends nothing
        and is watched for both: nearly all transitions are the children's.
        Inferred: Step Functions publishes ExecutionThrottled for children, too.
        """
        arn = machine.state_machine_arn
        throttled = _THROTTLED.format(what="runs")
        commands = {each: names.command(f"runs --outcome {each}") for each in _OUTCOMES}
        failed, aborted, timed_out = (
            about.format(**commands) for about in (_FAILED, _ABORTED, _TIMED_OUT)
        )
        self._watch_executions(arn, "Failed Executions", "ExecutionsFailed", failed)
        self._watch_executions(arn, "Aborted Executions", "ExecutionsAborted", aborted)
        self._watch_executions(arn, "Timed Out Executions", "ExecutionsTimedOut", timed_out)
        self._watch_executions(arn, "Throttled Executions", "ExecutionThrottled", throttled)
        children = f"{arn}/{label}"
        self._watch_executions(children, "Throttled Targets", "ExecutionThrottled", throttled)

    def watch_reconciles(self, machine: sfn.StateMachine, names: Names) -> None:
        """Alarm when a reconcile's execution fails, is aborted, times out or is throttled."""
        arn = machine.state_machine_arn
        throttled = _THROTTLED.format(what="reconciles")
        gaps = names.command(_GAPS)
        # One text contains JSON, whose braces format would take for fields.
        failed, aborted, timed_out = (
            about.replace("{gaps}", gaps)
            for about in (_RECONCILE_FAILED, _RECONCILE_ABORTED, _RECONCILE_TIMED_OUT)
        )
        self._watch_executions(arn, "Failed Reconciles", "ExecutionsFailed", failed)
        self._watch_executions(arn, "Aborted Reconciles", "ExecutionsAborted", aborted)
        self._watch_executions(arn, "Timed Out Reconciles", "ExecutionsTimedOut", timed_out)
        self._watch_executions(arn, "Throttled Reconciles", "ExecutionThrottled", throttled)

    def watch_for_reconciles(self, machine: sfn.StateMachine, names: Names, *, hours: int) -> None:
        """Alarm when no reconcile has ended for so many hours, at most those of a week."""
        self._alarm(
            "No Reconcile Ended",
            # Each one that ended with a survey writes a value, 0 too. Executions that succeeded
            # would include those refused while another hangs; and a metric that is new with an
            # upgrade would raise the alarm until the next reconcile.
            metric=cloudwatch.Metric(
                namespace=names.metrics,
                metric_name=metrics.COVERAGE_FELL,
                period=cdk.Duration.hours(1),
                statistic=cloudwatch.Stats.SAMPLE_COUNT,
            ),
            missing=cloudwatch.TreatMissingData.BREACHING,
            comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            # All of them: one hour with data is enough.
            periods=hours,
            about=_NO_RECONCILE.format(
                hours=hours,
                doctor=names.command("doctor"),
                runs=names.command("runs"),
                start="aws stepfunctions start-execution --state-machine-arn"
                f" {machine.state_machine_arn} --input '{{}}' --region {cdk.Stack.of(self).region}",
            ),
        )

    def watch_coverage(self, names: Names) -> None:
        """Alarm when a reconcile finds that the coverage fell, or gaps older than a day."""
        gaps = names.command(_GAPS)
        for name, metric, about in (
            ("Coverage Fell", metrics.COVERAGE_FELL, _COVERAGE_FELL),
            ("Old Gaps", metrics.OLD_GAPS, _OLD_GAPS),
        ):
            self._alarm(
                name,
                metric=cloudwatch.Metric(
                    namespace=names.metrics,
                    metric_name=metric,
                    period=FIVE_MINUTES,
                    statistic=cloudwatch.Stats.MAXIMUM,
                ),
                # Between two reconciles there is no data: what the last one found still holds.
                missing=cloudwatch.TreatMissingData.IGNORE,
                about=about.format(gaps=gaps),
            )

    def _watch_executions(self, machine_arn: str, name: str, metric: str, about: str) -> None:
        self._alarm(
            name,
            metric=cloudwatch.Metric(
                namespace="AWS/States",
                metric_name=metric,
                dimensions_map={"StateMachineArn": machine_arn},
                period=FIVE_MINUTES,
                statistic=cloudwatch.Stats.SUM,
            ),
            # Without an execution that ended so, there is no data.
            missing=cloudwatch.TreatMissingData.NOT_BREACHING,
            about=about,
        )

    def _alarm(
        self,
        name: str,
        *,
        metric: cloudwatch.Metric,
        missing: cloudwatch.TreatMissingData,
        about: str,
        comparison: cloudwatch.ComparisonOperator = _AT_LEAST,
        periods: int = 1,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            alarm_description=f"Rollcall: {about}",
            comparison_operator=comparison,
            threshold=1,
            evaluation_periods=periods,
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
