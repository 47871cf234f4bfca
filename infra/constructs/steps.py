"""The steps of one deployment: each with the environment and the permissions that it needs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from functions.aws import archive, directory, publisher
from functions.aws.ledger import BY_TIME
from functions.services.registry import SERVICES
from infra.constructs.findings import acknowledge, as_written
from infra.constructs.step import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    import aws_cdk as cdk
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_events as events
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_logs as logs
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_sns as sns
    from aws_cdk import aws_stepfunctions as sfn

    from functions.steps.needs import Needs
    from infra.config import DeploymentConfig


class Steps:
    """Makes the stack's steps from their modules, with what these say that they need.

    What is allowed them on executions is added where the state machines are made.
    """

    def __init__(
        self,
        stack: cdk.Stack,
        *,
        config: DeploymentConfig,
        code: lambda_.Code,
        log_retention: logs.RetentionDays,
        table: dynamodb.ITable,
        bus: events.IEventBus,
        topic: sns.ITopic,
        bucket: s3.IBucket,
    ) -> None:
        self._stack = stack
        self._config = config
        self._code = code
        self._log_retention = log_retention
        self._table = table
        self._bus = bus
        self._topic = topic
        self._bucket = bucket

    def make(
        self,
        modules: Iterable[ModuleType],
        *,
        results: str,
        starts: sfn.StateMachine | None = None,
    ) -> dict[str, Step]:
        """The steps by module. Without a member role nothing is accepted, and no step for it.

        Those that publish store their documents under the prefix ``results`` of the bucket;
        ``starts`` is the state machine of which some start executions.
        """
        accepts = self._config.configuration.invitation.member_role is not None
        needed = {module.__name__.rpartition(".")[2]: module.NEEDS for module in modules}
        made = {
            module: self._step(module, needs, starts)
            for module, needs in needed.items()
            if accepts or not needs.member_role
        }
        for step in made.values():
            self._grant(step)
            if step.needs.publishes:
                self._allow_publishing(step, results)
            if step.needs.starts and starts:
                step.allow(step.needs.starts, starts.state_machine_arn)
        return made

    def _step(self, module: str, needs: Needs, starts: sfn.StateMachine | None) -> Step:
        environment = {
            "ROLLCALL_ADMINISTRATOR": self._stack.account,
            "ROLLCALL_PARTITION": self._stack.partition,
            "ROLLCALL_CONFIGURATION": json.dumps(self._config.configuration.to_json()),
            "ROLLCALL_TABLE": self._table.table_name,
            "POWERTOOLS_METRICS_NAMESPACE": self._config.names.metrics,
        }
        if needs.publishes:
            environment["ROLLCALL_BUS"] = self._bus.event_bus_name
            environment["ROLLCALL_TOPIC"] = self._topic.topic_arn
        if needs.publishes or needs.surveys:
            environment["ROLLCALL_RESULTS_BUCKET"] = self._bucket.bucket_name
        if needs.starts and starts:
            environment["ROLLCALL_ONBOARDING_MACHINE"] = starts.state_machine_arn
        return Step(
            self._stack,
            step_name(module),
            module=module,
            needs=needs,
            # The member roles trust this role by its name.
            role_name=self._config.names.accepting_role if needs.member_role else None,
            code=self._code,
            environment=environment,
            log_retention=self._log_retention,
        )

    def _grant(self, step: Step) -> None:
        """What the step says beside its handler that it needs, and nothing else."""
        needs, configuration = step.needs, self._config.configuration
        step.allow(needs.table, self._table.table_arn)
        if needs.index:
            step.allow(needs.index, f"{self._table.table_arn}/index/{BY_TIME}")
        if needs.organization:
            step.allow_on(
                needs.organization,
                directory.RESOURCES,
                "Reads about the organisation and every account of it, whatever its id",
            )
        services = [service for service in SERVICES if service in configuration.services]
        if needs.services:
            step.allow_on(
                [
                    action
                    for service in services
                    for verb in needs.services
                    for action in service.permissions[verb]
                ],
                {action: arn for each in services for action, arn in each.resources.items()},
                "GuardDuty has no resource for operations on members, and of the others' hubs,"
                " policies and graphs those of every configured Region are meant",
            )
        if needs.surveys:
            self._allow_documents(step, needs.surveys, archive.SURVEYS)
        if needs.member_role:
            place = f":iam::*:role/{configuration.invitation.member_role}"
            step.allow(needs.member_role, f"arn:{self._stack.partition}{place}")
            acknowledge(
                step,
                f"AwsSolutions-IAM5[Resource::arn:{as_written(self._stack, self._stack.partition)}"
                f"{place}]",
                "The member role is in whatever account is invited; its trust decides",
            )

    def _allow_publishing(self, step: Step, results: str) -> None:
        step.allow(publisher.ACTIONS["event"], self._bus.event_bus_arn)
        step.allow(publisher.ACTIONS["message"], self._topic.topic_arn)
        self._allow_documents(step, (*archive.ACTIONS["persist"], *step.needs.results), results)

    def _allow_documents(self, step: Step, actions: Sequence[str], prefix: str) -> None:
        step.allow(actions, self._bucket.arn_for_objects(f"{prefix}*"))
        name, _ = self._stack.resolve(self._bucket.bucket_arn)["Fn::GetAtt"]
        acknowledge(
            step,
            f"AwsSolutions-IAM5[Resource::<{name}.Arn>/{prefix}*]",
            "Each run and each reconcile has keys of its own under this prefix",
        )


def step_name(module: str) -> str:
    """The name of a step's state: its module's, as people write it."""
    return module.replace("_", " ").title()
