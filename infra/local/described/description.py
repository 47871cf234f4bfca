"""What a file describes: an organisation, its accounts and their memberships."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.facts.organization import AutoEnable, Joined


@dataclass(frozen=True, slots=True)
class DescribedRole:
    name: str
    trusts: tuple[str, ...]
    external_id: str | None
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DescribedAccount:
    """``facts`` are keys of the command ``add_account``; ``enabled`` are Regions by service."""

    id: str
    facts: Mapping[str, Any]
    unit: str | None
    joined: Joined | None
    in_organization: bool
    regions: tuple[str, ...]
    enabled: Mapping[str, tuple[str, ...]]
    roles: tuple[DescribedRole, ...]


@dataclass(frozen=True, slots=True)
class DescribedOrganization:
    """``units`` are paths such as ``Workloads/Production``."""

    management: str
    units: tuple[str, ...]
    trusted_access: tuple[str, ...]
    delegated_administrators: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DescribedAdministrator:
    """``auto_enable`` is None where it stays as it is."""

    account: str
    services: tuple[str, ...]
    regions: tuple[str, ...]
    auto_enable: AutoEnable | None
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """``timings`` and ``limits`` are for the commands ``set_timings`` and ``set_limits``."""

    organization: DescribedOrganization | None = None
    accounts: tuple[DescribedAccount, ...] = ()
    administrators: tuple[DescribedAdministrator, ...] = ()
    timings: Mapping[str, float | None] = field(default_factory=dict)
    limits: Mapping[str, float | None] = field(default_factory=dict)
