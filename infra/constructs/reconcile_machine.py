"""The state machine of reconciles: survey the organisation, start runs, await and publish them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from functions.enrolment.documents import RUN
from functions.enrolment.reconcile import Next
from functions.steps.close_run import LEFT_OPEN
from infra.constructs.machine import standard_machine
from infra.constructs.retries import retry

if TYPE_CHECKING:
    from infra.config import Retry
    from infra.constructs.step import Step

# Await Runs has a deadline and ends it before.
LONGEST_RECONCILE = cdk.Duration.days(2)


class ReconcileMachine(Construct):
    """One Standard state machine, in JSONPath. Whatever fails, Publish Reconcile reports it.

    It begins with closing what was left open of ``runs``, the machine of onboardings; if that
    fails, the next reconcile does it. Every other step gets what the execution's context says of it
    (``RUN``). The states pass on ``next`` and ``wait_seconds``; what is larger is in the bucket.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        close: Step,
        survey: Step,
        start: Step,
        wait: Step,
        publish: Step,
        runs: sfn.IStateMachine,
        retry_config: Retry,
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, construct_id)
        self._retry = retry_config
        publishing = self._publishing(publish)
        failed = sfn.Pass.json_path(
            self, "Failure", parameters={**_run(), "failure": sfn.JsonPath.entire_payload}
        )
        failed.next(publishing)
        ended = sfn.Pass.json_path(self, "No Failure", parameters=_run())
        ended.next(publishing)

        waiting = sfn.Wait.json_path(self, "Wait", time=sfn.WaitTime.seconds_path("$.wait_seconds"))
        awaiting = self._task(wait).add_catch(failed)
        waiting.next(awaiting)
        awaiting.next(
            sfn.Choice.json_path(self, "Are Runs Closed")
            .when(_next_is(Next.WAIT), waiting)
            .otherwise(ended)
        )
        starting = self._task(start).add_catch(failed)
        starting.next(waiting)
        surveying = self._task(survey).add_catch(failed)
        surveying.next(
            sfn.Choice.json_path(self, "What Is To Start")
            # A survey that takes longer than one step goes on in the next.
            .when(_next_is(Next.SURVEY), surveying)
            .when(_next_is(Next.START), starting)
            .otherwise(ended)
        )
        closing = self._closing(close, runs)
        closing.add_catch(surveying, result_path=sfn.JsonPath.DISCARD)
        self.machine = standard_machine(
            self,
            closing.next(surveying),
            comment="Rollcall: find the accounts of the organisation that are not Enabled, and"
            " start runs for them",
            timeout=LONGEST_RECONCILE,
            # No stack's name has a slash, so that no other deployment's log has this name.
            log_name=f"{cdk.Stack.of(self).stack_name}/Reconcile",
            log_retention=log_retention,
        )

    def _closing(self, close: Step, runs: sfn.IStateMachine) -> tasks.LambdaInvoke:
        task = tasks.LambdaInvoke.json_path(
            self,
            close.node.id,
            lambda_function=close.alias,
            payload=sfn.TaskInput.from_object({LEFT_OPEN: runs.state_machine_arn}),
            payload_response_only=True,
            result_path=sfn.JsonPath.DISCARD,
            retry_on_service_exceptions=False,
        )
        return retry(task, self._retry)

    def _publishing(self, publish: Step) -> sfn.Chain:
        """An error here fails the execution; the rule about ended ones runs the step once more."""
        task = retry(
            tasks.LambdaInvoke.json_path(
                self,
                publish.node.id,
                lambda_function=publish.alias,
                payload_response_only=True,
                result_path="$.result",
                retry_on_service_exceptions=False,
            ),
            self._retry,
        )
        return task.next(
            sfn.Choice.json_path(self, "Is It Complete")
            .when(
                sfn.Condition.boolean_equals("$.result.complete", value=True),
                sfn.Succeed.json_path(self, "Complete", output_path="$.result"),
            )
            .otherwise(
                sfn.Fail.json_path(
                    self, "Failed", error_path="$.result.error", cause_path="$.result.cause"
                )
            )
        )

    def _task(self, step: Step) -> tasks.LambdaInvoke:
        task = tasks.LambdaInvoke.json_path(
            self,
            step.node.id,
            lambda_function=step.alias,
            payload=sfn.TaskInput.from_object(_run()),
            payload_response_only=True,
            retry_on_service_exceptions=False,
        )
        return retry(task, self._retry)


def _next_is(word: str) -> sfn.Condition:
    return sfn.Condition.string_equals("$.next", word)


def _run() -> dict[str, object]:
    return {name: sfn.JsonPath.object_at(path) for name, path in RUN.items()}
