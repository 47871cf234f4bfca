"""The state machine: plan, enrol in every target, publish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from functions.enrolment.configuration import MOST_REGIONS
from functions.enrolment.documents import LOOP, RUN, Planned
from functions.enrolment.rate import MOST_BEGIN_AFTER
from functions.enrolment.results import INCOMPLETE_ERROR
from functions.enrolment.turn import LONGEST_RUN_DAYS
from functions.services.registry import SERVICES
from infra.constructs.findings import acknowledge, as_written
from infra.constructs.machine import standard_machine
from infra.constructs.retries import retry, retry_until_account_ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from infra.config import DeploymentConfig
    from infra.constructs.step import Step
    from infra.constructs.target_loop import TargetLoop

MOST_TARGETS = MOST_REGIONS * len(SERVICES)
# The Distributed Map's label, by which its children are named.
TARGET_LABEL = "Target"
# Its deadlines end it before.
LONGEST_RUN = cdk.Duration.days(LONGEST_RUN_DAYS)


class OnboardingMachine(Construct):
    """One Standard state machine, in JSONPath; each target is a child execution of its own."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        plan: Step,
        publish: Step,
        close: Step,
        loop: TargetLoop,
        config: DeploymentConfig,
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, construct_id)
        self._config = config
        closing = self._closing(close)
        publishing = self._publishing(publish, closing)
        planning = self._planning(plan).add_catch(closing)
        planning.next(
            sfn.Choice.json_path(self, "What Is Planned")
            .when(_verdict(Planned.ENROL), self._enrolling(loop, publishing))
            .when(_verdict(Planned.DUPLICATE), sfn.Succeed.json_path(self, "Duplicate"))
            .otherwise(publishing)
        )
        self.machine = standard_machine(
            self,
            self._beginning(planning),
            comment="Rollcall: enrol accounts in security services until each is Enabled",
            timeout=LONGEST_RUN,
            log_name=cdk.Stack.of(self).stack_name,
            log_retention=log_retention,
        )
        self._acknowledge()

    def allow_earlier_executions(self, steps: Iterable[Step]) -> None:
        """Let executions go on that name the functions, not their aliases (docs/decisions/0024).

        Until an upgrade has updated the definition, new executions name them, too.
        """
        functions = [step.function.function_arn for step in steps]
        self.machine.add_to_role_policy(
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=functions)
        )

    def _executions(self, name: str) -> str:
        """The ARN of executions, as findings write it."""
        stack = cdk.Stack.of(self)
        place = (as_written(stack, v) for v in (stack.partition, stack.region, stack.account))
        partition, region, account = place
        return f"arn:{partition}:states:{region}:{account}:execution:{name}"

    def _acknowledge(self) -> None:
        """CDK grants the machine's role what the machine does; some of it ends in a wildcard."""
        machine = _logical_id(self.machine)
        name = f'{{"Fn::Select":[6,{{"Fn::Split":[":",{{"Ref":"{machine}"}}]}}]}}'
        for executions in (self._executions(name), f"{self._executions(name)}/{TARGET_LABEL}"):
            reason = "The map's children are executions of this machine, whose names are not known"
            acknowledge(self, f"AwsSolutions-IAM5[Resource::{executions}:*]", reason)

    def _beginning(self, planning: sfn.TaskStateBase) -> sfn.Chain:
        """Wait first if the input says how long; what is no such time is refused by planning.

        Wait takes whole seconds only, and a Choice cannot tell them from others: the time is
        rounded (Step Functions guide, "Intrinsic functions").
        """
        seconds = "$.begin_after"
        begins_later = sfn.Condition.and_(
            sfn.Condition.is_present(seconds),
            sfn.Condition.is_numeric(seconds),
            sfn.Condition.number_greater_than_equals(seconds, 1),
            sfn.Condition.number_less_than_equals(seconds, MOST_BEGIN_AFTER),
        )
        whole = sfn.Pass.json_path(
            self,
            "Whole Seconds",
            parameters={"seconds": sfn.JsonPath.math_add(sfn.JsonPath.number_at(seconds), 0)},
        )
        time = sfn.WaitTime.seconds_path("$.seconds")
        wait = sfn.Wait.json_path(self, "Begin After", time=time)
        whole.next(wait).next(planning)
        choice = sfn.Choice.json_path(self, "Begins Later")
        return sfn.Chain.start(choice.when(begins_later, whole).otherwise(planning))

    def _planning(self, plan: Step) -> tasks.LambdaInvoke:
        task = tasks.LambdaInvoke.json_path(
            self,
            "Plan Onboarding",
            lambda_function=plan.alias,
            payload=sfn.TaskInput.from_object(_fields(RUN)),
            payload_response_only=True,
            retry_on_service_exceptions=False,
        )
        return retry_until_account_ready(retry(task, self._config.retry), self._config.retry)

    def _enrolling(self, loop: TargetLoop, publishing: sfn.IChainable) -> sfn.Chain:
        """Every child may fail and the others go on: docs/decisions/0005."""
        enrol = sfn.DistributedMap.json_path(
            self,
            "Enrol In Targets",
            label=TARGET_LABEL,
            map_execution_type=sfn.StateMachineType.STANDARD,
            # All at once: a target that waits for people keeps its place for weeks. In one Region
            # as many children call as there are services, each one call at a time.
            max_concurrency=MOST_TARGETS,
            tolerated_failure_count=MOST_TARGETS,
            items_path="$.targets",
            item_selector=_fields(LOOP),
            result_path=sfn.JsonPath.DISCARD,
        )
        enrol.item_processor(loop.start)
        enrol.add_catch(publishing, result_path="$.map_failure")
        return enrol.next(publishing)

    def _publishing(self, publish: Step, closing: sfn.IChainable) -> sfn.Chain:
        task = retry(
            tasks.LambdaInvoke.json_path(
                self,
                "Publish Results",
                lambda_function=publish.alias,
                payload_response_only=True,
                result_path="$.result",
                retry_on_service_exceptions=False,
            ),
            self._config.retry,
        ).add_catch(closing)
        incomplete = sfn.Fail.json_path(
            self, "Incomplete", error=INCOMPLETE_ERROR, cause_path="$.result.cause"
        )
        return task.next(
            sfn.Choice.json_path(self, "Is It Complete")
            .when(
                sfn.Condition.boolean_equals("$.result.complete", value=True),
                sfn.Succeed.json_path(self, "Complete"),
            )
            .otherwise(incomplete)
        )

    def _closing(self, close: Step) -> sfn.Chain:
        """Publish what there is to say and close the record, then fail with the error's name and
        one line. The caught error is this state's input.
        """
        task = retry(
            tasks.LambdaInvoke.json_path(
                self,
                "Close Run",
                lambda_function=close.alias,
                payload=sfn.TaskInput.from_object(
                    {"failure": sfn.JsonPath.entire_payload, **_fields(RUN)}
                ),
                payload_response_only=True,
                retry_on_service_exceptions=False,
            ),
            self._config.retry,
        )
        return task.next(
            sfn.Fail.json_path(self, "Failed", error_path="$.error", cause_path="$.cause")
        )


def _logical_id(construct: Construct) -> str:
    element = construct.node.default_child
    assert isinstance(element, cdk.CfnElement)  # noqa: S101  # every L2 has one
    return cdk.Stack.of(construct).get_logical_id(element)


def _verdict(word: Planned) -> sfn.Condition:
    return sfn.Condition.string_equals("$.verdict", str(word))


def _fields(document: Mapping[str, str | bool]) -> dict[str, object]:
    """A document's fields as CDK takes them: the JSONPaths among them are evaluated."""
    return {
        name: sfn.JsonPath.object_at(value) if isinstance(value, str) else value
        for name, value in document.items()
    }
