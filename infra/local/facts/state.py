"""What is true in the local world. Nothing here locks: `World` does."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from infra.local.facts.agenda import Agenda
from infra.local.facts.membership import Memberships
from infra.local.facts.organization import (
    AccountState,
    Creation,
    Designation,
    Handshake,
    LocalOrganization,
    Seat,
    Unit,
)
from infra.local.facts.rates import Buckets
from infra.local.facts.regions import OPT_IN_REGIONS, OptStatus
from infra.local.facts.switches import USABLE, default_switches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from infra.local.facts.central_configuration import FindingAggregator
    from infra.local.facts.clock import Clock
    from infra.local.facts.timings import Amounts

# CreateAccount's default for RoleName.
ORGANIZATION_ROLE = "OrganizationAccountAccessRole"


class Volume(StrEnum):
    """What Detective finds out about an account's data volume."""

    MEASURED = "measured"  # unknown until GuardDuty has run there for detective_volume
    KNOWN = "known"
    UNKNOWN = "unknown"
    TOO_HIGH = "too_high"


@dataclass(slots=True)
class LocalAccount:
    """An AWS account as it really is, whatever anybody told a service about it."""

    id: str
    email: str
    name: str
    state: AccountState = AccountState.ACTIVE
    volume: Volume = Volume.MEASURED
    # Seconds until the owner accepts an invitation; a service's own entry wins over "*".
    accepts_after: dict[str, float | None] = field(default_factory=dict)
    regions: dict[str, OptStatus] = field(default_factory=dict)

    def opt_status(self, region: str) -> OptStatus:
        if region in OPT_IN_REGIONS:
            return self.regions.get(region, OptStatus.DISABLED)
        return OptStatus.ENABLED_BY_DEFAULT

    def can_use(self, region: str) -> bool:
        return self.opt_status(region) in (OptStatus.ENABLED, OptStatus.ENABLED_BY_DEFAULT)

    def acceptance(self, service: str) -> float | None:
        return self.accepts_after.get(service, self.accepts_after.get("*"))


@dataclass(slots=True)
class Installation:
    """A service switched on in one account and Region: a hub, a detector, a behavior graph."""

    id: str
    arn: str
    since: float
    updated_at: float
    enabled: bool = True
    settings: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Forced:
    """An UnprocessedAccounts entry that comes whatever the state is."""

    service: str
    operation: str
    account_id: str
    text: str
    times: int
    region: str | None


@dataclass(frozen=True, slots=True)
class NewRole:
    """A role in ``account_id``.

    ``trusts`` are those who may assume it: ids of accounts, ARNs, service principals. ``policies``
    are ARNs of managed policies.
    """

    account_id: str
    name: str
    trusts: tuple[str, ...]
    external_id: str | None = None
    policies: tuple[str, ...] = ()

    @classmethod
    def of_organization(
        cls, account_id: str, management: str, name: str = ORGANIZATION_ROLE
    ) -> NewRole:
        """The one that Organizations makes in an account that it creates."""
        administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
        return cls(account_id, name, (management,), policies=(administrator,))


class Listener(Protocol):
    """What wants to know of changes to accounts."""

    def account_joined(self, organization: LocalOrganization, account_id: str) -> None: ...

    def account_left(self, organization: LocalOrganization, account_id: str) -> None: ...

    def account_changed(self, account_id: str) -> None: ...

    def administrator_deregistered(
        self, organization: LocalOrganization, principal: str, account_id: str
    ) -> None: ...

    def policy_types_changed(self, organization: LocalOrganization) -> None: ...


class State:
    """Accounts, organisations, switched-on services and memberships, each by account and Region."""

    def __init__(
        self,
        clock: Clock,
        timings: Amounts,
        limits: Amounts,
        seed: int,
        make_role: Callable[[NewRole], object],
    ) -> None:
        self.agenda = Agenda(clock)
        self.make_role = make_role
        self.listeners: list[Listener] = []
        self._initial = (timings, limits, seed)
        self.clear()

    def clear(self) -> None:
        self.timings, self.limits, seed = self._initial
        self.switches = default_switches()
        self.buckets = Buckets()
        self._random = random.Random(seed)  # noqa: S311  # ids that repeat from run to run
        self.agenda.clear()
        self.accounts: dict[str, LocalAccount] = {}
        # The ids of accounts by their e-mail addresses, case folded.
        self._by_email: dict[str, dict[str, None]] = {}
        self.organizations: dict[str, LocalOrganization] = {}
        self.installations: dict[tuple[str, str, str], Installation] = {}
        self.memberships = Memberships()
        self.invitations_sent: Counter[tuple[str, str, str, str]] = Counter()
        self.creations: dict[str, Creation] = {}
        self.handshakes: dict[str, Handshake] = {}
        self._handshakes_of: dict[str, list[Handshake]] = {}
        self.forced: list[Forced] = []
        # Security Hub's, by account: it has one for all Regions.
        self.aggregators: dict[str, FindingAggregator] = {}
        self.events: list[dict[str, Any]] = []

    def now(self) -> float:
        return self.agenda.now()

    def hex_id(self, length: int = 32) -> str:
        return f"{self._random.getrandbits(length * 4):0{length}x}"

    def uuid(self) -> str:
        digits = self.hex_id()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def add_handshake(self, handshake: Handshake) -> None:
        self.handshakes[handshake.id] = handshake
        self._handshakes_of.setdefault(handshake.account_id, []).append(handshake)

    def handshakes_of(self, account_id: str) -> Sequence[Handshake]:
        """Those that the account has received, oldest first."""
        return tuple(self._handshakes_of.get(account_id, ()))

    def new_account_id(self) -> str:
        while True:
            account_id = f"{self._random.randrange(10**11, 10**12)}"
            if account_id not in self.accounts:
                return account_id

    def account(self, account_id: str) -> LocalAccount:
        """The account, made up on the spot as a standalone one when nobody has described it."""
        if account_id not in self.accounts:
            email = f"account-{account_id}@example.com"
            self.describe(LocalAccount(account_id, email, f"Account {account_id}"))
        return self.accounts[account_id]

    def describe(self, account: LocalAccount) -> None:
        """Add the account, or give the one that is known these facts: it stays the same object."""
        known = self.accounts.setdefault(account.id, account)
        self._by_email.get(known.email.casefold(), {}).pop(account.id, None)
        for one in fields(LocalAccount):
            setattr(known, one.name, getattr(account, one.name))
        self._by_email.setdefault(account.email.casefold(), {})[account.id] = None

    def account_with_email(self, email: str) -> str | None:
        """The id of the first account that has the address, in whatever case."""
        return next(iter(self._by_email.get(email.casefold(), ())), None)

    def is_open(self, account: LocalAccount) -> bool:
        """Whether AWS takes the account's calls, and gives out its roles.

        Organizations User Guide, Monitor the state of your AWS accounts.
        """
        if account.state is AccountState.PENDING_CLOSURE:
            return self.switches["organizations_pending_closure"] == USABLE
        return account.state is AccountState.ACTIVE

    def organization_of(self, account_id: str) -> LocalOrganization | None:
        for organization in self.organizations.values():
            if account_id in organization.seats:
                return organization
        return None

    def designation(
        self, service: str, region: str, account_id: str
    ) -> tuple[LocalOrganization, Designation] | None:
        """The organisation this account administers for the service in the Region, if any."""
        organization = self.organization_of(account_id)
        if organization is None:
            return None
        found = organization.designations.get((service, region))
        if found is None or found.removing or found.account_id != account_id:
            return None
        return organization, found

    def found_organization(self, management: str) -> LocalOrganization:
        self.account(management)
        organization = LocalOrganization(f"o-{self.hex_id(10)}", management, f"r-{self.hex_id(4)}")
        self.organizations[organization.id] = organization
        self.join(organization, management, "INVITED")
        return organization

    def add_unit(self, organization: LocalOrganization, name: str, parent_id: str) -> Unit:
        tail = organization.root_id.removeprefix("r-")
        unit = Unit(f"ou-{tail}-{self.hex_id(8)}", name, parent_id)
        organization.add_unit(unit)
        return unit

    def join(
        self,
        organization: LocalOrganization,
        account_id: str,
        method: str,
        parent_id: str | None = None,
    ) -> None:
        parent = parent_id or organization.root_id
        organization.add_account(Seat(account_id, parent, method, self.now()))
        for listener in self.listeners:
            listener.account_joined(organization, account_id)

    def move(self, organization: LocalOrganization, seat: Seat, parent_id: str) -> None:
        organization.move_account(seat, parent_id)
        self.account_changed(seat.account_id)

    def leave(self, organization: LocalOrganization, account_id: str) -> None:
        organization.remove_account(account_id)
        organization.tags.pop(account_id, None)
        for listener in self.listeners:
            listener.account_left(organization, account_id)

    def account_changed(self, account_id: str) -> None:
        for listener in self.listeners:
            listener.account_changed(account_id)

    def policy_types_changed(self, organization: LocalOrganization) -> None:
        for listener in self.listeners:
            listener.policy_types_changed(organization)

    def installation(self, service: str, account_id: str, region: str) -> Installation | None:
        return self.installations.get((service, account_id, region))

    def install(
        self, service: str, account_id: str, region: str, installation: Installation
    ) -> None:
        self.installations[service, account_id, region] = installation
        self.account_changed(account_id)

    def forced_text(self, service: str, operation: str, region: str, account_id: str) -> str | None:
        """The text of a forced failure, used up one time."""
        for forced in self.forced:
            wanted = (forced.service, forced.operation, forced.account_id)
            if wanted == (service, operation, account_id) and forced.region in (None, region):
                forced.times -= 1
                if forced.times <= 0:
                    self.forced.remove(forced)
                return forced.text
        return None

    def set_opt_status(self, account: LocalAccount, region: str, status: OptStatus) -> None:
        account.regions[region] = status
        self.account_changed(account.id)
