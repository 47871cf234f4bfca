"""Every member status of every service, in the service's own spelling.

Sources: the botocore 1.44.5 models of Security Hub, Detective, Macie and Inspector. GuardDuty's
model names none; its statuses are those of its documentation and of Inspector, which shares its
vocabulary down to the word detector (inferred).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from functions.enrolment.membership import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

SECURITYHUB: Mapping[str, Status] = MappingProxyType(
    {
        "Created": Status.CREATED,
        "Invited": Status.INVITED,
        "Enabled": Status.ENABLED,
        # What Enabled was called until November 2020, and in some Regions later.
        "Associated": Status.ENABLED,
        "Removed": Status.REMOVED,
        "Resigned": Status.RESIGNED,
        "Deleted": Status.DELETED,
        "AccountSuspended": Status.ACCOUNT_SUSPENDED,
    }
)

GUARDDUTY: Mapping[str, Status] = MappingProxyType(
    {
        "Created": Status.CREATED,
        "Invited": Status.INVITED,
        "EmailVerificationInProgress": Status.VERIFYING,
        "EmailVerificationFailed": Status.VERIFICATION_FAILED,
        "Enabled": Status.ENABLED,
        "Disabled": Status.DISABLED,
        "Removed": Status.REMOVED,
        "Resigned": Status.RESIGNED,
        "Deleted": Status.DELETED,
        "RegionDisabled": Status.REGION_DISABLED,
        "AccountSuspended": Status.ACCOUNT_SUSPENDED,
        "CannotCreateDetectorInOrgMaster": Status.MANAGEMENT_NOT_ENABLED,
    }
)

DETECTIVE: Mapping[str, Status] = MappingProxyType(
    {
        "INVITED": Status.INVITED,
        "VERIFICATION_IN_PROGRESS": Status.VERIFYING,
        "VERIFICATION_FAILED": Status.VERIFICATION_FAILED,
        "ENABLED": Status.ENABLED,
        "ACCEPTED_BUT_DISABLED": Status.ACCEPTED_BUT_DISABLED,
    }
)

MACIE: Mapping[str, Status] = MappingProxyType(
    {
        "Created": Status.CREATED,
        "Invited": Status.INVITED,
        "EmailVerificationInProgress": Status.VERIFYING,
        "EmailVerificationFailed": Status.VERIFICATION_FAILED,
        "Enabled": Status.ENABLED,
        "Paused": Status.PAUSED,
        "Removed": Status.REMOVED,
        "Resigned": Status.RESIGNED,
        "RegionDisabled": Status.REGION_DISABLED,
        "AccountSuspended": Status.ACCOUNT_SUSPENDED,
    }
)

INSPECTOR: Mapping[str, Status] = MappingProxyType(
    {
        "CREATED": Status.CREATED,
        "INVITED": Status.INVITED,
        "EMAIL_VERIFICATION_IN_PROGRESS": Status.VERIFYING,
        "EMAIL_VERIFICATION_FAILED": Status.VERIFICATION_FAILED,
        "ENABLED": Status.ENABLED,
        "DISABLED": Status.DISABLED,
        "REMOVED": Status.REMOVED,
        "RESIGNED": Status.RESIGNED,
        "DELETED": Status.DELETED,
        "REGION_DISABLED": Status.REGION_DISABLED,
        "ACCOUNT_SUSPENDED": Status.ACCOUNT_SUSPENDED,
        "CANNOT_CREATE_DETECTOR_IN_ORG_MASTER": Status.MANAGEMENT_NOT_ENABLED,
    }
)

BY_SERVICE: Mapping[str, Mapping[str, Status]] = MappingProxyType(
    {
        "securityhub": SECURITYHUB,
        "guardduty": GUARDDUTY,
        "detective": DETECTIVE,
        "macie2": MACIE,
        "inspector2": INSPECTOR,
    }
)


def read_status(service: str, raw: str) -> Status:
    """The status that a service (by its botocore name) spells ``raw``; UNKNOWN if none.

    Case, spaces and underscores do not matter: each service already has its own habit.
    """
    return _NORMALISED[service].get(_normalise(raw), Status.UNKNOWN)


def _normalise(raw: str) -> str:
    return raw.casefold().replace("_", "").replace(" ", "")


_NORMALISED = {
    service: {_normalise(raw): status for raw, status in table.items()}
    for service, table in BY_SERVICE.items()
}
