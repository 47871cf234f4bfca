"""The schedule by which reconciles are started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

from infra.constructs.event_rules import UndeliveredEvents
from infra.schedule import LONGEST_DELAY_SECONDS, WINDOW_SECONDS

if TYPE_CHECKING:
    from aws_cdk import aws_stepfunctions as sfn

INPUT = {"source": "schedule"}
MOST_ATTEMPTS = 5


class ReconcileSchedule(Construct):
    """A schedule of EventBridge Scheduler, in UTC, with a role that may start the machine only.

    It starts a reconcile up to 15 minutes after its time. A start that fails is tried again for up
    to an hour and then given up: an event that says so is in the queue ``undelivered``. The next
    reconcile finds the same gaps.

    Without a start date, which no template could give the same way twice, ``rate(…)`` starts the
    first reconcile as soon as it is deployed, and ``cron(…)`` at its next time (EventBridge
    Scheduler guide, "Schedule types").
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, expression: str, machine: sfn.StateMachine
    ) -> None:
        super().__init__(scope, construct_id)
        self.undelivered = UndeliveredEvents(self, "Undelivered").queue
        scheduler.Schedule(
            self,
            "Schedule",
            description="Rollcall: starts reconciles",
            schedule=scheduler.ScheduleExpression.expression(expression),
            time_window=scheduler.TimeWindow.flexible(cdk.Duration.seconds(WINDOW_SECONDS)),
            target=targets.StepFunctionsStartExecution(
                machine,
                input=scheduler.ScheduleTargetInput.from_object(INPUT),
                max_event_age=cdk.Duration.seconds(LONGEST_DELAY_SECONDS),
                retry_attempts=MOST_ATTEMPTS,
                dead_letter_queue=self.undelivered,
            ),
        )
