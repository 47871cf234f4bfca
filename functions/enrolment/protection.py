"""What an accepted account gets, as the configuration names it: Security Hub's standards and
GuardDuty's features."""

from __future__ import annotations

import re

from functions.enrolment.document import a_list, one_of
from functions.enrolment.errors import InvalidInput

# The most that BatchEnableStandards takes (botocore 1.44.5).
MOST_STANDARDS = 25
# botocore 1.44.5, guardduty DetectorFeature
DETECTOR_FEATURES = (
    "S3_DATA_EVENTS",
    "EKS_AUDIT_LOGS",
    "EBS_MALWARE_PROTECTION",
    "RDS_LOGIN_EVENTS",
    "LAMBDA_NETWORK_LOGS",
    "EKS_RUNTIME_MONITORING",
    "RUNTIME_MONITORING",
    "AI_PROTECTION",
    "AI_ANALYST",
)
# GuardDuty refuses a request with both (botocore, CreateDetector).
_EXCLUSIVE = {"EKS_RUNTIME_MONITORING", "RUNTIME_MONITORING"}
_STANDARD = re.compile(r"[a-z0-9][a-z0-9-]{0,99}/v/[0-9]{1,4}(\.[0-9]{1,4}){1,3}")


def standards(value: object, path: str) -> tuple[str, ...]:
    """Reads 0 to 25 standards, each as the part of its ARN that is the same in all Regions."""
    return a_list(_a_standard, MOST_STANDARDS, least=0)(value, path)


def detector_features(value: object, path: str) -> tuple[str, ...]:
    """Reads the names of GuardDuty's optional features; RUNTIME_MONITORING includes EKS's."""
    feature = one_of({name: name for name in DETECTOR_FEATURES})
    names = a_list(feature, len(DETECTOR_FEATURES), least=0)(value, path)
    exclusive = [index for index, name in enumerate(names) if name in _EXCLUSIVE]
    if len(exclusive) > 1:
        raise InvalidInput(
            f"{path}[{exclusive[1]}]",
            f"takes only one of {' and '.join(sorted(_EXCLUSIVE))}: the latter includes the former",
        )
    return names


def _a_standard(value: object, path: str) -> str:
    if not isinstance(value, str) or not _STANDARD.fullmatch(value):
        raise InvalidInput(
            path,
            "takes the part of a standard's ARN after standards/ or ruleset/, such as "
            "aws-foundational-security-best-practices/v/1.0.0",
        )
    return value
