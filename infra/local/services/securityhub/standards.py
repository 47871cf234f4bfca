"""Security Hub's standards: which there are, and which a hub has enabled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from infra.local.api import Caller, Operation, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from infra.local.facts.state import Installation

_CIS = "arn:aws:securityhub:::ruleset/cis-aws-foundations-benchmark/v/1.2.0"
_BEST_PRACTICES = "aws-foundational-security-best-practices/v/1.0.0"
_REGIONAL = {
    _BEST_PRACTICES: "AWS Foundational Security Best Practices v1.0.0",
    "aws-resource-tagging-standard/v/1.0.0": "AWS Resource Tagging Standard v1.0.0",
    "cis-aws-foundations-benchmark/v/1.4.0": "CIS AWS Foundations Benchmark v1.4.0",
    "cis-aws-foundations-benchmark/v/3.0.0": "CIS AWS Foundations Benchmark v3.0.0",
    "cis-aws-foundations-benchmark/v/5.0.0": "CIS AWS Foundations Benchmark v5.0.0",
    "nist-800-53/v/5.0.0": "NIST Special Publication 800-53 Revision 5",
    "nist-800-171/v/2.0.0": "NIST Special Publication 800-171 Revision 2",
    "pci-dss/v/3.2.1": "PCI DSS v3.2.1",
    "pci-dss/v/4.0.1": "PCI DSS v4.0.1",
}


class Paged(Protocol):
    def __call__(
        self, items: Sequence[dict[str, Any]], params: Mapping[str, Any], size: int
    ) -> tuple[list[dict[str, Any]], dict[str, str]]: ...


def defaults(region: str) -> list[str]:
    """The standards that EnableSecurityHub enables unless told not to (BC)."""
    return [_CIS, _regional(region, _BEST_PRACTICES)]


def is_known(arn: str) -> bool:
    """Whether it names a standard, in whatever Region."""
    return in_region(arn, "") in {one["StandardsArn"] for one in _all("")}


def in_region(arn: str, region: str) -> str:
    """The same standard in another Region, as configuration policies apply it."""
    if arn == _CIS:
        return arn
    return _regional(region, arn.rpartition("::standards/")[2])


def operations(hub: Callable[[Caller], Installation], paged: Paged) -> dict[str, Operation]:
    def describe_standards(who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        shown, token = paged(_all(who.region), params, 100)
        return {"Standards": shown, **token}

    def get_enabled_standards(who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        wanted = params.get("StandardsSubscriptionArns")
        subscriptions = [_subscription(who, arn) for arn in hub(who).settings["standards"]]
        shown, token = paged(
            [
                one
                for one in subscriptions
                if wanted is None or one["StandardsSubscriptionArn"] in wanted
            ],
            params,
            100,
        )
        return {"StandardsSubscriptions": shown, **token}

    def batch_enable_standards(who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        asked = [one["StandardsArn"] for one in params["StandardsSubscriptionRequests"]]
        known = {one["StandardsArn"] for one in _all(who.region)}
        for arn in asked:
            if arn not in known:
                raise ServiceError("InvalidInputException", f"Invalid standards ARN {arn}")
        enabled = hub(who).settings["standards"]
        new = {arn for arn in asked if arn not in enabled}
        enabled.extend(dict.fromkeys(arn for arn in asked if arn in new))
        # That READY follows at once is simplified: it takes minutes (user guide, enable-standards).
        pending = {"StandardsStatus": "PENDING"}
        return {
            "StandardsSubscriptions": [
                _subscription(who, arn) | (pending if arn in new else {}) for arn in asked
            ]
        }

    def batch_disable_standards(who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        settings = hub(who).settings
        asked = set(params["StandardsSubscriptionArns"])
        dropped = [
            arn
            for arn in settings["standards"]
            if _subscription(who, arn)["StandardsSubscriptionArn"] in asked
        ]
        settings["standards"] = [arn for arn in settings["standards"] if arn not in dropped]
        return {
            "StandardsSubscriptions": [
                _subscription(who, arn) | {"StandardsStatus": "DELETING"} for arn in dropped
            ]
        }

    return {
        "DescribeStandards": describe_standards,
        "GetEnabledStandards": get_enabled_standards,
        "BatchEnableStandards": batch_enable_standards,
        "BatchDisableStandards": batch_disable_standards,
    }


def _regional(region: str, name: str) -> str:
    return f"arn:aws:securityhub:{region}::standards/{name}"


def _all(region: str) -> list[dict[str, Any]]:
    titles = {_CIS: "CIS AWS Foundations Benchmark v1.2.0"}
    titles |= {_regional(region, name): title for name, title in _REGIONAL.items()}
    by_default = defaults(region)
    return [
        {"StandardsArn": arn, "Name": title, "EnabledByDefault": arn in by_default}
        for arn, title in titles.items()
    ]


def _subscription(who: Caller, arn: str) -> dict[str, Any]:
    name = arn.partition("/")[2]
    return {
        "StandardsSubscriptionArn": (
            f"arn:aws:securityhub:{who.region}:{who.account_id}:subscription/{name}"
        ),
        "StandardsArn": arn,
        "StandardsInput": {},
        "StandardsStatus": "READY",
    }
