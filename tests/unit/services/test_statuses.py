"""How a member's status is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import botocore.session
import pytest

from functions.enrolment.membership import Status
from functions.services import registry
from functions.services.statuses import read_status

if TYPE_CHECKING:
    from functions.services.record import ServiceRecord


def test_every_status_that_a_model_names_is_known() -> None:
    model = botocore.session.get_session().get_service_model("detective")

    assert set(model.shape_for("MemberStatus").enum) == set(registry.DETECTIVE.statuses)  # type: ignore[attr-defined]  # a StringShape


@pytest.mark.parametrize(
    ("service", "raw", "status"),
    [
        # "Associated" was Enabled until November 2020.
        (registry.SECURITYHUB, "Associated", Status.ENABLED),
        (registry.GUARDDUTY, "EmailVerificationInProgress", Status.VERIFYING),
        (registry.DETECTIVE, "VERIFICATION_IN_PROGRESS", Status.VERIFYING),
        (
            registry.GUARDDUTY,
            "CannotCreateDetectorInOrganizationMasterAccount",
            Status.MANAGEMENT_NOT_ENABLED,
        ),
    ],
)
def test_statuses_that_are_spelled_unlike_ours(
    service: ServiceRecord, raw: str, status: Status
) -> None:
    assert read_status(service, raw) is status


@pytest.mark.parametrize("raw", ["ENABLED", "enabled", "Enabled", " enabled_ "])
@pytest.mark.parametrize("service", registry.SERVICES, ids=str)
def test_a_change_of_case_changes_nothing(service: ServiceRecord, raw: str) -> None:
    assert read_status(service, raw) is Status.ENABLED


@pytest.mark.parametrize("service", registry.SERVICES, ids=str)
@pytest.mark.parametrize("raw", ["", "Monitored", "NotEnabled", "ENABLED2"])
def test_any_other_status_is_unknown(service: ServiceRecord, raw: str) -> None:
    assert read_status(service, raw) is Status.UNKNOWN
