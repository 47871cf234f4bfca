"""The record of a security service, which the service's module exports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from functions.enrolment.rate import Rate
from functions.enrolment.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from functions.enrolment.configuration import Invitation
    from functions.enrolment.membership import Answer, Status
    from functions.services.protocol import Invitee, SecurityService


# For services of which AWS documents none. Inferred: low enough for all of them.
UNDOCUMENTED_RATE = Rate(5, 10)


@dataclass(frozen=True, slots=True)
class MemberNeeds:
    """What an acceptance requires of the member role.

    ``permissions`` are IAM actions. ``service_linked_roles``: the services whose service-linked
    roles are created in the member account; this requires iam:CreateServiceLinkedRole with them as
    iam:AWSServiceName.
    """

    permissions: tuple[str, ...]
    service_linked_roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecord(Service):
    """A service with its API.

    ``principal``: its service principal for organizations:ListDelegatedAdministrators. ``adapter``
    makes the administrator's adapter from a boto3 client in one Region, the settings of invitations
    and a function that gives the client in another Region; ``invitee`` makes the member's.
    ``statuses`` maps its spelling of statuses, ``texts`` parts of its texts about one account, the
    most specific first. ``permissions`` are the IAM actions of ``observe`` and ``list`` (both
    including ``administrator_resource``), ``automation``, ``create``, ``invite`` and ``restart``;
    ``list`` is for the adapter's ``members``. ``accepting`` is what the member's ``accept`` needs
    with these settings. ``resources`` are what its actions are done on, as ARNs in which
    ``{partition}``, ``{account}`` and ``{administrator}`` stand for the caller's partition and
    account, and the administrator's account; an action without has no resource of its own (service
    authorization reference). ``rate`` is how many requests AWS accepts in an account and Region.
    ``policy_type`` is the type of the Organizations policies that enable the service in accounts,
    "" if there is none; ``policy_stops_auto_enable`` says whether the service makes no account a
    member by auto-enable while the organisation has that type enabled.
    """

    principal: str = field(compare=False, repr=False)
    adapter: Callable[[Any, Invitation, Callable[[str], Any]], SecurityService] = field(
        compare=False, repr=False
    )
    invitee: Callable[[Any, Invitation], Invitee] = field(compare=False, repr=False)
    statuses: Mapping[str, Status] = field(compare=False, repr=False)
    texts: tuple[tuple[str, Answer], ...] = field(compare=False, repr=False)
    permissions: Mapping[str, tuple[str, ...]] = field(compare=False, repr=False)
    accepting: Callable[[Invitation], MemberNeeds] = field(compare=False, repr=False)
    resources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    rate: Rate = field(default=UNDOCUMENTED_RATE, compare=False, repr=False)
    policy_type: str = field(default="", compare=False, repr=False)
    policy_stops_auto_enable: bool = field(default=False, compare=False, repr=False)

    def adapter_in(
        self, region: str, clients: Callable[[str, str], Any], invitation: Invitation
    ) -> SecurityService:
        """The administrator's adapter in a Region; ``clients`` takes a service and a Region."""

        def client_in(region: str) -> Any:
            return clients(self.name, region)

        return self.adapter(client_in(region), invitation, client_in)
