"""GuardDuty detectors: their features, and the older data sources that mirror some of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.local.wire.paging import iso, when

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.facts.state import Installation

_FOUNDATION = ("CLOUD_TRAIL", "DNS_LOGS", "FLOW_LOGS")
# On in a new detector unless it is told otherwise; the two runtime ones are not (BC), nor is
# AI_ANALYST (user guide, "guardduty-investigation").
_ON_BY_DEFAULT = (
    "S3_DATA_EVENTS",
    "EKS_AUDIT_LOGS",
    "EBS_MALWARE_PROTECTION",
    "RDS_LOGIN_EVENTS",
    "LAMBDA_NETWORK_LOGS",
    "AI_PROTECTION",
)
_RUNTIME = ("EKS_RUNTIME_MONITORING", "RUNTIME_MONITORING")
# For the account itself only: neither its administrator nor an organisation sets it (BC).
_OWN = "AI_ANALYST"
OPTIONAL_FEATURES = (*_ON_BY_DEFAULT, *_RUNTIME)
# User guide, "guardduty_regions" and "guardduty-investigation".
_RDS_NOT_OFFERED = {"ap-east-2"}
_OWN_OFFERED = {
    *("us-east-1", "us-east-2", "us-west-2", "ca-central-1", "eu-central-1"),
    *("eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "ap-northeast-1"),
}


@dataclass(slots=True)
class Feature:
    """A feature's ``Status``, or an organisation's ``AutoEnable``, and those of its additional
    configurations by name."""

    value: str
    additional: dict[str, str] = field(default_factory=dict)


Features = dict[str, Feature]


def offered(region: str) -> list[str]:
    """The optional features that a detector in a Region can have."""
    missing = "RDS_LOGIN_EVENTS" if region in _RDS_NOT_OFFERED else None
    own = [_OWN] if region in _OWN_OFFERED else []
    return [name for name in OPTIONAL_FEATURES if name != missing] + own


def new_features(params: Mapping[str, Any], region: str) -> Features:
    features = {name: Feature(_status(name in _ON_BY_DEFAULT)) for name in offered(region)}
    update_features(features, params)
    return features


def update_features(features: Features, params: Mapping[str, Any]) -> None:
    """Apply a request's ``Features`` and ``DataSources``."""
    sources = params.get("DataSources", {})
    if "S3Logs" in sources:
        features["S3_DATA_EVENTS"].value = _status(sources["S3Logs"]["Enable"])
    if "Kubernetes" in sources:
        features["EKS_AUDIT_LOGS"].value = _status(sources["Kubernetes"]["AuditLogs"]["Enable"])
    scan = sources.get("MalwareProtection", {}).get("ScanEc2InstanceWithFindings", {})
    if "EbsVolumes" in scan:
        features["EBS_MALWARE_PROTECTION"].value = _status(scan["EbsVolumes"])
    _update(features, params, "Status", "DISABLED")


def give_features(features: Features, organization: Features) -> None:
    """Enable what the organisation enables in its members."""
    for name, given in organization.items():
        feature = features.setdefault(name, Feature("DISABLED"))
        if given.value != "NONE":
            feature.value = "ENABLED"
        feature.additional.update(
            {part: "ENABLED" for part, value in given.additional.items() if value != "NONE"}
        )


def refused_features(params: Mapping[str, Any], region: str) -> bool:
    """Whether a request's ``Features`` cannot be applied.

    Runtime Monitoring includes EKS Runtime Monitoring: asking for both is an error (BC). The
    model does not demand names; that a feature or a part of one without is refused is inferred, and
    so is that one which the Region does not offer is refused even if it is to be disabled.
    """
    features = params.get("Features", [])
    names = {one.get("Name") for one in features}
    parts = {
        part.get("Name") for one in features for part in one.get("AdditionalConfiguration", [])
    }
    unknown = None in parts or not names.issubset(offered(region))
    return unknown or names.issuperset(_RUNTIME)


def described(detector: Installation, account_id: str) -> dict[str, Any]:
    """GetDetector's answer."""
    role = "aws-service-role/guardduty.amazonaws.com/AWSServiceRoleForAmazonGuardDuty"
    return {
        "CreatedAt": iso(detector.settings["CreatedAt"]),
        "FindingPublishingFrequency": detector.settings["FindingPublishingFrequency"],
        "ServiceRole": f"arn:aws:iam::{account_id}:role/{role}",
        "Status": _status(detector.enabled),
        "UpdatedAt": iso(detector.updated_at),
        "DataSources": data_sources(detector),
        "Tags": dict(detector.tags),
        "Features": [
            {"Name": name, "Status": "ENABLED", "UpdatedAt": when(detector.settings["CreatedAt"])}
            for name in _FOUNDATION
        ]
        + feature_list(detector),
    }


def feature_list(detector: Installation) -> list[dict[str, Any]]:
    """The optional features; only GetDetector's answer has the foundational ones as well."""
    updated = {"UpdatedAt": when(detector.updated_at)}
    return [
        _described(name, feature, "Status", updated)
        for name, feature in detector.settings["features"].items()
    ]


def member_feature_list(detector: Installation) -> list[dict[str, Any]]:
    """Those of the optional features that the administrator sees."""
    return [feature for feature in feature_list(detector) if feature["Name"] != _OWN]


def data_sources(detector: Installation) -> dict[str, Any]:
    features: Features = detector.settings["features"]
    return {
        "CloudTrail": {"Status": "ENABLED"},
        "DNSLogs": {"Status": "ENABLED"},
        "FlowLogs": {"Status": "ENABLED"},
        "S3Logs": {"Status": features["S3_DATA_EVENTS"].value},
        "Kubernetes": {"AuditLogs": {"Status": features["EKS_AUDIT_LOGS"].value}},
        "MalwareProtection": {
            "ScanEc2InstanceWithFindings": {
                "EbsVolumes": {"Status": features["EBS_MALWARE_PROTECTION"].value}
            }
        },
    }


def organization_features(features: Features) -> list[dict[str, Any]]:
    """DescribeOrganizationConfiguration's ``Features``: NEW, ALL or NONE each."""
    every = dict.fromkeys(OPTIONAL_FEATURES, Feature("NONE")) | features
    return [_described(name, feature, "AutoEnable", {}) for name, feature in every.items()]


def organization_data_sources(features: Features) -> dict[str, Any]:
    def auto(name: str) -> dict[str, bool]:
        return {"AutoEnable": name in features and features[name].value != "NONE"}

    return {
        "S3Logs": auto("S3_DATA_EVENTS"),
        "Kubernetes": {"AuditLogs": auto("EKS_AUDIT_LOGS")},
        "MalwareProtection": {
            "ScanEc2InstanceWithFindings": {"EbsVolumes": auto("EBS_MALWARE_PROTECTION")}
        },
    }


def update_organization_features(features: Features, params: Mapping[str, Any]) -> None:
    def set_auto(name: str, source: Mapping[str, Any] | None) -> None:
        if source is not None and "AutoEnable" in source:
            feature = features.setdefault(name, Feature("NONE"))
            feature.value = "NEW" if source["AutoEnable"] else "NONE"

    sources = params.get("DataSources", {})
    set_auto("S3_DATA_EVENTS", sources.get("S3Logs"))
    set_auto("EKS_AUDIT_LOGS", sources.get("Kubernetes", {}).get("AuditLogs"))
    scan = sources.get("MalwareProtection", {}).get("ScanEc2InstanceWithFindings", {})
    set_auto("EBS_MALWARE_PROTECTION", scan.get("EbsVolumes"))
    _update(features, params, "AutoEnable", "NONE")


def _update(features: Features, params: Mapping[str, Any], key: str, absent: str) -> None:
    for given in params.get("Features", []):
        feature = features.setdefault(given["Name"], Feature(absent))
        feature.value = given.get(key, absent)
        for part in given.get("AdditionalConfiguration", []):
            feature.additional[part["Name"]] = part.get(key, absent)


def _described(name: str, feature: Feature, key: str, besides: Mapping[str, Any]) -> dict[str, Any]:
    parts = [{"Name": part, key: its, **besides} for part, its in feature.additional.items()]
    answer = {"Name": name, key: feature.value, **besides}
    return answer | ({"AdditionalConfiguration": parts} if parts else {})


def _status(on: bool) -> str:
    return "ENABLED" if on else "DISABLED"
