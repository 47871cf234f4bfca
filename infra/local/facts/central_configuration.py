"""Security Hub's central configuration of an organisation, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# The identifier of self-managed behavior, which stands where a policy's id does.
SELF_MANAGED = "SELF_MANAGED_SECURITY_HUB"


class LinkingMode(StrEnum):
    """``RegionLinkingMode`` of a finding aggregator."""

    ALL_REGIONS = "ALL_REGIONS"
    ALL_REGIONS_EXCEPT_SPECIFIED = "ALL_REGIONS_EXCEPT_SPECIFIED"
    SPECIFIED_REGIONS = "SPECIFIED_REGIONS"
    NO_REGIONS = "NO_REGIONS"


class ConfigurationStatus(StrEnum):
    """``OrganizationConfigurationStatus`` of central configuration."""

    PENDING = "PENDING"
    ENABLED = "ENABLED"
    FAILED = "FAILED"


class AssociationStatus(StrEnum):
    """``ConfigurationPolicyAssociationStatus``."""

    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


@dataclass(slots=True)
class FindingAggregator:
    """An account's home Region, and which Regions are linked to it."""

    arn: str
    home: str
    mode: LinkingMode
    # As in the request: the Regions that are linked, or that are not.
    regions: list[str]


@dataclass(slots=True)
class ConfigurationPolicy:
    """``settings`` is the request's ``ConfigurationPolicy``."""

    id: str
    arn: str
    name: str
    description: str | None
    settings: dict[str, Any]
    created_at: float
    updated_at: float

    @property
    def service_enabled(self) -> bool:
        enabled: bool = self.settings["SecurityHub"]["ServiceEnabled"]
        return enabled

    @property
    def standards(self) -> list[str]:
        arns: list[str] = self.settings["SecurityHub"].get("EnabledStandardIdentifiers", [])
        return arns


@dataclass(slots=True)
class Association:
    """What configures an account, a unit or the root: applied to it, or inherited."""

    policy_id: str
    applied: bool
    updated_at: float
    status: AssociationStatus = AssociationStatus.PENDING
    message: str | None = None
    # Where an account's policy has taken effect.
    regions: frozenset[str] = frozenset()


@dataclass(slots=True)
class CentralConfiguration:
    home: str
    administrator: str
    status: ConfigurationStatus = ConfigurationStatus.PENDING
    message: str | None = None
    policies: dict[str, ConfigurationPolicy] = field(default_factory=dict)
    # By account, unit or root.
    associations: dict[str, Association] = field(default_factory=dict)
    # By account: what its associations fail with.
    failures: dict[str, str] = field(default_factory=dict)
