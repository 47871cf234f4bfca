"""A stack that forwards events about accounts to Rollcall's bus, from where AWS publishes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets

from infra.constructs.alarms import Alarms
from infra.constructs.event_rules import (
    DAY,
    MOST_ATTEMPTS,
    EventRules,
    UndeliveredEvents,
    rules_role,
)

if TYPE_CHECKING:
    from constructs import Construct

    from infra.config import DeploymentConfig
    from infra.organization import Forwarder, OrganizationConfig


class OrganizationEventsStack(cdk.Stack):
    """Rules on the default bus, their role, and the queue and alarm for undelivered events."""

    def __init__(
        self,
        scope: Construct,
        *,
        forwarder: Forwarder,
        organization: OrganizationConfig,
        config: DeploymentConfig,
    ) -> None:
        super().__init__(
            scope,
            forwarder.name,
            description="Rollcall: forwards events about accounts",
            env=cdk.Environment(account=forwarder.account, region=forwarder.region),
        )
        # With fixed names this stack needs no reference to the stack in the other environment.
        bus = events.EventBus.from_event_bus_arn(
            self,
            "Bus",
            f"arn:{self.partition}:events:{organization.home_region}"
            f":{organization.administrator_account}:event-bus/{config.names.bus(config.bus)}",
        )
        undelivered = UndeliveredEvents(self, "Undelivered").queue
        role = rules_role(
            self, "Role", name=forwarder.name, description="Rollcall: puts events on its bus"
        )
        rules = EventRules(
            self,
            "Arrivals",
            bus=None,
            patterns=forwarder.patterns,
            names=forwarder.rule_names,
            target=targets.EventBus(bus, role=role, dead_letter_queue=undelivered),
            purpose="is forwarded to Rollcall's bus",
        )
        _set_retry_policy(rules)
        for rule in rules.rules:
            # PutTargets checks at once whether the target may be reached (docs/decisions/0007).
            rule.node.add_dependency(role)
        elsewhere = forwarder.account != organization.administrator_account
        Alarms(self, "Alarms", subscribers=config.notifications.alarms or ()).watch_queue(
            undelivered,
            remedy="The messages' attribute ERROR_MESSAGE gives the cause. Once that is fixed, run"
            f" with credentials of account {organization.administrator_account}:"
            f" {config.names.redrive} --queue-url {undelivered.queue_url}"
            + (" --queue-profile PROFILE-OF-THIS-ACCOUNT" if elsewhere else ""),
        )
        cdk.CfnOutput(self, "UndeliveredEventsUrl", value=undelivered.queue_url)


def _set_retry_policy(rules: EventRules) -> None:
    """As for the rules of the state machine; CDK's EventBus target has no property for it."""
    for rule in rules.rules:
        element = rule.node.default_child
        assert isinstance(element, events.CfnRule)  # noqa: S101  # every Rule has one
        policy = {
            "MaximumEventAgeInSeconds": DAY.to_seconds(),
            "MaximumRetryAttempts": MOST_ATTEMPTS,
        }
        element.add_property_override("Targets.0.RetryPolicy", policy)
