"""The stack in the administrator's account and home Region."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns

from functions.aws import archive
from functions.enrolment.configuration import OFF
from functions.enrolment.membership import Action
from functions.services.registry import SERVICES
from functions.steps import (
    accept_invitations,
    await_runs,
    close_run,
    create_members,
    fail_target,
    get_members,
    invite_members,
    plan_onboarding,
    publish_interim,
    publish_reconcile,
    publish_results,
    restart_members,
    start_runs,
    survey_organization,
)
from infra.config import RETENTION_DAYS
from infra.constructs.alarms import Alarms
from infra.constructs.bus_admission import admit_forwarders
from infra.constructs.dashboard import Dashboard
from infra.constructs.event_archive import EventArchive
from infra.constructs.event_rules import (
    DAY,
    MOST_ATTEMPTS,
    EventRules,
    UndeliveredEvents,
    rules_role,
)
from infra.constructs.executions import allow_on_executions, run_when_ended
from infra.constructs.ledger_table import LedgerTable
from infra.constructs.onboarding_machine import TARGET_LABEL, OnboardingMachine
from infra.constructs.reconcile_machine import ReconcileMachine
from infra.constructs.reconcile_schedule import ReconcileSchedule
from infra.constructs.results_bucket import ResultsBucket
from infra.constructs.steps import Steps
from infra.constructs.subscriptions import Subscriptions
from infra.constructs.target_loop import TargetLoop
from infra.organization import organizations_region, wanted_patterns
from infra.schedule import overdue_hours

if TYPE_CHECKING:
    from pathlib import Path

    from constructs import Construct

    from infra.config import DeploymentConfig

ONBOARDING_STEPS = (
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
RECONCILE_STEPS = (survey_organization, start_runs, await_runs, publish_reconcile)
_ACTION_STEPS = {
    Action.CREATE: "create_members",
    Action.INVITE: "invite_members",
    Action.ACCEPT: "accept_invitations",
    Action.RESTART: "restart_members",
}


class RollcallStack(cdk.Stack):
    """Bus, rules, state machines, steps, table and topics; grants on executions are made here."""

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
        making = Steps(
            self,
            config=config,
            code=lambda_.Code.from_asset(str(asset)),
            log_retention=self._log_retention,
            table=self.table,
            bus=self.bus,
            topic=self.topic,
            bucket=self.results,
        )
        self.steps = making.make(ONBOARDING_STEPS, results=archive.ONBOARDINGS)
        self.machine = self._make_onboarding().machine
        self.reconcile_steps = making.make(
            RECONCILE_STEPS, results=archive.RECONCILES, starts=self.machine
        )
        self.reconciles = self._make_reconcile().machine
        schedule = self._make_schedule()
        self.undelivered = UndeliveredEvents(self, "Undelivered").queue
        self._start_on_arrivals()
        self._archive_arrivals()
        alarms = Alarms(self, "Alarms", subscribers=config.notifications.alarms or ())
        alarms.watch_queue(
            self.undelivered,
            remedy="The messages' attribute ERROR_MESSAGE gives the cause. Once that is fixed, run:"
            f" {config.names.redrive}",
        )
        alarms.watch_onboardings(self.machine, config.names, label=TARGET_LABEL)
        alarms.watch_reconciles(self.reconciles, config.names)
        alarms.watch_coverage(config.names)
        if schedule is not None:
            alarms.watch_schedule(schedule.undelivered)
        hours = overdue_hours(config.configuration)
        if hours is not None:
            alarms.watch_for_reconciles(self.reconciles, config.names, hours=hours)
        self._make_dashboard(schedule)
        self._add_outputs()

    def _make_onboarding(self) -> OnboardingMachine:
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
            retry_config=self._config.retry,
        )
        onboarding = OnboardingMachine(
            self,
            "Onboarding",
            plan=self.steps["plan_onboarding"],
            publish=self.steps["publish_results"],
            close=self.steps["close_run"],
            loop=loop,
            config=self._config,
            log_retention=self._log_retention,
        )
        onboarding.allow_earlier_executions(self.steps.values())
        for step in self.steps.values():
            if step.needs.executions:
                allow_on_executions(
                    onboarding,
                    step,
                    onboarding.machine,
                    step.needs.executions,
                    "Which run holds a membership is not known before",
                )
        # Where an event is lost, what the run owns is free when its lease is over.
        run_when_ended(
            self,
            "Ended",
            step=self.steps["close_run"],
            machine=onboarding.machine,
            with_children=True,
            description="closes runs whose execution failed, timed out or was aborted",
        )
        return onboarding

    def _make_reconcile(self) -> ReconcileMachine:
        """The machine; a person can always start it."""
        reconcile = ReconcileMachine(
            self,
            "Reconcile",
            close=self.steps["close_run"],
            survey=self.reconcile_steps["survey_organization"],
            start=self.reconcile_steps["start_runs"],
            wait=self.reconcile_steps["await_runs"],
            publish=self.reconcile_steps["publish_reconcile"],
            runs=self.machine,
            retry_config=self._config.retry,
            log_retention=self._log_retention,
        )
        for step in (*self.steps.values(), *self.reconcile_steps.values()):
            if step.needs.reconciles:
                allow_on_executions(
                    reconcile,
                    step,
                    reconcile.machine,
                    step.needs.reconciles,
                    "Which reconcile holds the lock or started a run is not known before",
                )
        # Where an event is lost, the next reconcile takes the lock of the ended one.
        run_when_ended(
            self,
            "EndedReconciles",
            step=self.reconcile_steps["publish_reconcile"],
            machine=reconcile.machine,
            description="publishes reconciles whose execution failed, timed out or was aborted",
        )
        return reconcile

    def _make_schedule(self) -> ReconcileSchedule | None:
        schedule = self._config.configuration.reconcile.schedule
        if schedule == OFF:
            return None
        return ReconcileSchedule(
            self, "ReconcileSchedule", expression=schedule, machine=self.reconciles
        )

    def _make_dashboard(self, schedule: ReconcileSchedule | None) -> None:
        queues = {"events about accounts": self.undelivered}
        if schedule is not None:
            queues["starts of reconciles"] = schedule.undelivered
        services = self._config.configuration.services
        Dashboard(
            self,
            "Overview",
            names=self._config.names,
            services=[service for service in SERVICES if service in services],
            machines={
                "runs": self.machine.state_machine_arn,
                "reconciles": self.reconciles.state_machine_arn,
            },
            children={"targets of runs": f"{self.machine.state_machine_arn}/{TARGET_LABEL}"},
            queues=queues,
        )

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

    def _archive_arrivals(self) -> None:
        days = self._config.event_retention_days
        if days == 0:
            return
        patterns = wanted_patterns(self._config.configuration)
        archive = EventArchive(self, "EventArchive", bus=self.bus, patterns=patterns, days=days)
        cdk.CfnOutput(self, "EventArchiveArn", value=archive.arn)

    def _add_outputs(self) -> None:
        for name, value in {
            "StateMachineArn": self.machine.state_machine_arn,
            "ReconcileMachineArn": self.reconciles.state_machine_arn,
            "BusName": self.bus.event_bus_name,
            "BusArn": self.bus.event_bus_arn,
            "TableName": self.table.table_name,
            "TopicArn": self.topic.topic_arn,
            "ResultsBucketName": self.results.bucket_name,
            "UndeliveredEventsUrl": self.undelivered.queue_url,
            # Its environment tells the command line what is deployed.
            "StartRunsFunctionArn": self.reconcile_steps["start_runs"].alias.function_arn,
        }.items():
            cdk.CfnOutput(self, name, value=value)


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
