"""One examination of a deployment: reads everything, and collects the findings."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from functions.enrolment.account import AccountId
from functions.enrolment.errors import InvalidInput
from functions.intake.arrivals import ARRIVALS
from infra.cli.doctor.deployment import (
    config_problem,
    judge_configuration,
    judge_deployment,
    read_deployment,
)
from infra.cli.doctor.event_path import (
    is_unconditional,
    judge_admission,
    judge_rules,
    judge_test_event,
    pattern_tester,
    read_bus_policy,
    read_rules,
    send_test_event,
)
from infra.cli.doctor.finding import Unread, ask, not_checked, warn
from infra.cli.doctor.forwarding import QUEUE_PROFILE, judge_forwarder, read_forwarder
from infra.cli.doctor.member_role import judge_member_role, read_member_role
from infra.cli.doctor.rehearsal import (
    accounts_of,
    judge_accounts,
    judge_events,
    judge_unrecorded,
    lookups,
    read_history,
    rehearse,
)
from infra.cli.doctor.samples import samples_of
from infra.cli.doctor.services import judge_services, read_services
from infra.cli.doctor.standing import read_standings
from infra.cli.doctor.trails import judge_trails, read_trails
from infra.cli.site import config_in
from infra.organization import OrganizationConfig, organizations_region, wanted_patterns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import Any

    from functions.aws.sessions import Clients
    from functions.enrolment.target import Target
    from infra.cli.doctor.event_path import DeployedRule
    from infra.cli.doctor.finding import Finding
    from infra.cli.doctor.rehearsal import Rehearsed, Standing
    from infra.cli.doctor.samples import Samples
    from infra.cli.site import Site
    from infra.config import DeploymentConfig

SERVICES, DEPLOYMENT, EVENT_PATH, MEMBER_ROLE, REHEARSAL = (
    "Services",
    "Deployment",
    "Event path",
    "Member role",
    "Rehearsal",
)


class Examination:
    """Findings by group. ``records`` are CloudTrail's, ``rehearsed`` what becomes of them.

    ``standings`` are the accounts they brought, ``days`` how many days were rehearsed.
    """

    def __init__(self, site: Site, targets: Sequence[Target], config: Path, now: float) -> None:
        self._site, self._targets, self._now = site, targets, now
        self._findings: list[tuple[str, Finding]] = []
        self._config_path = config
        self._config = _config(config)
        directory = site.wiring.paced.directory
        found = ask("organizations:DescribeOrganization", directory.organization)
        self._management: AccountId | Unread | None
        if found is None or isinstance(found, Unread):
            self._management = found
        else:
            self._management = found.management_account_id
        self._accounts = ask("organizations:ListAccounts", lambda: list(directory.accounts()))
        self.records: list[Mapping[str, Any]] = []
        self.rehearsed: list[Rehearsed] = []
        self.standings: list[Standing] = []
        self.days = 0

    @property
    def management(self) -> AccountId | None:
        """The management account; None if it is not known."""
        return None if isinstance(self._management, Unread) else self._management

    def examine(self, manager: Clients | None) -> None:
        """Check all but the recorded events; ``manager`` are clients of the management account."""
        site, accounts = self._site, self._accounts
        facts = read_services(site.wiring, self._targets, self._management, accounts, manager)
        self._add(SERVICES, judge_services(facts))
        self._add(DEPLOYMENT, judge_deployment(read_deployment(site), site.configuration))
        self._add(DEPLOYMENT, [self._configuration_finding()])
        self._add(EVENT_PATH, self._path(manager))
        inside = None if isinstance(accounts, Unread) else frozenset(one.id for one in accounts)
        self._add(MEMBER_ROLE, judge_member_role(read_member_role(site, self._targets, inside)))

    def rehearse(self, manager: Clients, since: datetime, days: int) -> None:
        """Put what CloudTrail has recorded since then to the deployed rules and the intake."""
        self.days = days
        organization, management = self._organization, self.management
        if organization is None or management is None:
            self._add(REHEARSAL, [warn("recorded-events", "There is no organisation")])
            return
        rules = self._rules
        if isinstance(rules, Unread):
            self._add(REHEARSAL, [not_checked("recorded-events", "The deployed rules", rules)])
            return
        configuration = self._site.configuration
        matches = pattern_tester(self._site.client("events"))
        wanted = wanted_patterns(configuration)
        recorded = _recorded(wanted, organization)
        for name, region in recorded:
            history = read_history(manager.client("cloudtrail", region), name, region, since)
            rehearsed = rehearse(history, rules, matches, configuration, management)
            self._add(REHEARSAL, [judge_events(history, rehearsed, days, management)])
            if not isinstance(history.records, Unread):
                self.records += history.records
            if not isinstance(rehearsed, Unread):
                self.rehearsed += rehearsed
        self._add(REHEARSAL, judge_unrecorded(wanted, recorded))
        accounts = accounts_of(self.rehearsed)
        standings = ask(
            "organizations:DescribeAccount",
            lambda: read_standings(self._site.wiring, accounts, self._targets, self._now),
        )
        if not isinstance(standings, Unread):
            self.standings = standings
        machine, home = self._site.outputs["StateMachineArn"], self._site.wiring.home_region
        self._add(REHEARSAL, judge_accounts(standings, machine, home))

    def found(
        self, profile: str | None, management_profile: str | None
    ) -> list[tuple[str, Finding]]:
        """Every finding with its group; commands name the profile they take, if it is known."""
        return [
            (group, self._with_profile(one, profile, management_profile))
            for group, one in self._findings
        ]

    def _add(self, group: str, found: Iterable[Finding]) -> None:
        self._findings += ((group, one) for one in found)

    def _with_profile(
        self, one: Finding, profile: str | None, management_profile: str | None
    ) -> Finding:
        """The finding; its command has the profile of the account whose credentials it takes."""
        if not one.command:
            return one
        administrator = self._site.wiring.settings.administrator_id
        account = one.account or administrator
        profiles = {self.management: management_profile, administrator: profile}
        name = profiles.get(AccountId(account))
        commands = one.command.split(" && ")
        if one.command.startswith(".venv"):
            commands = [one.command.replace(QUEUE_PROFILE, name or QUEUE_PROFILE)]
        elif name is not None:
            commands = [f"{command} --profile {shlex.quote(name)}" for command in commands]
        return replace(one, command=" && ".join(commands), account=account)

    def _configuration_finding(self) -> Finding:
        if isinstance(self._config, InvalidInput):
            return config_problem(self._config_path, self._config)
        return judge_configuration(self._site.configuration, self._config, self._config_path)

    @property
    def _organization(self) -> OrganizationConfig | None:
        """That of cdk.json, or what is known without it."""
        if isinstance(self._config, InvalidInput) or self._config.organization is None:
            management = self.management
            administrator = self._site.wiring.settings.administrator_id
            home = self._site.wiring.home_region
            if management is None:
                return None
            return OrganizationConfig(management, administrator, home)
        return self._config.organization

    @property
    def _bus_kind(self) -> str:
        return "default" if self._site.outputs["BusName"] == "default" else "own"

    @cached_property
    def _rules(self) -> list[DeployedRule] | Unread:
        site = self._site
        buses = [site.outputs["BusName"], "default"]
        return read_rules(site.client("events"), buses, site.outputs["StateMachineArn"])

    def _path(self, manager: Clients | None) -> Iterator[Finding]:
        site, management = self._site, self.management
        events, bus, stack = site.client("events"), site.outputs["BusArn"], site.names.stack
        administrator = site.wiring.settings.administrator_id
        policy = read_bus_policy(events, site.outputs["BusName"])
        if management is not None and management != administrator:
            yield judge_admission(policy, bus, management, stack)
        wanted = wanted_patterns(site.configuration)
        samples = samples_of(wanted, management or administrator, site.configuration)
        organization = self._organization
        at_home = organization.patterns_at_home(site.configuration) if organization else {}
        for name, patterns in ((site.outputs["BusName"], wanted), ("default", at_home)):
            if patterns:
                yield from judge_rules(
                    name,
                    patterns,
                    self._rules,
                    samples,
                    pattern_tester(events),
                    site.configuration,
                    management,
                    stack,
                )
        yield from self._forwarding(manager, samples)
        yield from self._trails(manager, wanted)
        if manager is not None and management is not None and is_unconditional(policy, management):
            # Other accounts reach a bus through the endpoint of its Region.
            there = manager.client("events", site.wiring.home_region)
            yield judge_test_event(send_test_event(there, bus, management), management, bus)
        else:
            yield judge_test_event(send_test_event(events, bus, administrator), management, bus)

    def _forwarding(self, manager: Clients | None, samples: Samples) -> Iterator[Finding]:
        site, organization, management = self._site, self._organization, self.management
        if organization is None:
            yield warn("forwarding", "There is no organisation whose events could be forwarded")
            return
        administrator = site.wiring.settings.administrator_id
        unseen = []
        for one in organization.forwarders(self._bus_kind, site.names, site.configuration):
            ours = one.account == administrator
            clients = site.wiring.clients if ours else manager
            if clients is None:
                unseen.append(one.name)
                continue
            bus = site.outputs["BusArn"]
            yield from judge_forwarder(
                read_forwarder(one, bus, clients),
                bus,
                site.names.redrive,
                samples,
                pattern_tester(clients.client("events", one.region)),
            )
        if unseen:
            yield warn(
                "forwarding",
                f"{', '.join(unseen)} in the management account {management}: not checked; to do:"
                " give --management-profile",
            )

    def _trails(
        self, manager: Clients | None, wanted: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[Finding]:
        organization = self._organization
        if manager is None or organization is None:
            return
        sources: dict[str, set[str]] = {}
        for name, region in _recorded(wanted, organization):
            sources.setdefault(region, set()).add(str(ARRIVALS[name].event_source))
        for region, published in sources.items():
            trails = read_trails(manager, region)
            yield judge_trails(trails, published, region, organization.management_account)


def _recorded(
    wanted: Mapping[str, Mapping[str, Any]], organization: OrganizationConfig
) -> list[tuple[str, str]]:
    """The names of the events that CloudTrail records, each with the Region that does."""
    regions = [organizations_region(organization.home_region)]
    regions += filter(None, [organization.control_tower_region])
    return lookups(wanted, organization, regions)


def _config(path: Path) -> DeploymentConfig | InvalidInput:
    try:
        return config_in(path)
    except InvalidInput as error:
        return error
