"""Targets: one service in one Region, and what the rules need to know of a service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from functions.enrolment.membership import Status


class ServiceName(StrEnum):
    """The services, by their botocore names."""

    SECURITYHUB = "securityhub"
    GUARDDUTY = "guardduty"
    DETECTIVE = "detective"

    @property
    def label(self) -> str:
        """The name people know it by."""
        return _LABELS[self]


_LABELS = {
    ServiceName.SECURITYHUB: "Security Hub",
    ServiceName.GUARDDUTY: "GuardDuty",
    ServiceName.DETECTIVE: "Detective",
}


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One service in one Region."""

    service: ServiceName
    region: str

    @property
    def key(self) -> str:
        """``service#region``, as the table spells it."""
        return f"{self.service}#{self.region}"

    @classmethod
    def of_key(cls, key: str) -> Target:
        """The target back from its key. Raises ValueError for any other text."""
        service, _, region = key.partition("#")
        return cls(ServiceName(service), region)


def comes_before(target: Target) -> Target | None:
    """The target whose memberships come first: Detective looks at GuardDuty's data volume."""
    if target.service is not ServiceName.DETECTIVE:
        return None
    return Target(ServiceName.GUARDDUTY, target.region)


@dataclass(frozen=True, slots=True)
class Traits:
    """How a service differs from the others, as far as the rules care.

    ``create_invites``: creating a member outside the organisation invites it (Detective).
    ``restarts``: the statuses that starting to monitor the member again can mend.
    """

    create_invites: bool
    restarts: frozenset[Status]
