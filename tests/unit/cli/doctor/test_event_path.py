"""What follows from what was read of the bus, the rules, the forwarding stacks and the trails."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.errors import InvalidInput
from functions.enrolment.scope import Scope
from functions.intake.pattern import require_match
from infra.cli.doctor.event_path import (
    DeployedRule,
    SentEvent,
    judge_admission,
    judge_rules,
    judge_test_event,
    samples_of,
)
from infra.cli.doctor.finding import Level, Unread
from infra.cli.doctor.forwarding import (
    ForwarderFacts,
    Trail,
    judge_forwarder,
    judge_trails,
    records_management_events,
)
from infra.organization import Forwarder, wanted_patterns
from tests.support.builders import ADMINISTRATOR, MANAGEMENT, OTHER, a_configuration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.account import AccountId
    from infra.cli.doctor.finding import Finding

OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL
REFUSED = Unread("some:Action", "denied")
BUS = f"arn:aws:events:eu-west-1:{ADMINISTRATOR}:event-bus/rollcall"
CONFIGURATION = a_configuration(
    regions=("eu-west-1", "ap-east-1"), scope=Scope(include_paths=("o-aa111bb222/",))
)
WANTED = wanted_patterns(CONFIGURATION)
RULES = [
    DeployedRule(name, "rollcall", True, json.dumps(pattern), ("arn:machine",), True)
    for name, pattern in WANTED.items()
]
SAMPLES = samples_of(WANTED, MANAGEMENT, CONFIGURATION)


def matches(pattern: str, event: Mapping[str, Any]) -> bool:
    try:
        require_match(json.loads(pattern), event)
    except InvalidInput:
        return False
    return True


def statement(principal: object, **more: Any) -> dict[str, Any]:
    return {
        "Statement": [
            {"Effect": "Allow", "Principal": principal, "Action": "events:PutEvents", **more}
        ]
    }


ROOT = f"arn:aws:iam::{MANAGEMENT}:root"


@pytest.mark.parametrize(
    ("policy", "level", "said"),
    [
        (statement({"AWS": ROOT}), OK, f"admits the management account {MANAGEMENT}"),
        (statement({"AWS": [ROOT, "arn:aws:iam::1:root"]}), OK, "admits"),
        (statement({"AWS": MANAGEMENT}), OK, "admits"),
        (statement("*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), OK, "OrgID"),
        (statement({"AWS": f"arn:aws:iam::{OTHER}:root"}), FAIL, "does not admit"),
        (statement({"AWS": ROOT}, Effect="Deny"), FAIL, "does not admit"),
        (statement({"AWS": ROOT}, Action="events:PutRule"), FAIL, "does not admit"),
        ({}, FAIL, "does not admit"),
        (None, FAIL, "does not exist"),
        (REFUSED, WARN, "allow some:Action"),
    ],
    ids=[
        *("root", "roots", "account", "condition", "other", "deny", "action"),
        *("empty", "no bus", "refused"),
    ],
)
def test_the_bus_policy_names_the_management_account(policy: Any, level: Level, said: str) -> None:
    finding = judge_admission(policy, BUS, MANAGEMENT, "Rollcall")

    assert finding.level is level
    assert said in finding.reason
    assert bool(finding.command) is (level is FAIL)


def test_there_is_a_sample_of_every_event() -> None:
    assert [name for name, samples in SAMPLES.items() if not samples] == []


def judged(
    deployed: Any, tester: Any = matches, management: AccountId = MANAGEMENT
) -> list[Finding]:
    return list(
        judge_rules(
            "rollcall", WANTED, deployed, SAMPLES, tester, CONFIGURATION, management, "Rollcall"
        )
    )


def rules(*, without: str = "", **changes: Any) -> list[Finding]:
    return judged([replace(one, **changes) for one in RULES if one.name != without])


def test_rules_and_intake_take_all_samples() -> None:
    [finding] = rules()
    assert finding.level is OK
    assert all(name in finding.reason for name in WANTED)


@pytest.mark.parametrize("missing", sorted(WANTED))
def test_a_rule_that_is_missing_is_named(missing: str) -> None:
    failed = [one for one in rules(without=missing) if one.level is FAIL]
    assert [one.reason for one in failed] == [
        f"{missing} on the bus rollcall: no deployed rule matches a sample event"
    ]


def test_rules_that_are_disabled_or_lose_events_are_named() -> None:
    disabled = [one for one in rules(enabled=False) if one.level is FAIL]
    assert len(disabled) == len(RULES)
    assert disabled[0].command.startswith("aws events enable-rule --name ")
    assert {one.level for one in rules(has_queue=False)} == {OK, WARN}


def test_a_rule_on_another_bus_does_not_count() -> None:
    assert {one.level for one in rules(bus="default")} == {FAIL}


def test_what_the_intake_refuses_is_a_failure() -> None:
    """The samples are of another management account than the organisation's."""
    found = judged(RULES, management=OTHER)
    assert found[0].level is FAIL
    assert "the intake refuses a sample event: account: takes" in found[0].reason


@pytest.mark.parametrize("refused", ["rules", "patterns"])
def test_what_may_not_be_read_is_a_warning(refused: str) -> None:
    found = judged(REFUSED if refused == "rules" else RULES, lambda *_: REFUSED)
    assert {one.level for one in found} == {WARN}
    assert all("allow some:Action" in one.reason for one in found)


FORWARDER = Forwarder(
    "RollcallOrganizationEvents",
    MANAGEMENT,
    "us-east-1",
    {"MoveAccount": WANTED["MoveAccount"]},
)
RULE = DeployedRule(
    FORWARDER.rule_names["MoveAccount"],
    "default",
    True,
    json.dumps(WANTED["MoveAccount"]),
    [BUS],
    True,
)
TRAIL = Trail("all", logs=True, records=True)
FACTS = ForwarderFacts(FORWARDER, {"MoveAccount": RULE}, role=True, undelivered=0, trails=[TRAIL])


def forwarding(facts: ForwarderFacts) -> list[Finding]:
    return list(judge_forwarder(facts, BUS, ".venv/bin/rollcall redrive", MANAGEMENT))


def test_a_sound_forwarding_stack_has_nothing_to_mend() -> None:
    assert {one.level for one in forwarding(FACTS)} == {OK}


@pytest.mark.parametrize(
    ("change", "level", "said"),
    [
        ({"rules": {"MoveAccount": None}}, FAIL, "there is no rule"),
        ({"rules": {"MoveAccount": replace(RULE, enabled=False)}}, FAIL, "is disabled"),
        ({"rules": {"MoveAccount": replace(RULE, targets=["x"])}}, FAIL, "does not send to arn"),
        ({"rules": {"MoveAccount": replace(RULE, pattern="{}")}}, FAIL, "not the one of this"),
        ({"rules": {"MoveAccount": REFUSED}}, WARN, "allow some:Action"),
        ({"role": None}, FAIL, "its role does not exist"),
        ({"role": REFUSED}, WARN, "allow some:Action"),
        ({"undelivered": 3}, FAIL, "3 events could not be delivered"),
        ({"undelivered": None}, FAIL, "the stack does not exist"),
        ({"undelivered": REFUSED}, WARN, "allow some:Action"),
        ({"trails": []}, FAIL, "No trail"),
        ({"alarms": REFUSED}, WARN, "allow some:Action"),
    ],
    ids=[
        *("no rule", "disabled", "target", "pattern", "rule refused", "no role", "role refused"),
        *("undelivered", "no stack", "queue refused", "no trail", "alarms refused"),
    ],
)
def test_what_keeps_events_from_the_bus_is_found(
    change: dict[str, Any], level: Level, said: str
) -> None:
    [finding] = [one for one in forwarding(replace(FACTS, **change)) if one.level is not OK]
    assert finding.level is level
    assert said in finding.reason
    assert bool(finding.command) is (level is FAIL)


@pytest.mark.parametrize(
    ("trails", "level", "command"),
    [
        ([TRAIL], OK, ""),
        ([replace(TRAIL, records=False), TRAIL], OK, ""),
        ([replace(TRAIL, logs=False)], FAIL, "aws cloudtrail start-logging --name all"),
        ([replace(TRAIL, records=False)], FAIL, "aws cloudtrail create-trail"),
        (REFUSED, WARN, ""),
    ],
    ids=["one", "second", "stopped", "no management events", "refused"],
)
def test_a_trail_records_management_events(trails: Any, level: Level, command: str) -> None:
    finding = judge_trails(trails, "us-east-1", MANAGEMENT)
    assert finding.level is level
    assert finding.command.startswith(command)


def _advanced(**fields: list[str]) -> dict[str, Any]:
    selectors = [{"Field": name, "Equals": values} for name, values in fields.items()]
    return {"AdvancedEventSelectors": [{"FieldSelectors": selectors}]}


@pytest.mark.parametrize(
    ("selectors", "recorded"),
    [
        ({"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]}, True),
        ({"EventSelectors": [{"ReadWriteType": "WriteOnly"}]}, True),
        ({"EventSelectors": [{"ReadWriteType": "ReadOnly"}]}, False),
        ({"EventSelectors": [{"IncludeManagementEvents": False}]}, False),
        (_advanced(eventCategory=["Management"]), True),
        (_advanced(eventCategory=["Management"], readOnly=["false"]), True),
        (_advanced(eventCategory=["Management"], readOnly=["true"]), False),
        (_advanced(eventCategory=["Data"]), False),
        ({}, False),
    ],
    ids=["all", "writes", "reads", "none", "advanced", "adv writes", "adv reads", "data", "empty"],
)
def test_event_selectors_with_management_events_that_write(
    selectors: dict[str, Any], recorded: bool
) -> None:
    assert records_management_events(selectors) is recorded


@pytest.mark.parametrize(
    ("sent", "level", "said"),
    [
        (SentEvent(MANAGEMENT), OK, "proves its policy"),
        (SentEvent(ADMINISTRATOR), OK, "not that it admits the management account"),
        (SentEvent(MANAGEMENT, "AccessDenied: x"), FAIL, "refused an event"),
        (SentEvent(MANAGEMENT, REFUSED), WARN, "some:Action was refused"),
    ],
    ids=["management", "own", "refused", "denied"],
)
def test_the_test_event_says_what_it_proves(sent: SentEvent, level: Level, said: str) -> None:
    finding = judge_test_event(sent, MANAGEMENT, BUS)
    assert finding.level is level
    assert said in finding.reason
