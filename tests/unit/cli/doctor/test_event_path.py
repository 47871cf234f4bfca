"""What follows from what was read of the bus and of the rules on it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.scope import Scope
from functions.intake.arrivals import CLOUDTRAIL
from infra.cli.doctor.event_path import (
    DeployedRule,
    SentEvent,
    judge_admission,
    judge_rules,
    judge_test_event,
)
from infra.cli.doctor.finding import Level, Unread
from infra.cli.doctor.samples import samples_of
from infra.organization import wanted_patterns
from tests.support.builders import ADMINISTRATOR, MANAGEMENT, OTHER, a_configuration
from tests.unit.cli.doctor.answers import is_match

if TYPE_CHECKING:
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
    assert [name for name, samples in SAMPLES.wanted.items() if not samples] == []


def test_there_is_a_sample_of_an_opt_in_to_each_region() -> None:
    configuration = a_configuration(regions=("eu-west-1", "ap-east-1", "me-south-1"))
    samples = samples_of(wanted_patterns(configuration), MANAGEMENT, configuration)

    [event] = [name for name in samples.wanted if name.startswith("Region")]
    regions = [one["detail"]["regionName"] for one in samples.wanted[event]]
    assert regions == ["ap-east-1", "me-south-1"]


def test_an_event_whose_detail_type_is_not_documented_has_samples_with_either() -> None:
    kinds = {one["detail-type"] for one in SAMPLES.wanted["AccountJoinedOrganization"]}
    assert kinds == set(CLOUDTRAIL)
    assert len(SAMPLES.wanted["MoveAccount"]) == 1


def test_moves_are_ignored_where_the_scope_has_no_paths() -> None:
    configuration = a_configuration(regions=("eu-west-1",))
    samples = samples_of(wanted_patterns(configuration), MANAGEMENT, configuration)

    assert "MoveAccount" in {one["detail"].get("eventName") for one in samples.ignored}


def judged(
    deployed: Any, tester: Any = is_match, management: AccountId = MANAGEMENT
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
