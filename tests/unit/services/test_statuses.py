"""Every status of every service."""

from __future__ import annotations

import botocore.session
import pytest

from functions.enrolment.membership import Status
from functions.services.statuses import BY_SERVICE, read_status

STATUSES = [
    ("securityhub", "Created", Status.CREATED),
    ("securityhub", "Invited", Status.INVITED),
    ("securityhub", "Enabled", Status.ENABLED),
    ("securityhub", "Associated", Status.ENABLED),
    ("securityhub", "Removed", Status.REMOVED),
    ("securityhub", "Resigned", Status.RESIGNED),
    ("securityhub", "Deleted", Status.DELETED),
    ("securityhub", "AccountSuspended", Status.ACCOUNT_SUSPENDED),
    ("guardduty", "Created", Status.CREATED),
    ("guardduty", "Invited", Status.INVITED),
    ("guardduty", "EmailVerificationInProgress", Status.VERIFYING),
    ("guardduty", "EmailVerificationFailed", Status.VERIFICATION_FAILED),
    ("guardduty", "Enabled", Status.ENABLED),
    ("guardduty", "Disabled", Status.DISABLED),
    ("guardduty", "Removed", Status.REMOVED),
    ("guardduty", "Resigned", Status.RESIGNED),
    ("guardduty", "Deleted", Status.DELETED),
    ("guardduty", "RegionDisabled", Status.REGION_DISABLED),
    ("guardduty", "AccountSuspended", Status.ACCOUNT_SUSPENDED),
    ("guardduty", "CannotCreateDetectorInOrgMaster", Status.MANAGEMENT_NOT_ENABLED),
    ("detective", "INVITED", Status.INVITED),
    ("detective", "VERIFICATION_IN_PROGRESS", Status.VERIFYING),
    ("detective", "VERIFICATION_FAILED", Status.VERIFICATION_FAILED),
    ("detective", "ENABLED", Status.ENABLED),
    ("detective", "ACCEPTED_BUT_DISABLED", Status.ACCEPTED_BUT_DISABLED),
    ("macie2", "Enabled", Status.ENABLED),
    ("macie2", "Paused", Status.PAUSED),
    ("macie2", "Invited", Status.INVITED),
    ("macie2", "Created", Status.CREATED),
    ("macie2", "Removed", Status.REMOVED),
    ("macie2", "Resigned", Status.RESIGNED),
    ("macie2", "EmailVerificationInProgress", Status.VERIFYING),
    ("macie2", "EmailVerificationFailed", Status.VERIFICATION_FAILED),
    ("macie2", "RegionDisabled", Status.REGION_DISABLED),
    ("macie2", "AccountSuspended", Status.ACCOUNT_SUSPENDED),
    ("inspector2", "CREATED", Status.CREATED),
    ("inspector2", "INVITED", Status.INVITED),
    ("inspector2", "DISABLED", Status.DISABLED),
    ("inspector2", "ENABLED", Status.ENABLED),
    ("inspector2", "REMOVED", Status.REMOVED),
    ("inspector2", "RESIGNED", Status.RESIGNED),
    ("inspector2", "DELETED", Status.DELETED),
    ("inspector2", "EMAIL_VERIFICATION_IN_PROGRESS", Status.VERIFYING),
    ("inspector2", "EMAIL_VERIFICATION_FAILED", Status.VERIFICATION_FAILED),
    ("inspector2", "REGION_DISABLED", Status.REGION_DISABLED),
    ("inspector2", "ACCOUNT_SUSPENDED", Status.ACCOUNT_SUSPENDED),
    ("inspector2", "CANNOT_CREATE_DETECTOR_IN_ORG_MASTER", Status.MANAGEMENT_NOT_ENABLED),
]


@pytest.mark.parametrize(("service", "raw", "status"), STATUSES)
def test_a_status_is_read(service: str, raw: str, status: Status) -> None:
    assert read_status(service, raw) is status


def test_the_cases_above_are_the_whole_of_the_tables() -> None:
    tables = {(service, raw) for service, table in BY_SERVICE.items() for raw in table}

    assert {(service, raw) for service, raw, _ in STATUSES} == tables


@pytest.mark.parametrize(
    ("service", "shape"),
    [
        ("detective", "MemberStatus"),
        ("macie2", "RelationshipStatus"),
        ("inspector2", "RelationshipStatus"),
    ],
)
def test_every_status_a_model_names_is_known(service: str, shape: str) -> None:
    model = botocore.session.get_session().get_service_model(service)

    assert set(model.shape_for(shape).enum) == set(BY_SERVICE[service])  # type: ignore[attr-defined]  # a StringShape


@pytest.mark.parametrize("raw", ["ENABLED", "enabled", "Enabled", " enabled_ "])
@pytest.mark.parametrize("service", BY_SERVICE)
def test_a_change_of_case_changes_nothing(service: str, raw: str) -> None:
    assert read_status(service, raw) is Status.ENABLED


@pytest.mark.parametrize("service", BY_SERVICE)
@pytest.mark.parametrize("raw", ["", "Monitored", "NotEnabled", "ENABLED2"])
def test_any_other_status_is_unknown(service: str, raw: str) -> None:
    assert read_status(service, raw) is Status.UNKNOWN
