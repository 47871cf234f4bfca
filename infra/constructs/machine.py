"""What both state machines have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn

from infra.constructs.findings import acknowledge

if TYPE_CHECKING:
    from constructs import Construct


def standard_machine(
    scope: Construct,
    start: sfn.IChainable,
    *,
    comment: str,
    timeout: cdk.Duration,
    log_name: str,
    log_retention: logs.RetentionDays,
) -> sfn.StateMachine:
    """A Standard state machine in JSONPath, traced, with a log of all events without their data."""
    machine = sfn.StateMachine(
        scope,
        "Machine",
        comment=comment,
        definition_body=sfn.DefinitionBody.from_chainable(start),
        query_language=sfn.QueryLanguage.JSON_PATH,
        timeout=timeout,
        tracing_enabled=True,
        logs=sfn.LogOptions(
            destination=logs.LogGroup(
                scope,
                "Logs",
                log_group_name=f"/aws/vendedlogs/states/{log_name}",
                retention=log_retention,
                removal_policy=cdk.RemovalPolicy.DESTROY,
            ),
            level=sfn.LogLevel.ALL,
            # Payloads hold e-mail addresses.
            include_execution_data=False,
        ),
    )
    acknowledge(
        machine,
        "AwsSolutions-IAM5[Resource::*]",
        "Log delivery and X-Ray have no resources to name (service authorization reference)",
    )
    return machine
