"""The CDK app. Synthesising it needs no credentials, no Docker and no network."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import aws_cdk as cdk
import botocore.session
from cdk_nag import AwsSolutionsChecks

from functions.enrolment.configuration import OFF
from functions.enrolment.errors import InvalidInput
from infra.asset import InstallationFailed, staged_asset
from infra.config import read_config
from infra.schedule import overdue_hours
from infra.stacks.member_role import MemberRoleStack
from infra.stacks.organization_events import OrganizationEventsStack
from infra.stacks.rollcall import RollcallStack

if TYPE_CHECKING:
    from pathlib import Path

    from infra.config import DeploymentConfig
    from infra.notifications import Notifications


def build(app: cdk.App, config: DeploymentConfig, asset: Path) -> None:
    """Add the stacks that the configuration asks for; a finding of cdk-nag fails the synthesis."""
    rollcall = RollcallStack(app, config.names.stack, config=config, asset=asset)
    for target in config.configuration.targets:
        if not config.configuration.is_offered(target):
            cdk.Annotations.of(rollcall).add_warning_v2(
                f"rollcall:{target.key}",
                f"AWS does not offer {target.service.label} in {target.region}: it is skipped there"
                f" unless rollcall.service_regions.{target.service} has the Region",
            )
    _warn_of_unknown_regions(rollcall, config)
    _warn_without_subscribers(rollcall, config.notifications)
    _warn_of_unwatched_schedule(rollcall, config)
    role = config.configuration.invitation.member_role
    if role is not None:
        MemberRoleStack(app, config.names.member_role_stack, name=role, config=config)
    stacks: list[cdk.Stack] = [rollcall]
    if config.organization is not None:
        stacks += [
            OrganizationEventsStack(
                app, forwarder=forwarder, organization=config.organization, config=config
            )
            for forwarder in config.organization.forwarders(
                config.bus, config.names, config.configuration
            )
        ]
    for stack in stacks:
        for name, value in config.tags.items():
            cdk.Tags.of(stack).add(name, value)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def _warn_of_unknown_regions(stack: cdk.Stack, config: DeploymentConfig) -> None:
    """A Region may be newer than botocore, so that an unknown name is not refused."""
    session = botocore.session.get_session()
    known = {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("sts", partition)
    }
    named = {"regions": list(config.configuration.regions)}
    if config.organization is not None:
        named["organization.home_region"] = [config.organization.home_region]
        control_tower = config.organization.control_tower_region
        named["organization.control_tower_region"] = [control_tower] if control_tower else []
    for key, regions in named.items():
        for region in regions:
            if region not in known:
                cdk.Annotations.of(stack).add_warning_v2(
                    f"rollcall:{key}:{region}",
                    f"rollcall.{key} has {region}, which botocore {botocore.__version__} does not"
                    " know: check the name",
                )


def _warn_without_subscribers(stack: cdk.Stack, notifications: Notifications) -> None:
    for key, subscribers, topic in (
        ("results", notifications.results, "output TopicArn"),
        ("alarms", notifications.alarms, "output OperationsTopicArn of each stack"),
    ):
        if subscribers is None:
            cdk.Annotations.of(stack).add_warning_v2(
                f"rollcall:no-subscriber-of-{key}",
                f"the deployment has no subscriber for its {key}: set rollcall.notifications.{key},"
                f" to [] if you subscribe to the topic yourself ({topic})",
            )


def _warn_of_unwatched_schedule(stack: cdk.Stack, config: DeploymentConfig) -> None:
    schedule = config.configuration.reconcile.schedule
    if schedule != OFF and overdue_hours(config.configuration) is None:
        cdk.Annotations.of(stack).add_warning_v2(
            "rollcall:reconcile.schedule",
            f"rollcall.reconcile.schedule is {schedule}: no alarm says that no reconcile has ended,"
            " because an alarm looks back 7 days at most, or the days cannot be told from the"
            " expression",
        )


def main() -> None:
    """Synthesise with the context of cdk.json and the command line."""
    app = cdk.App()
    try:
        build(app, read_config(app.node.try_get_context("rollcall")), staged_asset())
    except (InvalidInput, InstallationFailed) as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
