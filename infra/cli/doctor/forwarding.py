"""The stacks that forward events to the bus, and the trail without which there are none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.cli.doctor.deployment import alarms_of, judge_alarms, messages_in
from infra.cli.doctor.event_path import DeployedRule, read_rule
from infra.cli.doctor.finding import Unread, ask, ask_for, fail, not_checked, ok

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from functions.aws.sessions import Clients
    from functions.enrolment.account import AccountId
    from infra.cli.doctor.finding import Finding
    from infra.organization import Forwarder

# Those in the account of a forwarding stack.
ACTIONS = (
    "cloudformation:DescribeStacks",
    "cloudwatch:DescribeAlarms",
    "events:DescribeRule",
    "events:ListTargetsByRule",
    "iam:GetRole",
    "sqs:GetQueueAttributes",
)
# Those in the management account beside them.
TRAIL_ACTIONS = (
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetEventSelectors",
    "cloudtrail:GetTrailStatus",
)
_NOT_FOUND = ("ResourceNotFoundException", "NoSuchEntity", "ValidationError")
# Stands for the profile of the queue's account where it is not known.
QUEUE_PROFILE = "PROFILE"
_DEPLOY = "node_modules/.bin/cdk deploy"


@dataclass(frozen=True, slots=True)
class Trail:
    """A trail: whether it logs, and whether it records management events that write."""

    name: str
    logs: bool
    records: bool


@dataclass(frozen=True, slots=True)
class ForwarderFacts:
    """What was read of a forwarding stack. ``rules`` are by event; None: it does not exist.

    ``alarms`` are those in ALARM, ``trails`` those that record events of the stack's Region.
    """

    forwarder: Forwarder
    rules: Mapping[str, DeployedRule | Unread | None]
    role: bool | Unread | None
    undelivered: int | Unread | None
    queue_url: str = ""
    alarms: Sequence[str] | Unread = ()
    trails: Sequence[Trail] | Unread = ()


def read_forwarder(forwarder: Forwarder, clients: Clients, *, trails: bool) -> ForwarderFacts:
    """Read a forwarding stack, with clients of its account."""
    region = forwarder.region
    events, iam = clients.client("events", region), clients.client("iam", region)

    def rule(name: str) -> DeployedRule | Unread | None:
        return ask_for(
            "events:DescribeRule", _NOT_FOUND, lambda: read_rule(events, name, "default")
        )

    def outputs() -> str:
        stacks = clients.client("cloudformation", region).describe_stacks(StackName=forwarder.name)
        found = {one["OutputKey"]: one["OutputValue"] for one in stacks["Stacks"][0]["Outputs"]}
        return str(found["UndeliveredEventsUrl"])

    url = ask_for("cloudformation:DescribeStacks", _NOT_FOUND, outputs)
    return ForwarderFacts(
        forwarder,
        {event: rule(name) for event, name in forwarder.rule_names.items()},
        ask_for("iam:GetRole", _NOT_FOUND, lambda: bool(iam.get_role(RoleName=forwarder.name))),
        messages_in(clients.client("sqs", region), url) if isinstance(url, str) else url,
        url if isinstance(url, str) else "",
        alarms_of(clients.client("cloudwatch", region), forwarder.name),
        ask("cloudtrail:DescribeTrails", lambda: _trails(clients, region)) if trails else (),
    )


def _trails(clients: Clients, region: str) -> list[Trail]:
    """The trails that record a Region's events: its own, and those of all Regions."""
    found = clients.client("cloudtrail", region).describe_trails(includeShadowTrails=True)
    return [
        _trail(clients, one)
        for one in found["trailList"]
        if one.get("IsMultiRegionTrail") or one.get("HomeRegion") == region
    ]


def _trail(clients: Clients, found: Mapping[str, Any]) -> Trail:
    client = clients.client("cloudtrail", found["HomeRegion"])
    arn = found["TrailARN"]
    selectors = client.get_event_selectors(TrailName=arn)
    return Trail(
        found["Name"],
        bool(client.get_trail_status(Name=arn)["IsLogging"]),
        records_management_events(selectors),
    )


def records_management_events(selectors: Mapping[str, Any]) -> bool:
    """Whether event selectors take management events that write (CloudTrail, GetEventSelectors)."""
    for one in selectors.get("EventSelectors") or ():
        writes = one.get("ReadWriteType", "All") in ("All", "WriteOnly")
        if one.get("IncludeManagementEvents", True) and writes:
            return True
    for one in selectors.get("AdvancedEventSelectors") or ():
        fields = {each["Field"]: each for each in one["FieldSelectors"]}
        only_reads = "true" in fields.get("readOnly", {}).get("Equals", ())
        if "Management" in fields.get("eventCategory", {}).get("Equals", ()) and not only_reads:
            return True
    return False


def judge_forwarder(
    facts: ForwarderFacts, bus_arn: str, redrive: str, management: AccountId | None
) -> Iterator[Finding]:
    """Whether a forwarding stack sends all its events to the bus."""
    one = facts.forwarder
    place, command = f"{one.name} in {one.account} {one.region}", f"{_DEPLOY} {one.name}"
    sound = 0
    for event, rule in facts.rules.items():
        if isinstance(rule, Unread):
            yield not_checked("forwarding", f"{place}, the rule for {event}", rule)
            continue
        problem = _forwarding_problem(rule, bus_arn, one.patterns[event])
        if problem:
            yield fail("forwarding", f"{place}: {event}: {problem}", command, one.account)
        else:
            sound += 1
    if sound:
        rules = "rule forwards" if sound == 1 else "rules forward"
        yield ok("forwarding", f"{place}: {sound} {rules} to the bus")
    if isinstance(facts.role, Unread):
        yield not_checked("forwarding-role", f"{place}, its role", facts.role)
    elif not facts.role:
        yield fail("forwarding-role", f"{place}: its role does not exist", command, one.account)
    else:
        yield ok("forwarding-role", f"{place}: its role is there")
    yield _judge_queue(facts, place, redrive)
    yield judge_alarms(one.name, one.region, facts.alarms, one.account)
    if one.account == management:
        yield judge_trails(facts.trails, one.region, one.account)


def _forwarding_problem(rule: DeployedRule | None, bus_arn: str, pattern: Mapping[str, Any]) -> str:
    if rule is None:
        return "there is no rule"
    if not rule.enabled:
        return f"the rule {rule.name} is disabled"
    if bus_arn not in rule.targets:
        return f"the rule {rule.name} does not send to {bus_arn}"
    if json.loads(rule.pattern or "{}") != pattern:
        return f"the pattern of the rule {rule.name} is not the one of this version"
    return ""


def _judge_queue(facts: ForwarderFacts, place: str, redrive: str) -> Finding:
    messages = facts.undelivered
    if isinstance(messages, Unread):
        return not_checked("undelivered-events", f"{place}, its queue", messages)
    account = facts.forwarder.account
    if messages is None:
        command = f"{_DEPLOY} {facts.forwarder.name}"
        return fail("undelivered-events", f"{place}: the stack does not exist", command, account)
    if messages:
        return fail(
            "undelivered-events",
            f"{place}: {messages} events could not be delivered",
            f"{redrive} --queue-url {facts.queue_url} --queue-profile {QUEUE_PROFILE}",
            account,
        )
    return ok("undelivered-events", f"{place}: its queue for undelivered events is empty")


def judge_trails(trails: Sequence[Trail] | Unread, region: str, account: str) -> Finding:
    """Whether CloudTrail records the events there, without which EventBridge gets none."""
    if isinstance(trails, Unread):
        return not_checked("trail", f"The trails of {account} in {region}", trails)
    good = [one.name for one in trails if one.logs and one.records]
    if good:
        return ok("trail", f"The trail {good[0]} records management events of {account} {region}")
    stopped = next((one.name for one in trails if one.records), None)
    if stopped is not None:
        return fail(
            "trail",
            f"The trail {stopped} of {account} does not log: EventBridge gets no event",
            f"aws cloudtrail start-logging --name {stopped} --region {region}",
            account,
        )
    return fail(
        "trail",
        f"No trail of {account} records management events in {region}: EventBridge gets no event",
        "aws cloudtrail create-trail --name management-events --s3-bucket-name BUCKET"
        f" --is-multi-region-trail --region {region}"
        f" && aws cloudtrail start-logging --name management-events --region {region}",
        account,
    )
