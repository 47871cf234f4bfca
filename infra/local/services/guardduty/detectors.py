"""GuardDuty detectors: their features, and the older data sources that mirror some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.wire.paging import iso, when

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.facts.state import Installation

_FOUNDATION = ("CLOUD_TRAIL", "DNS_LOGS", "FLOW_LOGS")
# On in a new detector unless it is told otherwise; the two runtime ones are not (BC).
_ON_BY_DEFAULT = (
    "S3_DATA_EVENTS",
    "EKS_AUDIT_LOGS",
    "EBS_MALWARE_PROTECTION",
    "RDS_LOGIN_EVENTS",
    "LAMBDA_NETWORK_LOGS",
)
_RUNTIME = ("EKS_RUNTIME_MONITORING", "RUNTIME_MONITORING")
OPTIONAL_FEATURES = (*_ON_BY_DEFAULT, *_RUNTIME)


def new_features(params: Mapping[str, Any]) -> dict[str, bool]:
    features = {name: name in _ON_BY_DEFAULT for name in OPTIONAL_FEATURES}
    update_features(features, params)
    return features


def update_features(features: dict[str, bool], params: Mapping[str, Any]) -> None:
    """Apply a request's ``Features`` and ``DataSources``."""
    sources = params.get("DataSources", {})
    if "S3Logs" in sources:
        features["S3_DATA_EVENTS"] = sources["S3Logs"]["Enable"]
    if "Kubernetes" in sources:
        features["EKS_AUDIT_LOGS"] = sources["Kubernetes"]["AuditLogs"]["Enable"]
    scan = sources.get("MalwareProtection", {}).get("ScanEc2InstanceWithFindings", {})
    if "EbsVolumes" in scan:
        features["EBS_MALWARE_PROTECTION"] = scan["EbsVolumes"]
    for feature in params.get("Features", []):
        features[feature["Name"]] = feature.get("Status") == "ENABLED"


def refused_features(params: Mapping[str, Any]) -> bool:
    """Whether a request's ``Features`` cannot be applied.

    Runtime Monitoring includes EKS Runtime Monitoring: asking for both is an error (BC). The
    model does not demand a name; that a feature without one is refused is inferred.
    """
    names = {one.get("Name") for one in params.get("Features", [])}
    return None in names or names.issuperset(_RUNTIME)


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
    return [
        {"Name": name, "Status": _status(on), "UpdatedAt": when(detector.updated_at)}
        for name, on in detector.settings["features"].items()
    ]


def data_sources(detector: Installation) -> dict[str, Any]:
    features = detector.settings["features"]
    return {
        "CloudTrail": {"Status": "ENABLED"},
        "DNSLogs": {"Status": "ENABLED"},
        "FlowLogs": {"Status": "ENABLED"},
        "S3Logs": {"Status": _status(features["S3_DATA_EVENTS"])},
        "Kubernetes": {"AuditLogs": {"Status": _status(features["EKS_AUDIT_LOGS"])}},
        "MalwareProtection": {
            "ScanEc2InstanceWithFindings": {
                "EbsVolumes": {"Status": _status(features["EBS_MALWARE_PROTECTION"])}
            }
        },
    }


def organization_features(settings: Mapping[str, str]) -> list[dict[str, Any]]:
    """DescribeOrganizationConfiguration's ``Features``: NEW, ALL or NONE each."""
    return [{"Name": name, "AutoEnable": settings.get(name, "NONE")} for name in OPTIONAL_FEATURES]


def organization_data_sources(settings: Mapping[str, str]) -> dict[str, Any]:
    def auto(name: str) -> dict[str, bool]:
        return {"AutoEnable": settings.get(name, "NONE") != "NONE"}

    return {
        "S3Logs": auto("S3_DATA_EVENTS"),
        "Kubernetes": {"AuditLogs": auto("EKS_AUDIT_LOGS")},
        "MalwareProtection": {
            "ScanEc2InstanceWithFindings": {"EbsVolumes": auto("EBS_MALWARE_PROTECTION")}
        },
    }


def update_organization_features(settings: dict[str, str], params: Mapping[str, Any]) -> None:
    def set_auto(name: str, source: Mapping[str, Any] | None) -> None:
        if source is not None and "AutoEnable" in source:
            settings[name] = "NEW" if source["AutoEnable"] else "NONE"

    sources = params.get("DataSources", {})
    set_auto("S3_DATA_EVENTS", sources.get("S3Logs"))
    set_auto("EKS_AUDIT_LOGS", sources.get("Kubernetes", {}).get("AuditLogs"))
    scan = sources.get("MalwareProtection", {}).get("ScanEc2InstanceWithFindings", {})
    set_auto("EBS_MALWARE_PROTECTION", scan.get("EbsVolumes"))
    for feature in params.get("Features", []):
        settings[feature["Name"]] = feature.get("AutoEnable", "NONE")


def _status(on: bool) -> str:
    return "ENABLED" if on else "DISABLED"
