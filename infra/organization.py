"""The organisation's events: which are wanted, where they appear, and where they go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.enrolment.document import Document, a_region
from functions.enrolment.errors import InvalidInput
from functions.enrolment.regions import is_opt_in
from functions.enrolment.scope import an_account_id
from functions.intake.arrivals import ARRIVALS

if TYPE_CHECKING:
    from collections.abc import Callable

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Configuration

CONTROL_TOWER = "aws.controltower"
# Organizations is global in each partition, and tells its events in one Region (botocore's
# endpoints.json, the credential scope of ``organizations``).
_ORGANIZATIONS = {"us-gov-": "us-gov-west-1", "cn-": "cn-northwest-1"}
_COMMERCIAL = "us-east-1"


def wanted_patterns(configuration: Configuration) -> dict[str, dict[str, Any]]:
    """The event patterns this configuration has a use for, by the event's name.

    A move matters only where the scope goes by organizational units, a Region's opt-in only for the
    Regions that are enrolled in and need it.
    """
    opt_in = [region for region in configuration.regions if is_opt_in(region)]
    wanted: dict[str, dict[str, Any]] = {}
    for name, arrival in ARRIVALS.items():
        pattern = arrival.pattern
        if arrival.region is not None:
            field = arrival.region.removeprefix("detail.")
            pattern["detail"] = pattern["detail"] | {field: opt_in}
        unused = arrival.moves and not configuration.scope.looks_at_paths
        if not unused and (arrival.region is None or opt_in):
            wanted[name] = pattern
    return wanted


def organizations_region(region: str) -> str:
    """The Region in which Organizations tells its events, in the partition of ``region``."""
    found = (home for prefix, home in _ORGANIZATIONS.items() if region.startswith(prefix))
    return next(found, _COMMERCIAL)


@dataclass(frozen=True, slots=True)
class Forwarder:
    """A stack in the management account; its role has its name, so that the bus can admit it."""

    name: str
    region: str


@dataclass(frozen=True, slots=True)
class Organization:
    """``control_tower_region`` is Control Tower's home Region, where it is used."""

    management_account: AccountId
    administrator_account: AccountId
    home_region: str
    control_tower_region: str | None = None

    def tells(self, source: str, region: str) -> bool:
        """Whether events of a source appear in a Region of the management account."""
        origin = organizations_region(self.home_region)
        return region == (self.control_tower_region if source == CONTROL_TOWER else origin)

    def forwarders(self, bus: str) -> tuple[Forwarder, ...]:
        """One for each Region in which events appear that do not appear on the bus by themselves.

        ``bus`` is ``own`` or ``default``.
        """
        origin = organizations_region(self.home_region)
        regions = {origin: "RollcallOrganizationEvents"}
        if self.control_tower_region is not None:
            regions.setdefault(self.control_tower_region, "RollcallControlTowerEvents")
        heard = self.home_region if bus == "default" else None
        return tuple(Forwarder(name, region) for region, name in regions.items() if region != heard)


def an_organization(bus: str) -> Callable[[object, str], Organization]:
    """Reads the ``organization`` of a deployment that listens on ``bus``.

    Its own bus can be anywhere. The default bus is the management account's, where Organizations
    tells its events.
    """

    def read(value: object, path: str) -> Organization:
        document = Document(value, path)
        control_tower = document.optional("control_tower_region", a_region, None)
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
                f"takes {organizations_region(home)} where bus is default: the organisation's"
                " events appear there; with bus own it takes any Region",
            )
        return Organization(management, administrator, home, control_tower)

    return read
