"""The registry: every service has everything, and every permission is a call that exists."""

from __future__ import annotations

import botocore.session
import pytest

from functions.enrolment.configuration import Invitation
from functions.enrolment.membership import Status
from functions.enrolment.target import ServiceName, Traits
from functions.services.answers import BY_SERVICE
from functions.services.detective import Detective, DetectiveInvitee
from functions.services.guardduty import GuardDuty, GuardDutyInvitee
from functions.services.registry import (
    PRINCIPALS,
    SERVICE_LINKED_ROLES,
    TRAITS,
    actions,
    adapter,
    invitee,
)
from functions.services.securityhub import SecurityHub, SecurityHubInvitee
from tests.unit.services.stubs import stubbed

VERBS = ("observe", "create", "invite", "restart", "accept")


@pytest.mark.parametrize(
    ("service", "kinds"),
    [
        (ServiceName.SECURITYHUB, (SecurityHub, SecurityHubInvitee)),
        (ServiceName.GUARDDUTY, (GuardDuty, GuardDutyInvitee)),
        (ServiceName.DETECTIVE, (Detective, DetectiveInvitee)),
    ],
)
def test_each_service_has_an_adapter_and_an_invitee(
    service: ServiceName, kinds: tuple[type, type]
) -> None:
    with stubbed(service) as (client, _):
        administrator = adapter(service, client, Invitation())

        assert (type(administrator), type(invitee(service, client))) == kinds
        assert (administrator.name, administrator.traits) == (service, TRAITS[service])


def test_how_the_services_differ() -> None:
    assert TRAITS[ServiceName.SECURITYHUB] == Traits(create_invites=False, restarts=frozenset())
    assert TRAITS[ServiceName.GUARDDUTY] == Traits(
        create_invites=False, restarts=frozenset({Status.DISABLED})
    )
    assert TRAITS[ServiceName.DETECTIVE] == Traits(
        create_invites=True,
        restarts=frozenset({Status.ACCEPTED_BUT_DISABLED}),
    )


@pytest.mark.parametrize("service", ServiceName)
def test_nothing_is_known_of_only_some_services(service: ServiceName) -> None:
    assert PRINCIPALS[service] == f"{service}.amazonaws.com"
    assert service in SERVICE_LINKED_ROLES
    assert service in BY_SERVICE


@pytest.mark.parametrize("service", ServiceName)
def test_permissions_are_operations_of_the_service(service: ServiceName) -> None:
    operations = botocore.session.get_session().get_service_model(service).operation_names

    permitted = [action for verb in VERBS for action in actions(service, verb)]

    assert permitted
    assert {action.removeprefix(f"{service}:") for action in permitted} <= set(operations)
