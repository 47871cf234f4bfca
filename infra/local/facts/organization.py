"""Organisations: their accounts, organizational units, delegated administrators and settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.facts.central_configuration import CentralConfiguration


class AccountState(StrEnum):
    """Organizations' ``Account.State``."""

    PENDING_ACTIVATION = "PENDING_ACTIVATION"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    PENDING_CLOSURE = "PENDING_CLOSURE"
    CLOSED = "CLOSED"


class Joined(StrEnum):
    """Organizations' ``Account.JoinedMethod``."""

    CREATED = "CREATED"
    INVITED = "INVITED"


class AutoEnable(StrEnum):
    """Which accounts of the organisation become members unasked."""

    NONE = "NONE"
    NEW = "NEW"
    ALL = "ALL"


@dataclass(slots=True)
class Seat:
    """An account's place in its organisation."""

    account_id: str
    parent_id: str
    joined_method: str
    joined_at: float


@dataclass(slots=True)
class Unit:
    id: str
    name: str
    parent_id: str


@dataclass(slots=True)
class Designation:
    """A service's administrator in one Region, with the organisation settings it manages."""

    account_id: str
    since: float
    auto_enable: AutoEnable = AutoEnable.NONE
    # Whatever else the service's UpdateOrganizationConfiguration takes.
    settings: dict[str, Any] = field(default_factory=dict)
    removing: bool = False


@dataclass(slots=True)
class Creation:
    """One CreateAccount request."""

    id: str
    management: str
    name: str
    role: str
    requested_at: float
    completed_at: float | None = None
    account_id: str | None = None
    failure: str | None = None

    @property
    def state(self) -> str:
        if self.completed_at is None:
            return "IN_PROGRESS"
        return "FAILED" if self.failure else "SUCCEEDED"


@dataclass(slots=True)
class Handshake:
    """An invitation to join an organisation."""

    id: str
    organization_id: str
    management: str
    account_id: str
    requested_at: float
    state: str = "OPEN"


@dataclass(slots=True)
class LocalOrganization:
    id: str
    management: str
    root_id: str
    feature_set: str = "ALL"
    seats: dict[str, Seat] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    # Service principal → account → since when.
    delegates: dict[str, dict[str, float]] = field(default_factory=dict)
    service_access: dict[str, float] = field(default_factory=dict)
    # By service and Region.
    designations: dict[tuple[str, str], Designation] = field(default_factory=dict)
    # Account, unit or root → tags.
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    # Those enabled in the root.
    policy_types: set[str] = field(default_factory=set)
    # Security Hub's; None for local configuration.
    central: CentralConfiguration | None = None
    # Unit or root → the ids right below.
    _accounts: dict[str, dict[str, None]] = field(default_factory=dict, init=False)
    _units: dict[str, dict[str, None]] = field(default_factory=dict, init=False)

    def add_account(self, seat: Seat) -> None:
        self.seats[seat.account_id] = seat
        self._accounts.setdefault(seat.parent_id, {})[seat.account_id] = None

    def remove_account(self, account_id: str) -> None:
        seat = self.seats.pop(account_id)
        del self._accounts[seat.parent_id][account_id]

    def move_account(self, seat: Seat, parent_id: str) -> None:
        del self._accounts[seat.parent_id][seat.account_id]
        seat.parent_id = parent_id
        self._accounts.setdefault(parent_id, {})[seat.account_id] = None

    def add_unit(self, unit: Unit) -> None:
        self.units[unit.id] = unit
        self._units.setdefault(unit.parent_id, {})[unit.id] = None

    def accounts_in(self, parent_id: str) -> list[str]:
        """The accounts right below a unit or the root, found without looking at the others."""
        return list(self._accounts.get(parent_id, ()))

    def units_in(self, parent_id: str) -> list[str]:
        """The units right below a unit or the root."""
        return list(self._units.get(parent_id, ()))

    def has_parent(self, parent_id: str) -> bool:
        return parent_id == self.root_id or parent_id in self.units

    def is_delegate(self, account_id: str, principal: str | None = None) -> bool:
        principals = self.delegates if principal is None else (principal,)
        return any(account_id in self.delegates.get(name, {}) for name in principals)

    def path(self, child_id: str, parent_id: str) -> str:
        """``o-…/r-…/ou-…/child/``, as in ``Account.Paths`` and ``OrganizationalUnit.Path``."""
        parts = [child_id]
        while parent_id != self.root_id:
            parts.append(parent_id)
            parent_id = self.units[parent_id].parent_id
        return "/".join([self.id, self.root_id, *reversed(parts)]) + "/"

    def parents(self, target_id: str) -> Iterator[str]:
        """The units above an account or unit, the nearest first, and the root; none of the root."""
        while target_id != self.root_id:
            place = self.seats.get(target_id) or self.units[target_id]
            target_id = place.parent_id
            yield target_id
