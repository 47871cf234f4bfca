"""The stack for member accounts: the role through which Rollcall accepts invitations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from functions.services.registry import SERVICES
from infra.constructs.findings import acknowledge
from infra.constructs.grants import allow_on

if TYPE_CHECKING:
    from constructs import Construct

    from infra.config import DeploymentConfig


class MemberRoleStack(cdk.Stack):
    """A plain template, to be rolled out by StackSet; it asks for the administrator's account id.

    The role does what accepting takes and nothing else, for the one role that accepts, with the
    external id.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, config: DeploymentConfig
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Rollcall: lets the administrator accept its own invitations",
            synthesizer=cdk.BootstraplessSynthesizer(),
        )
        administrator = cdk.CfnParameter(
            self,
            "AdministratorId",
            description=f"The account in which the stack {config.names.stack} is deployed",
            allowed_pattern="[0-9]{12}",
        ).value_as_string
        accepting = f"arn:{self.partition}:iam::{administrator}:role/{config.names.accepting_role}"
        invitation = config.configuration.invitation
        services = [service for service in SERVICES if service in config.configuration.services]
        needs = [service.accepting(invitation) for service in services]
        role = iam.Role(
            self,
            "Role",
            role_name=name,
            description="Rollcall accepts the administrator's invitations with it",
            # The account is trusted on condition of the role, so that the role need not be there
            # yet when this one is made.
            assumed_by=iam.PrincipalWithConditions(
                iam.AccountPrincipal(administrator),
                {
                    "StringEquals": {"sts:ExternalId": invitation.external_id},
                    "ArnEquals": {"aws:PrincipalArn": accepting},
                },
            ),
        )
        allow_on(
            role,
            role,
            [action for each in needs for action in each.permissions],
            {action: arn for each in services for action, arn in each.resources.items()},
            administrator=administrator,
            reason="GuardDuty has no resource for it, Detective none for listing; hubs and graphs"
            " are those of every Region",
        )
        linked = sorted({role for each in needs for role in each.service_linked_roles})
        if linked:
            role.add_to_policy(
                iam.PolicyStatement(
                    actions=["iam:CreateServiceLinkedRole"],
                    resources=[f"arn:{self.partition}:iam::*:role/aws-service-role/*"],
                    conditions={"StringEquals": {"iam:AWSServiceName": linked}},
                )
            )
            acknowledge(
                role,
                "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::*:role/aws-service-role/*]",
                "Service-linked roles only, and only those of the services that are enrolled in",
            )
