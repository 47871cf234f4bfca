"""The stack in the management account: the organisation's events go on to Rollcall's bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets

from infra.constructs.alarms import Alarms
from infra.constructs.arrivals import (
    DAY,
    MOST_ATTEMPTS,
    Arrivals,
    UndeliveredEvents,
    rules_role,
)
from infra.organization import wanted_patterns
from infra.stacks.rollcall import BUS_NAMES

if TYPE_CHECKING:
    from constructs import Construct

    from infra.config import DeploymentConfig
    from infra.organization import Forwarder, Organization


class OrganizationEventsStack(cdk.Stack):
    """Rules on the default bus, their role, and what becomes of events they cannot deliver."""

    def __init__(
        self,
        scope: Construct,
        *,
        forwarder: Forwarder,
        organization: Organization,
        config: DeploymentConfig,
    ) -> None:
        super().__init__(
            scope,
            forwarder.name,
            description="Rollcall: forwards the organisation's events about new accounts",
            env=cdk.Environment(account=organization.management_account, region=forwarder.region),
        )
        # Both names are fixed, so that this stack refers to nothing of the other environment.
        bus = events.EventBus.from_event_bus_arn(
            self,
            "Bus",
            f"arn:{self.partition}:events:{organization.home_region}"
            f":{organization.administrator_account}:event-bus/{BUS_NAMES[config.bus]}",
        )
        undelivered = UndeliveredEvents(self, "Undelivered").queue
        role = rules_role(
            self, "Role", name=forwarder.name, description="Rollcall: puts events on its bus"
        )
        arrivals = Arrivals(
            self,
            "Arrivals",
            bus=None,
            patterns={
                name: pattern
                for name, pattern in wanted_patterns(config.configuration).items()
                if organization.tells(pattern["source"][0], forwarder.region)
            },
            target=targets.EventBus(bus, role=role, dead_letter_queue=undelivered),
            purpose="goes on to Rollcall's bus",
        )
        _retry(arrivals)
        Alarms(self, "Alarms").watch_queue(
            undelivered,
            remedy="The messages' ERROR_MESSAGE says why. Once that is mended, with credentials of"
            f" account {organization.administrator_account}: python -m infra.cli redrive"
            f" --queue-url {undelivered.queue_url} --queue-profile PROFILE-OF-THIS-ACCOUNT",
        )
        cdk.CfnOutput(self, "UndeliveredEventsUrl", value=undelivered.queue_url)


def _retry(arrivals: Arrivals) -> None:
    """As for the state machine; CDK's target for buses has no property for it."""
    for rule in arrivals.rules:
        element = rule.node.default_child
        assert isinstance(element, events.CfnRule)  # noqa: S101  # every Rule has one
        policy = {
            "MaximumEventAgeInSeconds": DAY.to_seconds(),
            "MaximumRetryAttempts": MOST_ATTEMPTS,
        }
        element.add_property_override("Targets.0.RetryPolicy", policy)
