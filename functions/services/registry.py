"""The services Rollcall knows: their adapters, traits, permissions and principals."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from functions.enrolment.target import ServiceName
from functions.services.detective import Detective, DetectiveInvitee
from functions.services.guardduty import GuardDuty, GuardDutyInvitee
from functions.services.securityhub import SecurityHub, SecurityHubInvitee

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.configuration import Invitation
    from functions.enrolment.target import Traits
    from functions.services.protocol import Invitee, SecurityService

TRAITS: Mapping[ServiceName, Traits] = MappingProxyType(
    {
        ServiceName.SECURITYHUB: SecurityHub.traits,
        ServiceName.GUARDDUTY: GuardDuty.traits,
        ServiceName.DETECTIVE: Detective.traits,
    }
)

# With which organizations:ListDelegatedAdministrators finds a service's administrator.
PRINCIPALS: Mapping[ServiceName, str] = MappingProxyType(
    {
        ServiceName.SECURITYHUB: "securityhub.amazonaws.com",
        ServiceName.GUARDDUTY: "guardduty.amazonaws.com",
        ServiceName.DETECTIVE: "detective.amazonaws.com",
    }
)

# Enabling a service in an account for the first time also makes its service-linked role: the
# member role needs iam:CreateServiceLinkedRole where iam:AWSServiceName is one of these. Detective
# enables nothing in the member.
SERVICE_LINKED_ROLES: Mapping[ServiceName, tuple[str, ...]] = MappingProxyType(
    {
        ServiceName.SECURITYHUB: ("securityhub.amazonaws.com",),
        ServiceName.GUARDDUTY: ("guardduty.amazonaws.com",),
        ServiceName.DETECTIVE: (),
    }
)

_ACTIONS: Mapping[ServiceName, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        ServiceName.SECURITYHUB: {**SecurityHub.ACTIONS, **SecurityHubInvitee.ACTIONS},
        ServiceName.GUARDDUTY: {**GuardDuty.ACTIONS, **GuardDutyInvitee.ACTIONS},
        ServiceName.DETECTIVE: {**Detective.ACTIONS, **DetectiveInvitee.ACTIONS},
    }
)


def adapter(service: ServiceName, client: Any, invitation: Invitation) -> SecurityService:
    """The adapter of a service; ``client`` is that service's boto3 client in one Region."""
    match service:
        case ServiceName.SECURITYHUB:
            return SecurityHub(client)
        case ServiceName.GUARDDUTY:
            return GuardDuty(client, invitation)
        case ServiceName.DETECTIVE:
            return Detective(client, invitation)


def invitee(service: ServiceName, client: Any) -> Invitee:
    """The member's side of a service; ``client`` has a member account's credentials."""
    match service:
        case ServiceName.SECURITYHUB:
            return SecurityHubInvitee(client)
        case ServiceName.GUARDDUTY:
            return GuardDutyInvitee(client)
        case ServiceName.DETECTIVE:
            return DetectiveInvitee(client)


def actions(service: ServiceName, verb: str) -> tuple[str, ...]:
    """The IAM actions of ``observe``, ``create``, ``invite``, ``restart`` or ``accept``.

    ``observe`` includes finding the administrator's resource; ``accept`` is the member's.
    """
    return _ACTIONS[service][verb]
