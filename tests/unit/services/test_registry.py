"""The registry: every record is complete, and every permission is a call that exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import botocore.session
import pytest

from functions.enrolment.configuration import DEFAULT_SERVICES
from functions.services import registry

if TYPE_CHECKING:
    from functions.services.record import ServiceRecord

VERBS = ("observe", "automation", "create", "invite", "restart", "accept")


def test_a_service_that_comes_after_another_is_enrolled_after_it() -> None:
    order = list(registry.SERVICES)

    for service in order:
        if service.comes_after is not None:
            assert order.index(service.comes_after) < order.index(service)  # type: ignore[arg-type]  # a record


def test_by_default_accounts_are_enrolled_in_these_services_and_in_no_other() -> None:
    assert DEFAULT_SERVICES == ("securityhub", "guardduty", "detective")


@pytest.mark.parametrize("service", registry.SERVICES, ids=str)
def test_a_service_is_offered_where_botocore_has_an_endpoint_of_it(service: ServiceRecord) -> None:
    session = botocore.session.get_session()
    for partition in ("aws", "aws-cn", "aws-us-gov"):
        regions = set(session.get_available_regions("sts", partition))
        offered = set(session.get_available_regions(service.name, partition))

        assert regions - offered == regions & service.not_offered


@pytest.mark.parametrize("service", registry.SERVICES, ids=str)
def test_permissions_are_operations_of_the_service(service: ServiceRecord) -> None:
    operations = botocore.session.get_session().get_service_model(service.name).operation_names
    permitted = [action for verb in VERBS for action in service.permissions[verb]]

    assert permitted
    assert {action.removeprefix(f"{service.name}:") for action in permitted} <= set(operations)


@pytest.mark.parametrize("service", registry.SERVICES, ids=str)
def test_what_a_service_can_do_it_is_permitted_to_do(service: ServiceRecord) -> None:
    assert bool(service.permissions["restart"]) == bool(service.restarts)
    assert bool(service.permissions["invite"]) != service.create_invites
