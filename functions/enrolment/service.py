"""The properties of security services that the rules use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from functions.enrolment.membership import Status

S = TypeVar("S", bound="Service")


@dataclass(frozen=True, slots=True, order=True)
class Service:
    """The properties of a service that the rules use; its name identifies it.

    ``name`` is its botocore name, ``label`` its display name. ``create_invites``: creating a member
    outside the organisation also invites it. ``restarts``: the statuses that starting to monitor
    the member again can fix. ``comes_after``: the service that is enrolled before it in a Region.
    ``not_offered``: the Regions where it is not available. ``removal`` names the operations that
    remove a member, ``organization_removal`` those for a member of the organisation if they differ.
    """

    name: str
    label: str = field(compare=False, repr=False)
    create_invites: bool = field(default=False, compare=False, repr=False)
    restarts: frozenset[Status] = field(default=frozenset(), compare=False, repr=False)
    comes_after: Service | None = field(default=None, compare=False, repr=False)
    not_offered: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
    removal: str = field(default="DisassociateMembers and DeleteMembers", compare=False, repr=False)
    organization_removal: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return self.name


def find_service(services: Iterable[S], name: object) -> S | None:
    """The service with that name, None if there is none."""
    return next((service for service in services if service.name == name), None)
