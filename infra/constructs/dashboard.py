"""The dashboard of one deployment in CloudWatch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from functions.aws import metrics
from functions.enrolment.results import RunOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import aws_sqs as sqs

    from functions.services.record import ServiceRecord
    from infra.names import Names

_DAY, _HOUR = cdk.Duration.days(1), cdk.Duration.hours(1)
_FIVE_MINUTES = cdk.Duration.minutes(5)
_WIDTH, _HEIGHT = 12, 6
_TEXT_HEIGHT = 3
_ENDED = {
    "ExecutionsFailed": "failed",
    "ExecutionsAborted": "aborted",
    "ExecutionsTimedOut": "timed out",
}


class Dashboard(Construct):
    """One dashboard, named after the deployment: its coverage, its runs, and what went wrong.

    ``machines`` are the ARNs of the state machines, ``children`` those under which Step Functions
    measures the children of their maps, and ``queues`` the queues of undelivered events, each by
    the label of its lines. Above the graphs a text says what they mean and which command has the
    details. What reconciles measure is drawn by days: there may be one value a day.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        services: Sequence[ServiceRecord],
        machines: Mapping[str, str],
        children: Mapping[str, str],
        queues: Mapping[str, sqs.IQueue],
    ) -> None:
        super().__init__(scope, construct_id)
        self._names = names
        self._services = services
        dashboard = cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=names.deployment,
            default_interval=cdk.Duration.days(14),
        )
        dashboard.add_widgets(
            _text(
                "## Coverage, as reconciles find it",
                "The share of the memberships to be Enabled that are Enabled, when a reconcile has"
                " ended, and why the others are not. A reconcile that covers only a part of the"
                " targets adds no value for the others. The gaps one by one:",
                names.command("status --gaps"),
            )
        )
        dashboard.add_widgets(self._coverage(), self._gaps())
        dashboard.add_widgets(
            _text(
                "## Runs",
                "How the runs ended, and how long the memberships took that they enabled, from the"
                " first reading to Enabled: half of them at most p50, 95 of 100 at most p95. The"
                " runs one by one:",
                names.command("runs"),
            )
        )
        dashboard.add_widgets(self._runs(), self._time_to_enabled())
        dashboard.add_widgets(
            _text(
                "## What went wrong",
                "Executions that failed were incomplete, or refused. Throttling only delays."
                " Undelivered events are kept for 14 days. Once the cause is fixed, this command"
                " starts a run for each event about accounts:",
                names.redrive,
            )
        )
        dashboard.add_widgets(_executions(machines), self._throttling({**machines, **children}))
        dashboard.add_widgets(_messages(queues), _ages(queues))
        cdk.CfnOutput(cdk.Stack.of(self), "DashboardName", value=dashboard.dashboard_name)

    def _coverage(self) -> cloudwatch.GraphWidget:
        lines: list[cloudwatch.IMetric] = []
        for service in self._services:
            enabled, to_be = (
                self._metric(name, "Maximum", _DAY, service=service.name)
                for name in (metrics.ENABLED, metrics.TO_BE_ENABLED)
            )
            name = service.name
            lines.append(
                cloudwatch.MathExpression(
                    # Of nothing to be Enabled, all of it is.
                    expression=f"IF({name}_all > 0, 100 * {name}_enabled / {name}_all, 100)",
                    using_metrics={f"{name}_enabled": enabled, f"{name}_all": to_be},
                    label=service.label,
                    period=_DAY,
                )
            )
        return _graph("Coverage", lines, unit="% Enabled", most=100)

    def _gaps(self) -> cloudwatch.GraphWidget:
        namespace = self._names.metrics
        search = f'{{"{namespace}",reason_code}} MetricName="{metrics.GAPS}"'
        lines = [
            cloudwatch.MathExpression(
                expression=f"SEARCH('{search}', 'Maximum', {_DAY.to_seconds():g})",
                using_metrics={},
                label="${PROP('Dim.reason_code')}",
                period=_DAY,
            )
        ]
        return _graph("Gaps by reason code", lines, unit="gaps", stacked=True)

    def _runs(self) -> cloudwatch.GraphWidget:
        lines = [
            self._metric(metrics.RUNS, "Sum", _HOUR, label=str(outcome), outcome=str(outcome))
            for outcome in RunOutcome
            if outcome is not RunOutcome.WAITING
        ]
        return _graph("Runs by outcome", lines, unit="runs", stacked=True)

    def _time_to_enabled(self) -> cloudwatch.GraphWidget:
        lines = [
            self._metric(
                metrics.TIME_TO_ENABLED,
                f"p{percent}",
                _HOUR,
                label=f"{service.label} p{percent}",
                service=service.name,
            )
            for service in self._services
            for percent in (50, 95)
        ]
        return _graph("Time to Enabled", lines, unit="seconds")

    def _throttling(self, machines: Mapping[str, str]) -> cloudwatch.GraphWidget:
        steps = "steps, by a service"
        lines = [
            self._metric(metrics.THROTTLED_STEPS, "Sum", _FIVE_MINUTES, label=steps),
            *(
                _of_machine(arn, "ExecutionThrottled", f"{label}, by Step Functions")
                for label, arn in machines.items()
            ),
        ]
        return _graph("Throttled", lines, unit="times")

    def _metric(
        self,
        name: str,
        statistic: str,
        period: cdk.Duration,
        label: str | None = None,
        **dimensions: str,
    ) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=self._names.metrics,
            metric_name=name,
            dimensions_map=dimensions,
            statistic=statistic,
            period=period,
            label=label,
        )


def _executions(machines: Mapping[str, str]) -> cloudwatch.GraphWidget:
    lines = [
        _of_machine(arn, name, f"{label}, {word}")
        for label, arn in machines.items()
        for name, word in _ENDED.items()
    ]
    return _graph("Executions that failed, were aborted or timed out", lines, unit="executions")


def _messages(queues: Mapping[str, sqs.IQueue]) -> cloudwatch.GraphWidget:
    lines = [
        queue.metric_approximate_number_of_messages_visible(
            statistic=cloudwatch.Stats.MAXIMUM, period=_FIVE_MINUTES, label=label
        )
        for label, queue in queues.items()
    ]
    return _graph("Undelivered", lines, unit="messages")


def _ages(queues: Mapping[str, sqs.IQueue]) -> cloudwatch.GraphWidget:
    lines = [
        queue.metric_approximate_age_of_oldest_message(
            statistic=cloudwatch.Stats.MAXIMUM, period=_FIVE_MINUTES, label=label
        )
        for label, queue in queues.items()
    ]
    return _graph("Age of the oldest undelivered message", lines, unit="seconds")


def _of_machine(arn: str, name: str, label: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/States",
        metric_name=name,
        dimensions_map={"StateMachineArn": arn},
        statistic=cloudwatch.Stats.SUM,
        period=_FIVE_MINUTES,
        label=label,
    )


def _text(title: str, about: str, command: str) -> cloudwatch.TextWidget:
    return cloudwatch.TextWidget(
        markdown=f"{title}\n{about} `{command}`", width=2 * _WIDTH, height=_TEXT_HEIGHT
    )


def _graph(
    title: str,
    lines: Sequence[cloudwatch.IMetric],
    *,
    unit: str,
    most: float | None = None,
    stacked: bool = False,
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title,
        left=list(lines),
        left_y_axis=cloudwatch.YAxisProps(label=unit, min=0, max=most, show_units=False),
        stacked=stacked,
        width=_WIDTH,
        height=_HEIGHT,
    )
