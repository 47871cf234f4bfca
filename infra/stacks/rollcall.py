"""The stack in the administrator's account and home Region."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns

from functions.aws import archive, publisher
from functions.aws.executions import STOPPED
from functions.enrolment.membership import Action
from functions.services.registry import SERVICES
from functions.steps import (
    accept_invitations,
    close_run,
    create_members,
    fail_target,
    get_members,
    invite_members,
    plan_onboarding,
    publish_interim,
    publish_results,
    restart_members,
)
from functions.steps.close_run import STATUS_CHANGE
from infra.config import RETENTION_DAYS
from infra.constructs.alarms import Alarms
from infra.constructs.bus_admission import admit_forwarders
from infra.constructs.event_rules import (
    DAY,
    MOST_ATTEMPTS,
    EventRules,
    UndeliveredEvents,
    rules_role,
)
from infra.constructs.findings import acknowledge, as_written
from infra.constructs.ledger_table import LedgerTable
from infra.constructs.onboarding_machine import TARGET_LABEL, OnboardingMachine
from infra.constructs.results_bucket import ResultsBucket
from infra.constructs.step import Step
from infra.constructs.subscriptions import Subscriptions
from infra.constructs.target_loop import TargetLoop
from infra.organization import organizations_region, wanted_patterns

if TYPE_CHECKING:
    from pathlib import Path

    from constructs import Construct

    from infra.config import DeploymentConfig

STEPS = (
    plan_onboarding,
    get_members,
    create_members,
    invite_members,
    accept_invitations,
    restart_members,
    fail_target,
    publish_interim,
    publish_results,
    close_run,
)
_ACTION_STEPS = {
    Action.CREATE: "create_members",
    Action.INVITE: "invite_members",
    Action.ACCEPT: "accept_invitations",
    Action.RESTART: "restart_members",
}


class RollcallStack(cdk.Stack):
    """Bus, rules, state machine, steps, table and topics; the grants between them are made here."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: DeploymentConfig,
        asset: Path,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Rollcall: enrols accounts in security services",
            env=_environment(config),
        )
        self._config = config
        self._code = lambda_.Code.from_asset(str(asset))
        self._log_retention = _retention(config.log_retention_days)
        self.bus = self._make_bus()
        self.table = LedgerTable(self, "RollcallTable").table
        self.topic = sns.Topic(self, "Results", enforce_ssl=True, master_key=_sns_key(self))
        Subscriptions(
            self,
            "Subscriptions",
            topic=self.topic,
            subscribers=config.notifications.results or (),
        )
        self.results = ResultsBucket(self, "RunResults").bucket
        self.steps = self._make_steps()
        for step in self.steps.values():
            self._grant(step)
        loop = TargetLoop(
            self,
            "Target",
            get_members=self.steps["get_members"],
            actions={
                action: self.steps[module]
                for action, module in _ACTION_STEPS.items()
                if module in self.steps
            },
            fail_target=self.steps["fail_target"],
            publish_interim=self.steps["publish_interim"],
            retry_config=config.retry,
        )
        onboarding = OnboardingMachine(
            self,
            "Onboarding",
            plan=self.steps["plan_onboarding"],
            publish=self.steps["publish_results"],
            close=self.steps["close_run"],
            loop=loop,
            config=config,
            log_retention=self._log_retention,
        )
        self.machine = onboarding.machine
        onboarding.allow_earlier_executions(self.steps.values())
        for step in self.steps.values():
            if step.needs.executions:
                onboarding.allow_on_executions(
                    step,
                    step.needs.executions,
                    "Which run holds a membership is not known before",
                )
        self.undelivered = UndeliveredEvents(self, "Undelivered").queue
        self._start_on_arrivals()
        self._close_what_ended()
        alarms = Alarms(self, "Alarms", subscribers=config.notifications.alarms or ())
        alarms.watch_queue(
            self.undelivered,
            remedy="The messages' attribute ERROR_MESSAGE gives the cause. Once that is fixed, run:"
            f" {config.names.redrive}",
        )
        alarms.watch_machine(self.machine, label=TARGET_LABEL)
        self._add_outputs()

    def _make_bus(self) -> events.IEventBus:
        """The bus. From outside the account it takes events of the forwarders' accounts only."""
        names, organization = self._config.names, self._config.organization
        name = names.bus(self._config.bus)
        bus: events.IEventBus
        if self._config.bus == "default":
            bus = events.EventBus.from_event_bus_name(self, "Bus", name)
        else:
            bus = events.EventBus(self, "Bus", event_bus_name=name)
        if organization:
            forwarders = organization.forwarders(
                self._config.bus, names, self._config.configuration
            )
            admit_forwarders(self, bus, organization, forwarders, names)
        return bus

    def _start_on_arrivals(self) -> None:
        role = rules_role(self, "Starter", description="Rollcall: starts runs for events")
        target = targets.SfnStateMachine(
            self.machine,
            role=role,
            dead_letter_queue=self.undelivered,
            max_event_age=DAY,
            retry_attempts=MOST_ATTEMPTS,
        )
        configuration, organization = self._config.configuration, self._config.organization
        wanted = wanted_patterns(configuration)
        at_home = organization.patterns_at_home(configuration) if organization else {}
        for construct_id, bus, patterns in (
            ("Arrivals", self.bus, wanted),
            ("ArrivalsAtHome", None, at_home),
        ):
            EventRules(
                self,
                construct_id,
                bus=bus,
                patterns=patterns,
                target=target,
                purpose="starts a run",
            )

    def _close_what_ended(self) -> None:
        """Close runs by Step Functions' events about executions, children of a map included.

        Without a queue: where an event is lost, what the run owns is free when its lease is over.
        """
        arn = self.machine.state_machine_arn
        events.Rule(
            self,
            "Ended",
            description="Rollcall: closes runs whose execution failed, timed out or was aborted",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=[STATUS_CHANGE],
                detail={
                    "stateMachineArn": [arn, {"prefix": f"{arn}/"}],
                    "status": ["FAILED", *sorted(STOPPED)],
                },
            ),
            targets=[targets.LambdaFunction(self.steps["close_run"].alias)],
        )

    def _make_steps(self) -> dict[str, Step]:
        """The steps by module. Without a member role nothing is accepted, and no step for it."""
        accepts = self._config.configuration.invitation.member_role is not None
        settings = {
            "ROLLCALL_ADMINISTRATOR": self.account,
            "ROLLCALL_PARTITION": self.partition,
            "ROLLCALL_CONFIGURATION": json.dumps(self._config.configuration.to_json()),
            "ROLLCALL_TABLE": self.table.table_name,
            "POWERTOOLS_METRICS_NAMESPACE": self._config.names.metrics,
        }
        publishing = {
            "ROLLCALL_BUS": self.bus.event_bus_name,
            "ROLLCALL_TOPIC": self.topic.topic_arn,
            "ROLLCALL_RESULTS_BUCKET": self.results.bucket_name,
        }
        needed = {module.__name__.rpartition(".")[2]: module.NEEDS for module in STEPS}
        return {
            module: Step(
                self,
                step_name(module),
                module=module,
                needs=needs,
                # The member roles trust this role by its name.
                role_name=self._config.names.accepting_role if needs.member_role else None,
                code=self._code,
                environment=settings | (publishing if needs.publishes else {}),
                log_retention=self._log_retention,
            )
            for module, needs in needed.items()
            if accepts or not needs.member_role
        }

    def _grant(self, step: Step) -> None:
        """What the step says beside its handler that it needs, and nothing else."""
        needs, configuration = step.needs, self._config.configuration
        step.allow(needs.table, self.table.table_arn)
        if needs.organization:
            step.allow_everywhere(
                needs.organization,
                "Reads of Organizations and Account Management, whatever the account",
            )
        if needs.services:
            step.allow_everywhere(
                [
                    action
                    for service in SERVICES
                    if service in configuration.services
                    for verb in needs.services
                    for action in service.permissions[verb]
                ],
                "Not every member operation can be limited to a hub, detector or graph, and those"
                " of every configured Region are meant",
            )
        if needs.publishes:
            self._allow_publishing(step)
        if needs.member_role:
            place = f":iam::*:role/{configuration.invitation.member_role}"
            step.allow(needs.member_role, f"arn:{self.partition}{place}")
            acknowledge(
                step,
                f"AwsSolutions-IAM5[Resource::arn:{as_written(self, self.partition)}{place}]",
                "The member role is in whatever account is invited; its trust decides",
            )

    def _allow_publishing(self, step: Step) -> None:
        step.allow(publisher.ACTIONS["event"], self.bus.event_bus_arn)
        step.allow(publisher.ACTIONS["message"], self.topic.topic_arn)
        step.allow(
            archive.ACTIONS["persist"], self.results.arn_for_objects(f"{archive.ONBOARDINGS}*")
        )
        name, _ = self.resolve(self.results.bucket_arn)["Fn::GetAtt"]
        acknowledge(
            step,
            f"AwsSolutions-IAM5[Resource::<{name}.Arn>/{archive.ONBOARDINGS}*]",
            "Each run has keys of its own under this prefix",
        )

    def _add_outputs(self) -> None:
        for name, value in {
            "StateMachineArn": self.machine.state_machine_arn,
            "BusName": self.bus.event_bus_name,
            "BusArn": self.bus.event_bus_arn,
            "TableName": self.table.table_name,
            "TopicArn": self.topic.topic_arn,
            "ResultsBucketName": self.results.bucket_name,
            "UndeliveredEventsUrl": self.undelivered.queue_url,
        }.items():
            cdk.CfnOutput(self, name, value=value)


def step_name(module: str) -> str:
    """The name of a step's state: its module's, as people write it."""
    return module.replace("_", " ").title()


def _environment(config: DeploymentConfig) -> cdk.Environment | None:
    """Where the stack belongs, as far as that is known; the rest is asked of the credentials."""
    organization = config.organization
    if organization:
        return cdk.Environment(
            account=organization.administrator_account, region=organization.home_region
        )
    if config.bus == "default":
        return cdk.Environment(region=organizations_region(config.configuration.regions[0]))
    return None


def _sns_key(scope: Construct) -> kms.IKey:
    """AWS's own key: every principal of the account that may publish may use it."""
    return kms.Alias.from_alias_name(scope, "SnsKey", "alias/aws/sns")


def _retention(days: int) -> logs.RetentionDays:
    """CDK names its retentions in the order of their days; INFINITE comes last."""
    return dict(zip(RETENTION_DAYS, logs.RetentionDays, strict=False))[days]
