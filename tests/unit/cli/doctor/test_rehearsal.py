"""What the deployed rules and the intake make of CloudTrail's records."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.enrolment.rate import Rate
from infra.cli.doctor.event_path import DeployedRule
from infra.cli.doctor.finding import Level, Unread
from infra.cli.doctor.rehearsal import (
    RATES,
    Fate,
    History,
    Standing,
    as_delivered,
    judge_accounts,
    judge_events,
    judge_unrecorded,
    lookups,
    rehearse,
)
from infra.organization import OrganizationConfig, wanted_patterns
from tests.support.builders import ACCOUNT, ADMINISTRATOR, MANAGEMENT, OTHER, a_configuration
from tests.support.event_samples import BROUGHT_BY
from tests.support.events import from_management
from tests.unit.cli.doctor.answers import is_match

OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL
REFUSED = Unread("cloudtrail:LookupEvents", "denied")
CONFIGURATION = a_configuration(regions=("eu-west-1", "ap-east-1"))
WANTED = wanted_patterns(CONFIGURATION)
RULES = [
    DeployedRule(name, "rollcall", True, json.dumps(pattern)) for name, pattern in WANTED.items()
]
CREATED, JOINED = "CreateAccountResult", "AccountJoinedOrganization"
ORGANIZATION = OrganizationConfig(MANAGEMENT, ADMINISTRATOR, "eu-west-1")


def record(sample: str) -> dict[str, Any]:
    detail: dict[str, Any] = from_management(sample)["detail"]
    return detail


def history(name: str, *records: dict[str, Any]) -> History:
    return History(name, "us-east-1", list(records))


def fates(found: History) -> list[tuple[Fate, str]]:
    rehearsed = rehearse(found, RULES, is_match, CONFIGURATION, MANAGEMENT)
    assert not isinstance(rehearsed, Unread)
    return [(one.fate, one.account or one.reason) for one in rehearsed]


@pytest.mark.parametrize(
    "name", sorted(name for name in BROUGHT_BY if not name.startswith("account_region"))
)
def test_a_record_is_delivered_as_eventbridge_does(name: str) -> None:
    event = from_management(name)
    delivered = as_delivered(event["detail"])

    # EventBridge gives an id of its own.
    assert {**delivered, "id": event["id"]} == event


def no_account() -> dict[str, Any]:
    found = record("account_joined_organization_created.INFERRED")
    del found["serviceEventDetails"]["accountId"]
    return found


def test_each_event_starts_a_run_or_says_why_not() -> None:
    created = history(
        CREATED, record("create_account_result_succeeded"), record("create_account_result_failed")
    )
    joined = history(JOINED, no_account())

    assert fates(created) == [
        (Fate.STARTED, ACCOUNT),
        (
            Fate.IGNORED,
            "no rule matches it: detail.serviceEventDetails.createAccountStatus.state: takes"
            " SUCCEEDED",
        ),
    ]
    assert fates(joined) == [
        (
            Fate.REFUSED,
            "detail.serviceEventDetails.accountId: is required: the account that joined",
        )
    ]


def test_a_rule_that_is_not_as_this_version_makes_it_is_noticed() -> None:
    found = history(CREATED, record("create_account_result_succeeded"))
    other = [replace(one, pattern='{"source": ["aws.other"]}') for one in RULES]

    rehearsed = rehearse(found, other, is_match, CONFIGURATION, MANAGEMENT)
    assert not isinstance(rehearsed, Unread)
    [one] = rehearsed

    assert one.fate is Fate.IGNORED
    assert one.reason == "no deployed rule matches it, though this version's pattern does"


def own_joining() -> dict[str, Any]:
    found = record("account_joined_organization_created.INFERRED")
    found["serviceEventDetails"]["accountId"] = MANAGEMENT
    return found


@pytest.mark.parametrize(
    ("name", "records", "level", "said"),
    [
        (CREATED, [], OK, "nothing is proven"),
        (CREATED, [record("create_account_result_succeeded")], OK, "1 in 30 days, 1 understood"),
        (CREATED, [record("create_account_result_failed")], WARN, "state: takes SUCCEEDED"),
        (JOINED, [no_account()], FAIL, "1 refused: detail.serviceEventDetails.accountId"),
        (JOINED, [own_joining()], OK, "1 refused"),
    ],
    ids=["none", "understood", "ignored", "refused", "the management account itself"],
)
def test_what_the_events_of_a_name_prove(
    name: str, records: list[dict[str, Any]], level: Level, said: str
) -> None:
    found = history(name, *records)
    rehearsed = rehearse(found, RULES, is_match, CONFIGURATION, MANAGEMENT)

    finding = judge_events(found, rehearsed, 30, MANAGEMENT)

    assert finding.level is level
    assert said in finding.reason


@pytest.mark.parametrize("unread", ["records", "patterns"])
def test_what_may_not_be_read_names_the_permission(unread: str) -> None:
    found = History(CREATED, "us-east-1", REFUSED if unread == "records" else [{}])
    finding = judge_events(found, REFUSED, 30, MANAGEMENT)

    assert finding.level is WARN
    assert finding.reason.endswith("to do: allow cloudtrail:LookupEvents")


@pytest.mark.parametrize(
    ("standings", "levels"),
    [
        ([], []),
        ([Standing(ACCOUNT), Standing(OTHER, ["GuardDuty eu-west-1"], known=True)], [OK]),
        ([Standing(ACCOUNT), Standing(OTHER, ["GuardDuty eu-west-1"])], [FAIL]),
        (REFUSED, [WARN]),
    ],
    ids=["none", "known", "missed", "refused"],
)
def test_an_account_with_gaps_that_no_run_knows_was_missed(
    standings: Any, levels: list[Level]
) -> None:
    found = list(judge_accounts(standings, "arn:machine", "eu-west-1"))

    assert [one.level for one in found] == levels
    if levels == [FAIL]:
        assert found[0].reason.startswith(f"{OTHER} came and no run has enrolled it")
        assert f'--input \'{{"accounts": [{{"id": "{OTHER}"}}]}}\'' in found[0].command


def test_each_event_is_looked_up_where_it_is_recorded() -> None:
    tower = replace(ORGANIZATION, control_tower_region="eu-west-1")
    regions = ["us-east-1", "eu-west-1"]

    without, having = (lookups(WANTED, one, regions) for one in (ORGANIZATION, tower))

    assert without == [(name, "us-east-1") for name in (CREATED, "AcceptHandshake", JOINED)]
    assert set(having) - set(without) == {
        (name, "eu-west-1")
        for name in ("CreateManagedAccount", "UpdateManagedAccount", "EnableBaseline")
    }
    levels = [one.level for one in judge_unrecorded(WANTED, without)]
    assert levels == [WARN, WARN, WARN, OK]


def test_lookups_are_paced() -> None:
    """CloudTrail takes two a second."""
    assert {"cloudtrail:LookupEvents": Rate(2, 1)} == RATES
