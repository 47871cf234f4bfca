"""What follows from what was read of the deployment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.configuration import Reconcile as Schedule
from functions.enrolment.configuration import Timing
from infra.cli.doctor.deployment import (
    DeploymentFacts,
    Reconcile,
    Subscription,
    TableFacts,
    Topic,
    judge_configuration,
    judge_deployment,
)
from infra.cli.doctor.finding import Level, Unread
from infra.config import DeploymentConfig
from tests.support.builders import NOW, a_configuration

if TYPE_CHECKING:
    from infra.cli.doctor.finding import Finding

OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL
REFUSED = Unread("some:Action", "denied")
CONFIGURATION = a_configuration()
TOPIC = Topic("alarms", "arn:topic", [Subscription("email", confirmed=True)])
FACTS = DeploymentFacts(
    stack="Rollcall",
    region="eu-west-1",
    status="UPDATE_COMPLETE",
    machines={"runs": "ACTIVE"},
    functions={"f": "Active", "g": "Inactive"},
    table_name="table",
    table=TableFacts("ACTIVE", recovery=True, expires=True),
    bucket=True,
    schedule="ENABLED",
    reconcile_machine="arn:machine",
    reconcile=Reconcile("SUCCEEDED", NOW, NOW + 60),
    topics=[TOPIC],
)


def found(facts: DeploymentFacts, check: str) -> list[Finding]:
    return [one for one in judge_deployment(facts, CONFIGURATION) if one.check == check]


def test_a_sound_deployment_has_nothing_to_mend() -> None:
    findings = list(judge_deployment(FACTS, CONFIGURATION))
    assert {one.level for one in findings} == {OK}
    assert len(findings) == 12


@pytest.mark.parametrize(
    ("change", "check", "level", "said"),
    [
        ({"status": "UPDATE_IN_PROGRESS"}, "stack", WARN, "look again"),
        ({"status": "UPDATE_ROLLBACK_COMPLETE"}, "stack", WARN, "was undone"),
        ({"status": "ROLLBACK_COMPLETE"}, "stack", FAIL, "ROLLBACK_COMPLETE"),
        ({"status": "UPDATE_ROLLBACK_FAILED"}, "stack", FAIL, "FAILED"),
        ({"status": REFUSED}, "stack", WARN, "allow some:Action"),
        ({"machines": {"runs": None}}, "state-machine", FAIL, "runs does not exist"),
        ({"machines": {"runs": "DELETING"}}, "state-machine", FAIL, "is DELETING"),
        ({"functions": {"f": "Failed"}}, "function", FAIL, "f is Failed"),
        ({"functions": {"f": REFUSED}}, "function", WARN, "allow some:Action"),
        ({"table": None}, "table", FAIL, "does not exist"),
        ({"table": REFUSED}, "table", WARN, "allow some:Action"),
        ({"bucket": None}, "bucket", FAIL, "does not exist"),
        ({"schedule": None}, "schedule", FAIL, "does not exist"),
        ({"schedule": "DISABLED"}, "schedule", FAIL, "is DISABLED"),
        ({"reconcile": None}, "reconcile", OK, "No reconcile"),
        (
            {"reconcile": Reconcile("RUNNING", NOW)},
            "reconcile",
            OK,
            "began at 2027-01-15T08:00:00Z",
        ),
        (
            {"reconcile": Reconcile("SUCCEEDED", NOW, NOW, 6)},
            "reconcile",
            OK,
            "left 6 gaps, which rollcall status --gaps lists",
        ),
        ({"reconcile": Reconcile("SUCCEEDED", NOW, NOW, 0)}, "reconcile", OK, "left 0 gaps"),
        (
            {"reconcile": None},
            "reconcile",
            OK,
            "No reconcile has begun yet; to start one: aws stepfunctions start-execution",
        ),
        ({"reconcile": Reconcile("FAILED", NOW, NOW)}, "reconcile", WARN, "FAILED at 2027"),
        ({"undelivered": 2}, "undelivered-events", FAIL, "has 2 of them"),
        ({"undelivered": None}, "undelivered-events", FAIL, "does not exist"),
        ({"undelivered": REFUSED}, "undelivered-events", WARN, "allow some:Action"),
        ({"alarms": ["Rollcall-A"]}, "alarms", WARN, "In ALARM: Rollcall-A"),
        ({"alarms": REFUSED}, "alarms", WARN, "allow some:Action"),
    ],
    ids=lambda one: "-".join(one) if isinstance(one, dict) else None,
)
def test_what_is_not_there_or_does_not_work_is_found(
    change: dict[str, Any], check: str, level: Level, said: str
) -> None:
    [finding] = found(replace(FACTS, **change), check)

    assert finding.level is level
    assert said in finding.reason
    # What is wrong has a command that mends it; what could not be read, or will pass, has none.
    assert bool(finding.command) is (
        level is not OK and "allow" not in finding.reason and "again" not in finding.reason
    )


@pytest.mark.parametrize(
    ("table", "check", "level", "command"),
    [
        (
            TableFacts("ACTIVE", recovery=False, expires=True),
            "table-recovery",
            WARN,
            "aws dynamodb update-continuous-backups --table-name table --region eu-west-1"
            " --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
        ),
        (
            TableFacts("ACTIVE", recovery=True, expires=False),
            "table-expiry",
            WARN,
            "aws dynamodb update-time-to-live --table-name table --region eu-west-1"
            " --time-to-live-specification Enabled=true,AttributeName=expires_at",
        ),
        (TableFacts("ACTIVE", recovery=REFUSED, expires=True), "table-recovery", WARN, ""),
    ],
    ids=["recovery", "expiry", "refused"],
)
def test_the_table_can_be_recovered_and_forgets(
    table: TableFacts, check: str, level: Level, command: str
) -> None:
    [finding] = found(replace(FACTS, table=table), check)
    assert (finding.level, finding.command) == (level, command)


@pytest.mark.parametrize(
    ("subscriptions", "levels", "said"),
    [
        ([], [WARN], "has no subscribers"),
        ([Subscription("email", confirmed=False)], [WARN], "to confirm: 1 email"),
        (
            [Subscription("email", confirmed=False), Subscription("sqs", confirmed=True)],
            [WARN, OK],
            "to confirm: 1 email",
        ),
        (REFUSED, [WARN], "allow some:Action"),
    ],
    ids=["none", "pending", "both", "refused"],
)
def test_a_topic_needs_a_confirmed_subscriber(
    subscriptions: Any, levels: list[Level], said: str
) -> None:
    topic = replace(TOPIC, subscriptions=subscriptions)
    findings = found(replace(FACTS, topics=[topic]), "alarms-topic")

    assert [one.level for one in findings] == levels
    assert said in findings[0].reason


def test_a_schedule_that_is_off_is_a_warning() -> None:
    off = a_configuration(reconcile=Schedule(schedule="off"))
    findings = judge_deployment(replace(FACTS, schedule=None), off)
    assert [one.level for one in findings if one.check == "schedule"] == [WARN]


def test_the_keys_in_which_cdk_json_differs_are_named() -> None:
    path = Path("cdk.json")
    same = judge_configuration(CONFIGURATION, DeploymentConfig(CONFIGURATION), path)
    changed = a_configuration(regions=("eu-west-1",), timing=Timing(first_wait=16))
    other = judge_configuration(CONFIGURATION, DeploymentConfig(changed), path)

    assert same.level is OK
    assert other.level is WARN
    assert other.reason == "cdk.json differs from what is deployed in regions, timing"
    assert other.command == "node_modules/.bin/cdk deploy Rollcall"
