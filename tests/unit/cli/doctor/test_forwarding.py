"""What follows from what was read of a stack that forwards events."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.scope import Scope
from infra.cli.doctor.event_path import DeployedRule
from infra.cli.doctor.finding import Level, Unread
from infra.cli.doctor.forwarding import ForwarderFacts, judge_forwarder
from infra.cli.doctor.samples import samples_of
from infra.organization import Forwarder, wanted_patterns
from tests.support.builders import ADMINISTRATOR, MANAGEMENT, a_configuration
from tests.unit.cli.doctor.answers import is_match

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.cli.doctor.finding import Finding

OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL
REFUSED = Unread("some:Action", "denied")
BUS = f"arn:aws:events:eu-west-1:{ADMINISTRATOR}:event-bus/rollcall"
REGIONS = ("eu-west-1", "ap-east-1", "me-south-1")
CONFIGURATION = a_configuration(regions=REGIONS, scope=Scope(include_paths=("o-aa111bb222/",)))
WANTED = wanted_patterns(CONFIGURATION)
SAMPLES = samples_of(WANTED, MANAGEMENT, CONFIGURATION)
EVENTS = ("CreateAccountResult", "MoveAccount", "Region Opt-In Status Change")
CREATED, MOVED, OPTED_IN = EVENTS
FORWARDER = Forwarder(
    "RollcallOrganizationEvents", MANAGEMENT, "us-east-1", {name: WANTED[name] for name in EVENTS}
)


def a_rule(name: str, pattern: Mapping[str, Any], **changes: Any) -> DeployedRule:
    rule = DeployedRule(name, "default", True, json.dumps(pattern), [BUS], True)
    return replace(rule, **changes)


RULES = {event: a_rule(name, WANTED[event]) for event, name in FORWARDER.rule_names.items()}
FACTS = ForwarderFacts(FORWARDER, RULES, others=(), role=True, undelivered=0)


def judged(facts: ForwarderFacts, matches: Any = is_match) -> list[Finding]:
    redrive = ".venv/bin/rollcall redrive"
    return list(judge_forwarder(facts, BUS, redrive, SAMPLES, matches))


def not_ok(facts: ForwarderFacts, matches: Any = is_match) -> list[Finding]:
    return [one for one in judged(facts, matches) if one.level is not OK]


def with_rule(event: str, rule: DeployedRule | Unread | None) -> ForwarderFacts:
    return replace(FACTS, rules=RULES | {event: rule})


def test_a_sound_forwarding_stack_has_nothing_to_mend() -> None:
    assert not_ok(FACTS) == []
    assert all(event in judged(FACTS)[0].reason for event in EVENTS)


@pytest.mark.parametrize(
    ("change", "level", "said"),
    [
        ({"role": None}, FAIL, "its role does not exist"),
        ({"role": REFUSED}, WARN, "allow some:Action"),
        ({"undelivered": 3}, FAIL, "3 events could not be delivered"),
        ({"undelivered": None}, FAIL, "the stack does not exist"),
        ({"undelivered": REFUSED}, WARN, "allow some:Action"),
        ({"others": REFUSED}, WARN, "allow some:Action"),
        ({"alarms": REFUSED}, WARN, "allow some:Action"),
    ],
    ids=[
        *("no role", "role refused", "undelivered", "no stack", "queue refused", "rules refused"),
        "alarms refused",
    ],
)
def test_what_keeps_events_from_the_bus_is_found(
    change: dict[str, Any], level: Level, said: str
) -> None:
    [finding] = not_ok(replace(FACTS, **change))
    assert finding.level is level
    assert said in finding.reason
    assert bool(finding.command) is (level is FAIL)


@pytest.mark.parametrize(
    ("change", "said", "command"),
    [
        (None, "there is no rule", "node_modules/.bin/cdk deploy RollcallOrganizationEvents"),
        (
            {"enabled": False},
            "its rule is disabled",
            "aws events enable-rule --name RollcallOrganizationEvents-MoveAccount"
            " --region us-east-1",
        ),
        ({"targets": ["x"]}, f"its rule does not send to {BUS}", "node_modules/.bin/cdk deploy "),
        (
            {"pattern": json.dumps(WANTED[CREATED])},
            "its rule does not match every sample event",
            "node_modules/.bin/cdk deploy ",
        ),
        ({"pattern": ""}, "its rule does not match every", "node_modules/.bin/cdk deploy "),
    ],
    ids=["no rule", "disabled", "target", "pattern", "schedule"],
)
def test_an_event_that_no_enabled_rule_forwards_is_named(
    change: dict[str, Any] | None, said: str, command: str
) -> None:
    rule = None if change is None else replace(RULES[MOVED], **change)
    [finding] = not_ok(with_rule(MOVED, rule))

    assert finding.level is FAIL
    assert f": no enabled rule forwards MoveAccount: {said}" in finding.reason
    assert finding.command.startswith(command)
    assert finding.account == MANAGEMENT


def test_events_that_lack_the_same_are_one_finding() -> None:
    [finding] = not_ok(replace(FACTS, rules=dict.fromkeys(EVENTS)))
    assert f"no enabled rule forwards {', '.join(EVENTS)}: there is no rule" in finding.reason

    disabled = {event: replace(rule, enabled=False) for event, rule in RULES.items()}
    [finding] = not_ok(replace(FACTS, rules=disabled))
    assert len(finding.command.split(" && ")) == len(EVENTS)


def test_a_pattern_of_another_version_that_matches_what_comes_is_sound() -> None:
    pattern = WANTED[MOVED] | {"version": ["0"]}
    assert not_ok(with_rule(MOVED, a_rule(RULES[MOVED].name, pattern))) == []


def test_a_pattern_with_one_of_the_regions_does_not_forward_the_other() -> None:
    detail = WANTED[OPTED_IN]["detail"] | {"regionName": ["ap-east-1"]}
    pattern = WANTED[OPTED_IN] | {"detail": detail}

    [finding] = not_ok(with_rule(OPTED_IN, a_rule(RULES[OPTED_IN].name, pattern)))

    assert f"no enabled rule forwards {OPTED_IN}" in finding.reason


@pytest.mark.parametrize(
    ("changes", "forwards"),
    [({}, True), ({"enabled": False}, False), ({"targets": ["x"]}, False)],
    ids=["sends", "disabled", "elsewhere"],
)
def test_a_rule_of_any_name_may_forward_an_event(changes: dict[str, Any], forwards: bool) -> None:
    other = a_rule("everything", {"source": ["aws.organizations"]}, **changes)
    facts = replace(with_rule(MOVED, None), others=[other])

    assert (not_ok(facts) == []) is forwards


def ignored_by_this_version() -> list[dict[str, Any]]:
    """Patterns that match what this version ignores, as other versions may have had them."""
    created = WANTED[CREATED]
    details = created["detail"]
    anything = {key: value for key, value in details.items() if key != "serviceEventDetails"}
    return [created | {"detail": anything}, {"source": ["aws.organizations"]}]


@pytest.mark.parametrize("pattern", ignored_by_this_version(), ids=["failed ones", "all"])
@pytest.mark.parametrize("stale", [False, True], ids=["this version's", "an earlier one's"])
def test_an_own_rule_that_forwards_what_is_ignored_is_a_warning(
    pattern: dict[str, Any], stale: bool
) -> None:
    if stale:
        old = a_rule(f"{FORWARDER.name}-Old", pattern)
        facts = replace(FACTS, others=[old])
    else:
        facts = with_rule(CREATED, a_rule(RULES[CREATED].name, pattern))

    [finding] = not_ok(facts)

    assert finding.level is WARN
    assert "also forwards events that this version ignores: " in finding.reason
    assert "CreateAccountResult" in finding.reason.partition("ignores: ")[2]
    assert finding.command == f"node_modules/.bin/cdk deploy {FORWARDER.name}"


def test_what_a_rule_of_somebody_else_forwards_is_theirs() -> None:
    everything = a_rule("everything", {"source": ["aws.organizations"]})
    assert not_ok(replace(FACTS, others=[everything])) == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (RULES[MOVED], None),
        (None, "MoveAccount: there is no rule"),
        (replace(RULES[MOVED], enabled=False), "MoveAccount: its rule is disabled"),
        (
            a_rule(RULES[MOVED].name, WANTED[MOVED] | {"version": ["0"]}),
            "MoveAccount: the pattern of its rule is not the one of this version",
        ),
    ],
    ids=["same", "no rule", "disabled", "pattern"],
)
def test_patterns_are_compared_where_events_may_not_be_tried(
    rule: DeployedRule | None, said: str | None
) -> None:
    warned, *failed = not_ok(with_rule(MOVED, rule), lambda *_: REFUSED)

    assert warned.level is WARN
    assert "its rules with sample events: not checked" in warned.reason
    assert "to do: allow some:Action" in warned.reason
    assert [one.reason.partition(": ")[2] for one in failed] == ([said] if said else [])


def test_a_rule_that_may_not_be_read_is_a_warning_unless_another_forwards_its_event() -> None:
    [finding] = not_ok(with_rule(MOVED, REFUSED))
    assert finding.level is WARN
    assert "the rule for MoveAccount: not checked" in finding.reason

    other = a_rule("moves", WANTED[MOVED])
    assert not_ok(replace(with_rule(MOVED, REFUSED), others=[other])) == []
