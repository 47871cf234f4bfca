"""The events about accounts: which are needed, where AWS publishes them, where they are sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from functions.enrolment.document import Document, a_region, one_of
from functions.enrolment.errors import InvalidInput
from functions.enrolment.regions import is_opt_in
from functions.enrolment.scope import an_account_id
from functions.intake.arrivals import ARRIVALS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Configuration
    from infra.names import Names

CONTROL_TOWER = "aws.controltower"
# Organizations is global in each partition and publishes its events in one Region (botocore's
# endpoints.json, the credential scope of ``organizations``).
_ORGANIZATIONS = {"us-gov-": "us-gov-west-1", "cn-": "cn-northwest-1"}
_COMMERCIAL = "us-east-1"


def wanted_patterns(configuration: Configuration) -> dict[str, dict[str, Any]]:
    """The event patterns that this configuration needs, by the event's name.

    Moves are needed only if the scope has paths of organizational units, opt-ins only for the
    configured opt-in Regions.
    """
    opt_in = [region for region in configuration.regions if is_opt_in(region)]
    wanted: dict[str, dict[str, Any]] = {}
    for name, arrival in ARRIVALS.items():
        pattern = arrival.pattern
        if arrival.region is not None:
            field = arrival.region.removeprefix("detail.")
            pattern["detail"] = pattern["detail"] | {field: opt_in}
        unused = arrival.moves and not configuration.scope.uses_paths
        if not unused and (arrival.region is None or opt_in):
            wanted[name] = pattern
    return wanted


def archived_pattern(patterns: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One event pattern for the events that several match, as an archive takes it.

    Without what follows from source and event name, because an event pattern may have 2,048
    characters (EventBridge user guide, "Quotas").
    """
    implied = ("detail-type", "eventSource")
    alternatives = []
    for pattern in patterns.values():
        detail = {key: value for key, value in pattern["detail"].items() if key not in implied}
        if "eventName" in detail:
            alternatives.append({"source": pattern["source"], "detail": detail})
        else:
            alternatives.append(dict(pattern))
    return {"$or": alternatives}


def organizations_region(region: str) -> str:
    """The Region in which Organizations publishes events, in the partition of ``region``."""
    found = (home for prefix, home in _ORGANIZATIONS.items() if region.startswith(prefix))
    return next(found, _COMMERCIAL)


class Admit(StrEnum):
    """Who in the management account may put events on Rollcall's bus: docs/decisions/0023."""

    ACCOUNT = "account"
    ROLE = "role"
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class Forwarder:
    """A stack that forwards the events ``patterns`` matches from its default bus to Rollcall's.

    Its role has its name, and its rules have fixed names, so that the bus policy can name them.
    EventBridge takes 64 characters for a rule's name: 38 of them are left for ``name``.
    """

    name: str
    account: AccountId
    region: str
    patterns: Mapping[str, Mapping[str, Any]]

    @property
    def rule_names(self) -> dict[str, str]:
        """The rules' names, by the event's name."""
        return {event: f"{self.name}-{re.sub('[^A-Za-z]', '', event)}" for event in self.patterns}


@dataclass(frozen=True, slots=True)
class OrganizationConfig:
    """``control_tower_region`` is Control Tower's home Region; None if it is not used."""

    management_account: AccountId
    administrator_account: AccountId
    home_region: str
    control_tower_region: str | None = None
    admit: Admit = Admit.ACCOUNT

    def publishes(self, source: str, region: str) -> bool:
        """Whether events of a source are published in a Region of the management account."""
        origin = organizations_region(self.home_region)
        return region == (self.control_tower_region if source == CONTROL_TOWER else origin)

    def forwarders(
        self, bus: str, names: Names, configuration: Configuration
    ) -> tuple[Forwarder, ...]:
        """One for each account and Region whose events AWS does not publish on Rollcall's bus.

        ``bus`` is ``own`` or ``default``.
        """
        origin = organizations_region(self.home_region)
        regions = {origin: names.organization_events}
        if self.control_tower_region is not None:
            regions.setdefault(self.control_tower_region, names.control_tower_events)
        direct = self.home_region if bus == "default" else None
        forwarders = [
            Forwarder(
                name,
                self.management_account,
                region,
                {
                    event: pattern
                    for event, pattern in wanted_patterns(configuration).items()
                    if self.publishes(pattern["source"][0], region)
                },
            )
            for region, name in regions.items()
            if region != direct
        ]
        opt_ins = self._administrators_opt_ins(configuration)
        if opt_ins and origin != self.home_region:
            administrator = self.administrator_account
            forwarders.append(Forwarder(names.region_events, administrator, origin, opt_ins))
        return tuple(forwarders)

    def patterns_at_home(self, configuration: Configuration) -> dict[str, dict[str, Any]]:
        """The events that AWS publishes on the default bus beside Rollcall's own."""
        if organizations_region(self.home_region) != self.home_region:
            return {}
        return self._administrators_opt_ins(configuration)

    def _administrators_opt_ins(self, configuration: Configuration) -> dict[str, dict[str, Any]]:
        """The events about Regions that the administrator account opts its members in to.

        AWS sends them to the account that makes the call, in one Region (Account Management
        reference guide, "Monitoring with EventBridge"). Those of the management account are
        published with its other events, also where it administers the services itself.
        """
        if self.administrator_account == self.management_account:
            return {}
        return {
            event: pattern
            for event, pattern in wanted_patterns(configuration).items()
            if ARRIVALS[event].region is not None
        }


def an_organization(bus: str) -> Callable[[object, str], OrganizationConfig]:
    """Reads the key ``organization`` of a deployment with this ``bus``.

    With a bus of its own the home Region is free. The default bus must be the management account's,
    in the Region in which Organizations publishes its events.
    """

    def read(value: object, path: str) -> OrganizationConfig:
        document = Document(value, path)
        control_tower = document.optional("control_tower_region", a_region, None)
        admit = document.optional("admit", one_of({one.value: one for one in Admit}), Admit.ACCOUNT)
        management = document.required("management_account", an_account_id)
        if bus == "default":
            administrator = document.optional("administrator_account", an_account_id, management)
            home = document.optional("home_region", a_region, _COMMERCIAL)
        else:
            administrator = document.required("administrator_account", an_account_id)
            home = document.required("home_region", a_region)
        document.close()
        if bus == "default" and administrator != management:
            raise InvalidInput(
                document.path("administrator_account"),
                "takes the management account where bus is default",
            )
        if bus == "default" and home != organizations_region(home):
            raise InvalidInput(
                document.path("home_region"),
                f"takes {organizations_region(home)} where bus is default: AWS publishes the"
                " organisation's events there; with bus own it takes any Region",
            )
        return OrganizationConfig(management, administrator, home, control_tower, admit)

    return read
