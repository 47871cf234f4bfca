"""What is done on the executions of a state machine, and with those that ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam

from functions.aws.executions import UNSUCCESSFUL
from functions.steps.execution_end import STATUS_CHANGE
from infra.constructs.findings import acknowledge, as_written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_stepfunctions as sfn
    from constructs import Construct

    from infra.constructs.step import Step


def run_when_ended(
    scope: Construct,
    construct_id: str,
    *,
    step: Step,
    machine: sfn.StateMachine,
    description: str,
    with_children: bool = False,
) -> None:
    """Run a step with Step Functions' events about executions that failed, timed out or were
    aborted, those of a map's children included where there are some.

    Without a queue: the events are best effort, and steps do not depend on them.
    """
    arn = machine.state_machine_arn
    children = [{"prefix": f"{arn}/"}] if with_children else []
    events.Rule(
        scope,
        construct_id,
        description=f"Rollcall: {description}",
        event_pattern=events.EventPattern(
            source=["aws.states"],
            detail_type=[STATUS_CHANGE],
            detail={
                "stateMachineArn": [arn, *children],
                "status": list(UNSUCCESSFUL),
            },
        ),
        targets=[targets.LambdaFunction(step.alias)],
    )


def allow_on_executions(
    scope: Construct, step: Step, machine: sfn.StateMachine, actions: Sequence[str], reason: str
) -> None:
    """Let a step do actions on the executions of a machine, for this reason, or list them.

    By a policy of its own, made in ``scope``: the step's own comes before its function, and so
    before the machine.
    """
    stack = cdk.Stack.of(scope)
    resource = stack.format_arn(
        service="states",
        resource="execution",
        resource_name=f"{machine.state_machine_name}:*",
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
    # Of the machine itself (service authorization reference).
    listing = [action for action in actions if action == "states:ListExecutions"]
    on_each = [action for action in actions if action not in listing]
    statements = [iam.PolicyStatement(actions=on_each, resources=[resource])]
    if listing:
        arn = machine.state_machine_arn
        statements.append(iam.PolicyStatement(actions=listing, resources=[arn]))
    policy = iam.Policy(scope, f"{step.node.id} Looks", roles=[step.role], statements=statements)
    partition, region, account = (
        as_written(stack, value) for value in (stack.partition, stack.region, stack.account)
    )
    name = stack.resolve(machine.state_machine_name)["Fn::GetAtt"][0]
    executions = f"arn:{partition}:states:{region}:{account}:execution:<{name}.Name>"
    acknowledge(policy, f"AwsSolutions-IAM5[Resource::{executions}:*]", reason)
