"""A step: its Lambda function behind an alias, and the role and log group that are its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.grants import allow_on

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from functions.steps.needs import Needs


ALIAS = "live"


class Step(Construct):
    """One Lambda step, named as its module in functions/steps, with what that says it needs.

    It is invoked through ``alias``, whose version has the code and the environment of one
    deployment; the function itself is updated in two calls (docs/decisions/0024).

    What is allowed it of the stack's resources is the stack's part. ``role_name`` is for a role
    that others name; every other gets its name from CloudFormation.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        module: str,
        needs: Needs,
        role_name: str | None,
        code: lambda_.Code,
        environment: Mapping[str, str],
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, construct_id)
        self.needs = needs
        log_group = logs.LogGroup(
            self, "Logs", retention=log_retention, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        self.role = iam.Role(
            self,
            "Role",
            role_name=role_name,
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"Rollcall: {construct_id}",
        )
        self.allow(["logs:CreateLogStream", "logs:PutLogEvents"], log_group.log_group_arn)
        self.function = lambda_.Function(
            self,
            "Function",
            description=f"Rollcall: {construct_id}",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            handler=f"functions.start.{module}",
            code=code,
            role=self.role.without_policy_updates(),
            environment=dict(environment),
            log_group=log_group,
            memory_size=needs.memory,
            timeout=cdk.Duration.seconds(needs.timeout),
            tracing=lambda_.Tracing.ACTIVE,
            current_version_options=lambda_.VersionOptions(
                # A version of a failed deployment is not retained: Lambda would publish no second
                # one with the same code and environment, and the next deployment would fail.
                removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
            ),
        )
        self.alias = lambda_.Alias(
            self, "Alias", alias_name=ALIAS, version=self.function.current_version
        )
        self.allow_on(
            ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
            {},
            "X-Ray has no resources to name (service authorization reference)",
        )

    def allow_on(self, actions: Sequence[str], resources: Mapping[str, str], reason: str) -> None:
        """Let the step do actions on ``resources`` by action, or on any: see ``grants``."""
        account = cdk.Stack.of(self).account
        allow_on(self, self.role, actions, resources, administrator=account, reason=reason)

    def allow(self, actions: Sequence[str], *resources: str) -> None:
        """Let the step do these actions on these resources."""
        if actions:
            self.role.add_to_principal_policy(
                iam.PolicyStatement(actions=sorted(set(actions)), resources=list(resources))
            )
