"""The trails of the management account, without which EventBridge gets no event about accounts."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.cli.doctor.finding import Unread, ask, fail, not_checked, ok, warn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from functions.aws.sessions import Clients
    from infra.cli.doctor.finding import Finding

# Those in the management account.
ACTIONS = (
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetEventSelectors",
    "cloudtrail:GetTrailStatus",
)
# The event sources of global services; Control Tower's events are of its home Region.
_GLOBAL = frozenset({"organizations.amazonaws.com"})
# Selectors that add events to a trail and take none from it, by the option of put-event-selectors.
_BASIC = {"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True, "DataResources": []}
_ADVANCED = {
    "Name": "Management events that write",
    "FieldSelectors": [
        {"Field": "eventCategory", "Equals": ["Management"]},
        {"Field": "readOnly", "Equals": ["false"]},
    ],
}


@dataclass(frozen=True, slots=True)
class Trail:
    """A trail. ``multi_region`` and ``global_services`` are ``IsMultiRegionTrail`` and
    ``IncludeGlobalServiceEvents``; ``selectors`` is the answer of GetEventSelectors.
    """

    name: str
    home_region: str
    multi_region: bool
    global_services: bool
    logs: bool
    selectors: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Problem:
    """Why a trail does not deliver the events, and what mends it."""

    said: str
    command: str
    certain: bool = True


def read_trails(clients: Clients, region: str) -> list[Trail | Unread] | Unread:
    """The trails that CloudTrail lists in a Region: its own, and those of several Regions."""
    client = clients.client("cloudtrail", region)
    found = ask(
        "cloudtrail:DescribeTrails",
        lambda: client.describe_trails(includeShadowTrails=True)["trailList"],
    )
    return found if isinstance(found, Unread) else [_trail(clients, one) for one in found]


def _trail(clients: Clients, found: Mapping[str, Any]) -> Trail | Unread:
    client, arn = clients.client("cloudtrail", found["HomeRegion"]), found["TrailARN"]
    logs = ask(
        "cloudtrail:GetTrailStatus", lambda: bool(client.get_trail_status(Name=arn)["IsLogging"])
    )
    selectors: Mapping[str, Any] | Unread = ask(
        "cloudtrail:GetEventSelectors", lambda: client.get_event_selectors(TrailName=arn)
    )
    if isinstance(logs, Unread):
        return logs
    if isinstance(selectors, Unread):
        return selectors
    return Trail(
        found["Name"],
        found["HomeRegion"],
        bool(found.get("IsMultiRegionTrail")),
        bool(found.get("IncludeGlobalServiceEvents", True)),
        logs,
        selectors,
    )


def takes_writes(selectors: Mapping[str, Any], source: str) -> bool:
    """Whether event selectors take the management events of a source that write.

    A trail logs an event that one of its selectors matches (CloudTrail API reference,
    PutEventSelectors).
    """
    return any(
        one.get("IncludeManagementEvents", True)
        and one.get("ReadWriteType", "All") in ("All", "WriteOnly")
        and source not in one.get("ExcludeManagementEventSources", ())
        for one in selectors.get("EventSelectors") or ()
    ) or any(
        _takes(one["FieldSelectors"], source)
        for one in selectors.get("AdvancedEventSelectors") or ()
    )


def _takes(fields: Sequence[Mapping[str, Any]], source: str) -> bool:
    """Of a trail's management events only these fields are selected by (CloudTrail API reference,
    AdvancedFieldSelector).
    """
    event = {"eventCategory": "Management", "readOnly": "false", "eventSource": source}
    return any(one["Field"] == "eventCategory" for one in fields) and all(
        _matches(one, event[one["Field"]]) for one in fields if one["Field"] in event
    )


def _matches(field: Mapping[str, Any], value: str) -> bool:
    """Whether a value has what one of each operator's texts says, and nothing that one excludes."""
    return (
        ("Equals" not in field or value in field["Equals"])
        and ("StartsWith" not in field or value.startswith(tuple(field["StartsWith"])))
        and ("EndsWith" not in field or value.endswith(tuple(field["EndsWith"])))
        and value not in field.get("NotEquals", ())
        and not value.startswith(tuple(field.get("NotStartsWith", ())))
        and not value.endswith(tuple(field.get("NotEndsWith", ())))
    )


def judge_trails(
    trails: Sequence[Trail | Unread] | Unread, sources: Collection[str], region: str, account: str
) -> Finding:
    """Whether a trail delivers the events of these sources that are published in a Region."""
    place = f"The trails of {account} in {region}"
    if isinstance(trails, Unread):
        return not_checked("trail", place, trails)
    judged = [
        (one.name, list(_problems(one, sources, region)))
        for one in trails
        if not isinstance(one, Unread)
    ]
    unread = next((one for one in trails if isinstance(one, Unread)), None)
    if unread is not None and all(problems for _, problems in judged):
        return not_checked("trail", place, unread)
    if not judged:
        return fail(
            "trail",
            f"No trail of {account} logs events of {region}: EventBridge gets no event (a"
            " single-Region trail of another Region logs none of them)",
            "aws cloudtrail create-trail --name management-events --s3-bucket-name BUCKET"
            f" --is-multi-region-trail --region {region}"
            f" && aws cloudtrail start-logging --name management-events --region {region}",
            account,
        )
    # The trail that takes the least to mend.
    name, problems = min(judged, key=lambda each: (_is_certain(each[1]), len(each[1])))
    if not problems:
        return ok("trail", f"The trail {name} delivers management events of {account} {region}")
    certain = _is_certain(problems)
    finding, result = (fail, "does not get") if certain else (warn, "may not get")
    return finding(
        "trail",
        f"The trail {name} of {account} {' and '.join(one.said for one in problems)}: EventBridge"
        f" {result} the events about accounts in {region}",
        " && ".join(one.command for one in problems),
        account,
    )


def _is_certain(problems: Sequence[_Problem]) -> bool:
    return any(one.certain for one in problems)


def _problems(trail: Trail, sources: Collection[str], region: str) -> Iterator[_Problem]:
    name, there = shlex.quote(trail.name), f"--region {trail.home_region}"
    update = f"aws cloudtrail update-trail --name {name}"
    if not trail.multi_region and trail.home_region != region:
        # CloudTrail user guide, "Using the update-trail command": a multi-Region trail must include
        # global services.
        yield _Problem(
            f"logs events of {trail.home_region} only",
            f"{update} --is-multi-region-trail --include-global-service-events {there}",
        )
    elif not trail.multi_region and not trail.global_services and _GLOBAL & set(sources):
        # Inferred: Organizations is one of them. AWS names IAM, STS and CloudFront only.
        yield _Problem(
            "leaves out the events of global services",
            f"{update} --include-global-service-events {there}",
            certain=False,
        )
    left_out = sorted(one for one in sources if not takes_writes(trail.selectors, one))
    if left_out:
        yield _Problem(
            f"has event selectors that leave out management events that write"
            f" ({', '.join(left_out)})",
            f"aws cloudtrail put-event-selectors --trail-name {name}"
            f" {_widened(trail.selectors)} {there}",
        )
    if not trail.logs:
        yield _Problem("does not log", f"aws cloudtrail start-logging --name {name} {there}")


def _widened(selectors: Mapping[str, Any]) -> str:
    """The option for what a trail selects now and, beside it, management events that write."""
    advanced = selectors.get("AdvancedEventSelectors") or ()
    basic = selectors.get("EventSelectors") or ()
    wanted = [*advanced, _ADVANCED] if advanced else [*basic, _BASIC]
    # A selector's name is free text; " && " separates the commands of a finding.
    text = json.dumps(wanted).replace("&", "\\u0026")
    return f"--{'advanced-' if advanced else ''}event-selectors {shlex.quote(text)}"
