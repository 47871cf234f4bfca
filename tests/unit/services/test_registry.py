"""The registry: every record is complete, and every permission is a call that exists."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import botocore.session
import pytest

from functions.enrolment.configuration import DEFAULT_SERVICES, Invitation
from functions.enrolment.protection import DETECTOR_FEATURES, MOST_STANDARDS
from functions.services import registry

if TYPE_CHECKING:
    from functions.services.record import ServiceRecord

VERBS = ("observe", "list", "automation", "create", "invite", "restart")
EVERYTHING = Invitation(standards=("pci-dss/v/4.0.1",), detector_features=DETECTOR_FEATURES)


def test_a_service_that_comes_after_another_is_enrolled_after_it() -> None:
    order = list(registry.SERVICES)

    for service in order:
        if service.comes_after is not None:
            assert order.index(service.comes_after) < order.index(service)  # type: ignore[arg-type]  # a record


@pytest.mark.parametrize("service", registry.SERVICES, ids=str)
def test_an_adapter_has_the_client_of_its_region_and_can_have_those_of_others(
    service: ServiceRecord,
) -> None:
    made = Mock()

    replace(service, adapter=made).adapter_in("eu-west-1", lambda *which: which, EVERYTHING)

    ((client, invitation, client_in), _) = made.call_args
    assert (client, invitation) == ((service.name, "eu-west-1"), EVERYTHING)
    assert client_in("us-east-1") == (service.name, "us-east-1")


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
    accepting = service.accepting(EVERYTHING).permissions
    permitted.extend(accepting)

    assert accepting
    assert {action.removeprefix(f"{service.name}:") for action in permitted} <= set(operations)


@pytest.mark.parametrize("service", registry.SERVICES, ids=str)
def test_what_a_service_can_do_it_is_permitted_to_do(service: ServiceRecord) -> None:
    assert bool(service.permissions["restart"]) == bool(service.restarts)
    assert bool(service.permissions["invite"]) != service.create_invites


def test_the_features_and_the_number_of_standards_are_those_of_the_models() -> None:
    session = botocore.session.get_session()
    guardduty = session.get_service_model("guardduty")
    securityhub = session.get_service_model("securityhub")
    standards = securityhub.shape_for("StandardsSubscriptionRequests")
    features: Any = guardduty.shape_for("DetectorFeature")  # its enumeration is not typed

    assert tuple(features.enum) == DETECTOR_FEATURES
    assert standards.metadata["max"] == MOST_STANDARDS


@pytest.mark.parametrize("standards", [None, (), EVERYTHING.standards])
def test_a_hub_has_its_role_and_may_enable_standards_where_some_are_configured(
    standards: tuple[str, ...] | None,
) -> None:
    needs = registry.SECURITYHUB.accepting(Invitation(standards=standards))

    assert needs.service_linked_roles == ("securityhub.amazonaws.com",)
    assert ("securityhub:BatchEnableStandards" in needs.permissions) is bool(standards)


@pytest.mark.parametrize(
    ("invitation", "roles"),
    [
        (Invitation(), ("guardduty", "malware-protection.guardduty")),
        (
            Invitation(detector_features=("EBS_MALWARE_PROTECTION",)),
            ("guardduty", "malware-protection.guardduty"),
        ),
        (Invitation(detector_features=()), ("guardduty",)),
    ],
)
def test_a_detector_that_scans_volumes_has_a_role_for_it(
    invitation: Invitation, roles: tuple[str, ...]
) -> None:
    linked = registry.GUARDDUTY.accepting(invitation).service_linked_roles

    assert linked == tuple(f"{role}.amazonaws.com" for role in roles)
