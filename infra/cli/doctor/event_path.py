"""The bus, and the rules that start a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import InvalidInput
from functions.intake.arrivals import ARRIVALS
from functions.intake.events import read_event, require_publisher
from infra.cli.doctor.finding import Unread, ask, ask_for, fail, not_checked, ok, warn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Configuration
    from infra.cli.doctor.finding import Finding
    from infra.cli.doctor.samples import Samples

    # Whether an event pattern, as JSON text, matches an event.
    Matches = Callable[[str, Mapping[str, Any]], bool | Unread]

ACTIONS = (
    "events:DescribeEventBus",
    "events:DescribeRule",
    "events:ListRuleNamesByTarget",
    "events:ListTargetsByRule",
    "events:PutEvents",
    "events:TestEventPattern",
)
TEST_SOURCE = "rollcall.doctor"
_DEPLOY = "node_modules/.bin/cdk deploy"


@dataclass(frozen=True, slots=True)
class DeployedRule:
    """A rule as EventBridge has it; ``pattern`` is JSON text."""

    name: str
    bus: str
    enabled: bool
    pattern: str
    targets: Sequence[str] = ()
    has_queue: bool = False


@dataclass(frozen=True, slots=True)
class SentEvent:
    """The test event: ``account`` sent it, and EventBridge refused it with ``refused``, "" if it
    did not.
    """

    account: str
    refused: str | Unread = ""


def read_bus_policy(events: Any, bus: str) -> Mapping[str, Any] | Unread | None:
    """The policy of a bus, empty if it has none; None if there is no such bus."""

    def read() -> Mapping[str, Any]:
        policy: Mapping[str, Any] = json.loads(
            events.describe_event_bus(Name=bus).get("Policy", "{}")
        )
        return policy

    return ask_for("events:DescribeEventBus", ("ResourceNotFoundException",), read)


def read_rules(
    events: Any, buses: Sequence[str], target: str, *, without: Collection[str] = ()
) -> list[DeployedRule] | Unread:
    """The rules on the buses that send events to a target, but for those of some names."""

    def names(bus: str) -> Iterator[str]:
        token: dict[str, str] = {}
        while True:
            found = events.list_rule_names_by_target(TargetArn=target, EventBusName=bus, **token)
            yield from found["RuleNames"]
            if not found.get("NextToken"):
                return
            token = {"NextToken": found["NextToken"]}

    listed = ask(
        "events:ListRuleNamesByTarget",
        lambda: [(name, bus) for bus in dict.fromkeys(buses) for name in names(bus)],
    )
    if isinstance(listed, Unread):
        return listed
    rules = [read_rule(events, name, bus) for name, bus in listed if name not in without]
    unread = next((rule for rule in rules if isinstance(rule, Unread)), None)
    return unread or [rule for rule in rules if isinstance(rule, DeployedRule)]


def read_rule(events: Any, name: str, bus: str) -> DeployedRule | Unread | None:
    """A rule with its targets; None if there is no such rule."""
    rule: Mapping[str, Any] | Unread | None = ask_for(
        "events:DescribeRule",
        ("ResourceNotFoundException",),
        lambda: events.describe_rule(Name=name, EventBusName=bus),
    )
    if rule is None or isinstance(rule, Unread):
        return rule
    targets: Sequence[Mapping[str, Any]] | Unread = ask(
        "events:ListTargetsByRule",
        lambda: events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"],
    )
    if isinstance(targets, Unread):
        return targets
    return DeployedRule(
        name,
        bus,
        rule.get("State", "").startswith("ENABLED"),
        rule.get("EventPattern", ""),
        [one["Arn"] for one in targets],
        all("DeadLetterConfig" in one for one in targets),
    )


def send_test_event(events: Any, bus: str, account: str) -> SentEvent:
    """Put an event on the bus that no rule matches."""
    entry = {
        "Source": TEST_SOURCE,
        "DetailType": "Rollcall Doctor Test",
        "Detail": "{}",
        "EventBusName": bus,
    }

    def put() -> str:
        result = events.put_events(Entries=[entry])
        one = result["Entries"][0]
        return f"{one['ErrorCode']}: {one.get('ErrorMessage', '')}" if "ErrorCode" in one else ""

    return SentEvent(account, ask("events:PutEvents", put))


def pattern_tester(events: Any) -> Matches:
    """Whether a pattern matches an event, as EventBridge itself says."""

    def matches(pattern: str, event: Mapping[str, Any]) -> bool | Unread:
        return ask(
            "events:TestEventPattern",
            lambda: bool(
                events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"]
            ),
        )

    return matches


def judge_admission(
    policy: Mapping[str, Any] | Unread | None,
    bus_arn: str,
    management: AccountId,
    stack: str,
) -> Finding:
    """Whether the bus policy lets the management account's events in."""
    if isinstance(policy, Unread):
        return not_checked("bus-policy", "The policy of the bus", policy)
    if policy is None:
        return fail("bus-policy", f"The bus {bus_arn} does not exist", f"{_DEPLOY} {stack}")
    admitting = [one for one in policy.get("Statement", ()) if _admits(one, management)]
    if not admitting:
        return fail(
            "bus-policy",
            f"The bus does not admit the management account {management}: no event of the"
            " organisation arrives; to do: set organization in cdk.json, and deploy",
            f"{_DEPLOY} {stack}",
        )
    if all(one.get("Condition") for one in admitting):
        conditions = sorted({key for one in admitting for key in _keys(one["Condition"])})
        return ok(
            "bus-policy", f"The bus admits {management} on condition of {', '.join(conditions)}"
        )
    return ok("bus-policy", f"The bus admits the management account {management}")


def _admits(statement: Mapping[str, Any], account: str) -> bool:
    principal = statement.get("Principal", {})
    named = principal if isinstance(principal, str) else principal.get("AWS", ())
    names = [named] if isinstance(named, str) else named
    actions = statement.get("Action", ())
    actions = [actions] if isinstance(actions, str) else actions
    return (
        statement.get("Effect") == "Allow"
        and bool({"events:PutEvents", "events:Put*", "events:*", "*"} & set(actions))
        and any(name in (account, "*") or f"::{account}:" in name for name in names)
    )


def _keys(condition: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for operator in condition.values():
        yield from operator


def is_unconditional(policy: Mapping[str, Any] | Unread | None, account: str) -> bool:
    """Whether the bus takes events of every identity of an account that may put events."""
    if policy is None or isinstance(policy, Unread):
        return False
    return any(
        _admits(one, account) and not one.get("Condition") for one in policy.get("Statement", ())
    )


def judge_rules(
    bus: str,
    wanted: Mapping[str, Mapping[str, Any]],
    rules: Sequence[DeployedRule] | Unread,
    samples: Samples,
    matches: Matches,
    configuration: Configuration,
    management: AccountId | None,
    stack: str,
) -> Iterator[Finding]:
    """Whether a rule on the bus matches a sample of each event, and the intake accepts it.

    ``rules`` may be those of other buses, too.
    """
    if isinstance(rules, Unread):
        yield not_checked("rules", "The rules that start runs", rules)
        return
    command = f"{_DEPLOY} {stack}"
    here = [rule for rule in rules if rule.bus == bus]
    for rule in here:
        if not rule.enabled:
            yield fail(
                "rules",
                f"The rule {rule.name} is disabled",
                f"aws events enable-rule --name {rule.name} --event-bus-name {rule.bus}",
            )
        if not rule.has_queue:
            yield warn("rules", f"The rule {rule.name} has no queue for undelivered events")
    proven = []
    for name in wanted:
        problem = _sample_problem(
            name, here, samples.wanted[name], matches, configuration, management
        )
        if isinstance(problem, Unread):
            yield not_checked("rules", f"The rules for {name}", problem)
        elif problem:
            yield fail("rules", f"{name} on the bus {bus}: {problem}", command)
        else:
            proven.append(name)
    if proven:
        yield ok(
            "rules",
            f"On the bus {bus} a rule matches a sample event, and the intake accepts it:"
            f" {', '.join(proven)} (proves the patterns, and the intake of this version;"
            " not that AWS sends them)",
        )


def _sample_problem(
    name: str,
    rules: Sequence[DeployedRule],
    samples: Sequence[Mapping[str, Any]],
    matches: Matches,
    configuration: Configuration,
    management: AccountId | None,
) -> str | Unread:
    """What would become wrongly of one of the samples, "" if nothing would."""
    for sample in samples:
        matched = matching_rule(rules, name, sample, matches)
        if isinstance(matched, Unread):
            return matched
        if matched is None:
            return "no deployed rule matches a sample event"
        try:
            require_publisher(read_event(sample, configuration), management)
        except InvalidInput as error:
            return f"the intake refuses a sample event: {error}"
    return ""


def matching_rule(
    rules: Sequence[DeployedRule],
    name: str,
    event: Mapping[str, Any],
    matches: Matches,
) -> DeployedRule | Unread | None:
    """The rule that matches an event, None if none does. Only rules about such events are tried."""
    for rule in rules:
        if json.dumps(name) in rule.pattern or _is_unnamed(rule.pattern):
            matched = matches(rule.pattern, event)
            if isinstance(matched, Unread):
                return matched
            if matched:
                return rule
    return None


def _is_unnamed(pattern: str) -> bool:
    """Whether a pattern is for no event of a certain name: somebody has changed it."""
    return not any(json.dumps(name) in pattern for name in ARRIVALS)


def judge_test_event(sent: SentEvent, management: AccountId | None, bus: str) -> Finding:
    """Whether the bus takes an event, and what that proves."""
    if isinstance(sent.refused, Unread):
        return not_checked("test-event", f"An event from {sent.account}", sent.refused)
    if sent.refused:
        return fail(
            "test-event", f"The bus {bus} refused an event from {sent.account}: {sent.refused}"
        )
    if sent.account == management:
        return ok(
            "test-event",
            f"The bus took an event from the management account {management} (proves its policy;"
            " not that the forwarding rules' role may send, nor that AWS publishes the events)",
        )
    return ok(
        "test-event",
        f"The bus took an event from {sent.account}, its own account (proves that it is there; not"
        " that it admits the management account)",
    )
