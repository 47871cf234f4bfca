"""The stacks that forward events to the bus."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.cli.doctor.deployment import alarms_of, judge_alarms, messages_in
from infra.cli.doctor.event_path import DeployedRule, read_rule, read_rules
from infra.cli.doctor.finding import Unread, ask_for, fail, not_checked, ok, warn
from infra.cli.doctor.samples import event_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from functions.aws.sessions import Clients
    from infra.cli.doctor.event_path import Matches
    from infra.cli.doctor.finding import Finding
    from infra.cli.doctor.samples import Samples
    from infra.organization import Forwarder

# Those in the account of a forwarding stack.
ACTIONS = (
    "cloudformation:DescribeStacks",
    "cloudwatch:DescribeAlarms",
    "events:DescribeRule",
    "events:ListRuleNamesByTarget",
    "events:ListTargetsByRule",
    "events:TestEventPattern",
    "iam:GetRole",
    "sqs:GetQueueAttributes",
)
_NOT_FOUND = ("NoSuchEntity", "ValidationError")
# Stands for the profile of the queue's account where it is not known.
QUEUE_PROFILE = "PROFILE"
_DEPLOY = "node_modules/.bin/cdk deploy"
_DISABLED = "its rule is disabled"


@dataclass(frozen=True, slots=True)
class ForwarderFacts:
    """What was read of a forwarding stack.

    ``rules`` are those of this version, by event; None: it does not exist. ``others`` are further
    rules that send to Rollcall's bus. ``alarms`` are those in ALARM.
    """

    forwarder: Forwarder
    rules: Mapping[str, DeployedRule | Unread | None]
    others: Sequence[DeployedRule] | Unread
    role: bool | Unread | None
    undelivered: int | Unread | None
    queue_url: str = ""
    alarms: Sequence[str] | Unread = ()


def read_forwarder(forwarder: Forwarder, bus_arn: str, clients: Clients) -> ForwarderFacts:
    """Read a forwarding stack, with clients of its account."""
    region, names = forwarder.region, forwarder.rule_names
    events, iam = clients.client("events", region), clients.client("iam", region)

    def outputs() -> str:
        stacks = clients.client("cloudformation", region).describe_stacks(StackName=forwarder.name)
        found = {one["OutputKey"]: one["OutputValue"] for one in stacks["Stacks"][0]["Outputs"]}
        return str(found["UndeliveredEventsUrl"])

    url = ask_for("cloudformation:DescribeStacks", _NOT_FOUND, outputs)
    return ForwarderFacts(
        forwarder,
        {event: read_rule(events, name, "default") for event, name in names.items()},
        read_rules(events, ["default"], bus_arn, without=names.values()),
        ask_for("iam:GetRole", _NOT_FOUND, lambda: bool(iam.get_role(RoleName=forwarder.name))),
        messages_in(clients.client("sqs", region), url) if isinstance(url, str) else url,
        url if isinstance(url, str) else "",
        alarms_of(clients.client("cloudwatch", region), forwarder.name),
    )


def judge_forwarder(
    facts: ForwarderFacts, bus_arn: str, redrive: str, samples: Samples, matches: Matches
) -> Iterator[Finding]:
    """Whether a forwarding stack sends all its events to the bus.

    ``matches`` says what the EventBridge of its account says.
    """
    one, place = facts.forwarder, _place(facts)
    sending = _sending(facts, bus_arn)
    forwarded = _forwarded(facts, sending, samples, matches)
    if isinstance(forwarded, Unread):
        yield not_checked("forwarding", f"{place}, its rules with sample events", forwarded)
        yield from _judge_rules(facts, bus_arn, None)
    else:
        yield from _judge_rules(facts, bus_arn, forwarded)
        yield from _judge_excess(facts, sending, samples, matches)
    if isinstance(facts.others, Unread):
        yield not_checked("forwarding", f"{place}, further rules that forward", facts.others)
    if isinstance(facts.role, Unread):
        yield not_checked("forwarding-role", f"{place}, its role", facts.role)
    elif not facts.role:
        command = f"{_DEPLOY} {one.name}"
        yield fail("forwarding-role", f"{place}: its role does not exist", command, one.account)
    else:
        yield ok("forwarding-role", f"{place}: its role is there")
    yield _judge_queue(facts, redrive)
    yield judge_alarms(one.name, one.region, facts.alarms, one.account)


def _place(facts: ForwarderFacts) -> str:
    one = facts.forwarder
    return f"{one.name} in {one.account} {one.region}"


def _sending(facts: ForwarderFacts, bus_arn: str) -> list[DeployedRule]:
    """The rules that send events to the bus. One that has a schedule has no pattern."""
    others = () if isinstance(facts.others, Unread) else facts.others
    return [
        rule
        for rule in (*facts.rules.values(), *others)
        if isinstance(rule, DeployedRule)
        and rule.enabled
        and bus_arn in rule.targets
        and rule.pattern
    ]


def _forwarded(
    facts: ForwarderFacts, sending: Sequence[DeployedRule], samples: Samples, matches: Matches
) -> list[str] | Unread:
    """The events of which a rule, whatever its name, matches every sample."""
    forwarded = []
    for event, name in facts.forwarder.rule_names.items():
        # Each try is a call: the event's own rule comes first.
        own = [rule for rule in sending if rule.name == name]
        rules = [*own, *(rule for rule in sending if rule.name != name)]
        found = [_matched(rules, sample, matches) for sample in samples.wanted[event]]
        if unread := next((one for one in found if isinstance(one, Unread)), None):
            return unread
        if all(found):
            forwarded.append(event)
    return forwarded


def _matched(
    rules: Sequence[DeployedRule], event: Mapping[str, Any], matches: Matches
) -> bool | Unread:
    """Whether one of the rules matches the event."""
    for rule in rules:
        if matched := matches(rule.pattern, event):
            return matched
    return False


def _judge_rules(
    facts: ForwarderFacts, bus_arn: str, forwarded: Collection[str] | None
) -> Iterator[Finding]:
    """Whether each event is forwarded.

    ``forwarded`` are the events of which sample events have shown that; None: the patterns of this
    version's rules are compared instead.
    """
    one, place = facts.forwarder, _place(facts)
    sound: list[str] = []
    problems: dict[str, list[str]] = {}
    for event, rule in facts.rules.items():
        if forwarded is not None and event in forwarded:
            sound.append(event)
        elif isinstance(rule, Unread):
            yield not_checked("forwarding", f"{place}, the rule for {event}", rule)
        elif problem := _problem(rule, bus_arn, one.patterns[event] if forwarded is None else None):
            problems.setdefault(problem, []).append(event)
        else:
            sound.append(event)
    said = "" if forwarded is None else "no enabled rule forwards "
    for problem, events in problems.items():
        commands = [f"{_DEPLOY} {one.name}"]
        if problem == _DISABLED:
            commands = [
                f"aws events enable-rule --name {one.rule_names[event]} --region {one.region}"
                for event in events
            ]
        yield fail(
            "forwarding",
            f"{place}: {said}{', '.join(events)}: {problem}",
            " && ".join(commands),
            one.account,
        )
    if sound:
        how = "have the patterns of this version" if forwarded is None else "match sample events"
        yield ok(
            "forwarding",
            f"{place}: rules that send to the bus {how}: {', '.join(sound)}"
            " (proves the patterns; not that AWS sends them)",
        )


def _problem(rule: DeployedRule | None, bus_arn: str, pattern: Mapping[str, Any] | None) -> str:
    """Why a rule does not forward its event, "" if it does.

    ``pattern`` is the one to compare with; None: sample events have shown that it does not.
    """
    if rule is None:
        return "there is no rule"
    if not rule.enabled:
        return _DISABLED
    if bus_arn not in rule.targets:
        return f"its rule does not send to {bus_arn}"
    if pattern is None:
        return "its rule does not match every sample event"
    if json.loads(rule.pattern or "{}") != pattern:
        return "the pattern of its rule is not the one of this version"
    return ""


def _judge_excess(
    facts: ForwarderFacts, sending: Sequence[DeployedRule], samples: Samples, matches: Matches
) -> Iterator[Finding]:
    """Whether a rule of the stack, of this version or another, forwards what is ignored."""
    one, place = facts.forwarder, _place(facts)
    sources = {source for pattern in one.patterns.values() for source in pattern["source"]}
    ignored = [event for event in samples.ignored if event["source"] in sources]
    for rule in sending:
        own = rule.name.startswith(f"{one.name}-")
        if not own or json.loads(rule.pattern) in one.patterns.values():
            continue
        found = [(event_name(event), matches(rule.pattern, event)) for event in ignored]
        unread = next((each for _, each in found if isinstance(each, Unread)), None)
        names = dict.fromkeys(name for name, matched in found if matched)
        if unread:
            yield not_checked("forwarding", f"{place}, {rule.name} with sample events", unread)
        elif names:
            yield warn(
                "forwarding",
                f"{place}: the rule {rule.name} also forwards events that this version ignores:"
                f" {', '.join(names)}",
                f"{_DEPLOY} {one.name}",
                one.account,
            )


def _judge_queue(facts: ForwarderFacts, redrive: str) -> Finding:
    messages, place = facts.undelivered, _place(facts)
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
