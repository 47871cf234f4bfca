"""The loop of one target: read, decide, act, wait, until every membership has its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from functions.enrolment.documents import REPORT
from functions.enrolment.membership import Action
from infra.constructs.retries import retry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.config import Retry
    from infra.constructs.step import Step


class TargetLoop(Construct):
    """The item processor of the map. An error that outlasts its retries leads to Fail Target.

    A child execution fails only with errors that Step Functions does not let it catch.

    ``actions``: the steps that carry out an action, by the action.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        get_members: Step,
        actions: Mapping[Action, Step],
        fail_target: Step,
        publish_interim: Step,
        retry_config: Retry,
    ) -> None:
        super().__init__(scope, construct_id)
        self._retry = retry_config
        # The output is empty: the loop's results are in the table.
        settled = sfn.Pass.json_path(self, "Settled", result=sfn.Result.from_object({}))
        fail = self._task("Fail Target", fail_target).add_catch(settled)
        fail.next(settled)
        read = self._task("Get Members", get_members).add_catch(fail, result_path="$.failure")
        wait = sfn.Wait.json_path(
            self, "Wait", time=sfn.WaitTime.seconds_path("$.wait_seconds")
        ).next(read)
        choice = sfn.Choice.json_path(self, "Next Action")
        for action, step in actions.items():
            act = self._task(step.node.id, step).add_catch(fail, result_path="$.failure")
            act.next(wait)
            choice.when(sfn.Condition.string_equals("$.next", action), act)
        # An interim result that cannot be published is skipped: the final result has everything.
        report = self._task("Publish Interim", publish_interim).add_catch(
            wait, result_path="$.failure"
        )
        report.next(wait)
        choice.when(sfn.Condition.string_equals("$.next", REPORT), report)
        choice.when(sfn.Condition.string_equals("$.next", Action.WAIT), wait)
        choice.when(sfn.Condition.string_equals("$.next", Action.STOP), settled)
        choice.otherwise(fail)
        read.next(choice)
        self.start = read

    def _task(self, name: str, step: Step) -> tasks.LambdaInvoke:
        task = tasks.LambdaInvoke.json_path(
            self,
            name,
            lambda_function=step.alias,
            payload_response_only=True,
            retry_on_service_exceptions=False,
        )
        return retry(task, self._retry)
