"""The stacks that forward events, and what Rollcall's bus admits from them."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Configuration
from functions.services import registry
from infra.names import Names
from infra.organization import Admit, OrganizationConfig, organizations_region
from tests.infra.alarms import DAY, check_alarms, check_undelivered_events
from tests.infra.conftest import ORGANIZED, synthesise
from tests.infra.support import arrival_rules, granted, name_of, resources, text, the
from tests.support.event_samples import OPTED_IN_TO

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.infra.conftest import Templates

BUS = "arn:aws:events:eu-west-1:111122223333:event-bus/rollcall"
MANAGEMENT, ADMINISTRATOR = AccountId("999988887777"), AccountId("111122223333")
FORWARDERS = {
    "RollcallOrganizationEvents": (MANAGEMENT, "us-east-1"),
    "RollcallControlTowerEvents": (MANAGEMENT, "eu-central-1"),
    "RollcallRegionEvents": (ADMINISTRATOR, "us-east-1"),
}


@pytest.fixture(params=FORWARDERS)
def forwarder(request: pytest.FixtureRequest, templates: Templates) -> dict[str, Any]:
    """The template of each stack that forwards events."""
    return templates[request.param]


@pytest.fixture
def account(request: pytest.FixtureRequest) -> AccountId:
    """The account of that stack."""
    name: str = request.node.callspec.params["forwarder"]
    return FORWARDERS[name][0]


def test_every_stack_goes_where_the_configuration_says_and_nowhere_else(organized: Path) -> None:
    artifacts = json.loads((organized / "manifest.json").read_text())["artifacts"]
    places = {
        name: artifact["environment"]
        for name, artifact in artifacts.items()
        if artifact["type"] == "aws:cloudformation:stack"
    }

    assert places == {
        "Rollcall": f"aws://{ADMINISTRATOR}/eu-west-1",
        "RollcallMemberRole": "aws://unknown-account/unknown-region",
        **{name: f"aws://{account}/{region}" for name, (account, region) in FORWARDERS.items()},
    }


def test_no_stack_refers_to_another(organized: Path, templates: Templates) -> None:
    artifacts = json.loads((organized / "manifest.json").read_text())["artifacts"]

    assert "Fn::ImportValue" not in json.dumps(templates)
    for name in FORWARDERS:
        assert artifacts[name].get("dependencies", []) == [f"{name}.assets"]


def test_a_rule_is_made_once_its_role_may_put_events(forwarder: Mapping[str, Any]) -> None:
    policies = set(resources(forwarder, "AWS::IAM::Policy"))
    rules = [r for r in forwarder["Resources"].values() if r["Type"] == "AWS::Events::Rule"]

    assert policies
    assert all(policies <= set(rule["DependsOn"]) for rule in rules)


def test_every_rule_hands_the_event_to_rollcalls_bus_as_it_is(forwarder: Mapping[str, Any]) -> None:
    (role,) = resources(forwarder, "AWS::IAM::Role")

    for rule in resources(forwarder, "AWS::Events::Rule").values():
        assert "EventBusName" not in rule
        (target,) = rule["Targets"]
        assert (text(target["Arn"]), text(target["RoleArn"])) == (BUS, role)
        assert target["RetryPolicy"] == {
            "MaximumEventAgeInSeconds": DAY,
            "MaximumRetryAttempts": 185,
        }
        assert "Input" not in target
        assert "InputTransformer" not in target


def test_the_role_puts_events_there_for_rules_of_its_account_and_nothing_else(
    forwarder: Mapping[str, Any], account: AccountId
) -> None:
    (role,) = resources(forwarder, "AWS::IAM::Role")
    properties = the(forwarder, "AWS::IAM::Role")

    assert granted(forwarder, role) == {BUS: {"events:PutEvents"}}
    assert properties["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
    ]
    assert "ManagedPolicyArns" not in properties
    assert "Policies" not in properties


def test_what_cannot_be_forwarded_is_kept_and_told(
    forwarder: Mapping[str, Any], account: AccountId
) -> None:
    check_undelivered_events(forwarder)
    check_alarms(forwarder)
    (alarm,) = resources(forwarder, "AWS::CloudWatch::Alarm").values()
    (queue,) = resources(forwarder, "AWS::SQS::Queue")

    assert f"--queue-url {queue}" in text(alarm["AlarmDescription"])
    assert ADMINISTRATOR in text(alarm["AlarmDescription"])
    assert ("--queue-profile" in text(alarm["AlarmDescription"])) == (account == MANAGEMENT)
    assert text(forwarder["Outputs"]["UndeliveredEventsUrl"]["Value"]) == queue


def test_it_is_tagged_as_the_rest(forwarder: Mapping[str, Any]) -> None:
    assert {"Key": "team", "Value": "security"} in the(forwarder, "AWS::SQS::Queue")["Tags"]


def admissions(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The statements of the bus policy, by their ids."""
    policies = resources(template, "AWS::Events::EventBusPolicy").values()
    return {one["StatementId"]: one["Statement"] for one in policies}


def arns_of(admit: Admit, templates: Templates) -> dict[str, list[str]]:
    """What a condition has to name of the deployed stacks in the management account."""
    stacks = {
        name: region for name, (account, region) in FORWARDERS.items() if account == MANAGEMENT
    }
    if admit is Admit.ACCOUNT:
        return {}
    if admit is Admit.ROLE:
        names = [the(templates[name], "AWS::IAM::Role")["RoleName"] for name in stacks]
        return {
            "aws:PrincipalArn": [f"arn:aws:iam::{MANAGEMENT}:role/{name}" for name in sorted(names)]
        }
    rules = [
        f"arn:aws:events:{region}:{MANAGEMENT}:rule/{rule['Name']}"
        for name, region in stacks.items()
        for rule in resources(templates[name], "AWS::Events::Rule").values()
    ]
    return {"aws:SourceArn": sorted(rules)}


@pytest.mark.parametrize("admit", Admit)
def test_the_bus_admits_its_own_account_and_what_is_configured_of_the_management_account(
    templates: Templates, tmp_path: Path, admit: Admit
) -> None:
    assert ORGANIZED.organization is not None
    organization = replace(ORGANIZED.organization, admit=admit)

    made = synthesise(replace(ORGANIZED, organization=organization), tmp_path)

    (bus,) = resources(made["Rollcall"], "AWS::Events::EventBus")
    admitted = admissions(made["Rollcall"])
    assert len(json.dumps(admitted)) < 10 * 1024
    condition = admitted["RollcallOrganizationEvents"].pop("Condition", {"ArnEquals": {}})
    found = {key: sorted(arns) for key, arns in condition.pop("ArnEquals").items()}
    assert (found, condition) == (arns_of(admit, templates), {})
    assert admitted == {
        statement_id: {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
            "Action": "events:PutEvents",
            "Resource": {"Fn::GetAtt": [bus, "Arn"]},
        }
        for statement_id, account in (
            ("RollcallOrganizationEvents", MANAGEMENT),
            ("RollcallOwnEvents", ADMINISTRATOR),
        )
    }
    # Made at the same time, one might be refused.
    assert made["Rollcall"]["Resources"]["OwnAdmission"]["DependsOn"] == ["Admission"]
    # Another admission is another policy; the forwarders stay as they are.
    assert all(made[name] == templates[name] for name in FORWARDERS)


def test_the_names_of_rules_are_fixed_and_as_eventbridge_takes_them(
    forwarder: Mapping[str, Any],
) -> None:
    for rule in arrival_rules(forwarder).values():
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", rule["Name"])
        assert rule["Name"].endswith("-" + re.sub("[^A-Za-z]", "", name_of(rule)))


def test_a_bus_of_the_management_account_itself_admits_its_own_account(tmp_path: Path) -> None:
    organization = OrganizationConfig(MANAGEMENT, MANAGEMENT, "eu-west-1", admit=Admit.RULE)

    made = synthesise(replace(ORGANIZED, organization=organization), tmp_path)

    (statement,) = admissions(made["Rollcall"]).values()
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"}
    assert "Condition" not in statement
    (role,) = resources(made["RollcallOrganizationEvents"], "AWS::IAM::Role")
    bus = f"arn:aws:events:eu-west-1:{MANAGEMENT}:event-bus/rollcall"
    assert granted(made["RollcallOrganizationEvents"], role) == {bus: {"events:PutEvents"}}
    assert "RollcallRegionEvents" not in made


def test_at_home_where_opt_ins_are_published_a_rule_starts_the_machine(tmp_path: Path) -> None:
    organization = OrganizationConfig(MANAGEMENT, ADMINISTRATOR, "us-east-1")

    made = synthesise(replace(ORGANIZED, organization=organization), tmp_path)

    assert set(made) == {"Rollcall", "RollcallMemberRole", "RollcallOrganizationEvents"}
    opt_ins = [
        rule
        for rule in arrival_rules(made["Rollcall"]).values()
        if name_of(rule) == "Region Opt-In Status Change"
    ]
    (bus,) = resources(made["Rollcall"], "AWS::Events::EventBus")
    assert [text(rule.get("EventBusName", "default")) for rule in opt_ins] == [bus, "default"]
    assert opt_ins[0]["EventPattern"] == opt_ins[1]["EventPattern"]
    assert opt_ins[0]["Targets"] == opt_ins[1]["Targets"]
    assert set(admissions(made["Rollcall"])) == {"RollcallOrganizationEvents"}
    check_undelivered_events(made["Rollcall"])


def test_a_management_account_on_its_default_bus_has_one_stack(tmp_path: Path) -> None:
    organization = OrganizationConfig(MANAGEMENT, MANAGEMENT, "us-east-1")

    made = synthesise(replace(ORGANIZED, bus="default", organization=organization), tmp_path)

    assert set(made) == {"Rollcall", "RollcallMemberRole"}


def test_control_tower_elsewhere_is_forwarded_to_the_default_bus(tmp_path: Path) -> None:
    organization = OrganizationConfig(MANAGEMENT, MANAGEMENT, "us-east-1", "eu-central-1")

    made = synthesise(replace(ORGANIZED, bus="default", organization=organization), tmp_path)

    assert set(made) == {"Rollcall", "RollcallMemberRole", "RollcallControlTowerEvents"}
    rules = resources(made["RollcallControlTowerEvents"], "AWS::Events::Rule").values()
    assert {target["Arn"] for rule in rules for target in rule["Targets"]} == {
        f"arn:aws:events:us-east-1:{MANAGEMENT}:event-bus/default"
    }


def test_control_tower_on_the_default_bus_is_admitted_from_its_own_account(tmp_path: Path) -> None:
    organization = OrganizationConfig(MANAGEMENT, MANAGEMENT, "us-east-1", "eu-central-1")

    made = synthesise(replace(ORGANIZED, bus="default", organization=organization), tmp_path)

    policy = the(made["Rollcall"], "AWS::Events::EventBusPolicy")
    assert (policy["EventBusName"], policy["StatementId"]) == ("default", "RollcallOwnEvents")


ORIGIN, ELSEWHERE = "us-east-1", "eu-west-1"
OPT_INS = ("eu-west-1", OPTED_IN_TO)


@pytest.mark.parametrize(
    ("bus", "administrator", "home", "control_tower", "regions", "expected"),
    [
        ("own", ADMINISTRATOR, ELSEWHERE, None, ("eu-west-1",), {"Organization": ORIGIN}),
        ("own", ADMINISTRATOR, ELSEWHERE, ORIGIN, ("eu-west-1",), {"Organization": ORIGIN}),
        (
            "own",
            ADMINISTRATOR,
            ELSEWHERE,
            None,
            OPT_INS,
            {"Organization": ORIGIN, "Region": ORIGIN},
        ),
        ("own", ADMINISTRATOR, ORIGIN, None, OPT_INS, {"Organization": ORIGIN}),
        ("own", MANAGEMENT, ELSEWHERE, None, OPT_INS, {"Organization": ORIGIN}),
        ("default", MANAGEMENT, ORIGIN, ORIGIN, OPT_INS, {}),
        ("default", MANAGEMENT, ORIGIN, ELSEWHERE, OPT_INS, {"ControlTower": ELSEWHERE}),
        (
            "own",
            ADMINISTRATOR,
            "us-gov-east-1",
            None,
            ("us-gov-east-1",),
            {"Organization": "us-gov-west-1"},
        ),
    ],
)
def test_there_is_a_forwarder_where_events_are_published_elsewhere(
    bus: str,
    administrator: AccountId,
    home: str,
    control_tower: str | None,
    regions: tuple[str, ...],
    expected: dict[str, str],
) -> None:
    organization = OrganizationConfig(MANAGEMENT, administrator, home, control_tower)
    configuration = Configuration(regions, registry.SERVICES)

    forwarders = organization.forwarders(bus, Names(), configuration)

    found = {one.name: one.region for one in forwarders}
    assert found == {f"Rollcall{name}Events": region for name, region in expected.items()}
    arrivals = Counter(
        (one.account, one.region, event) for one in forwarders for event in one.patterns
    )
    assert set(arrivals.values()) <= {1}
    at_home = organization.patterns_at_home(configuration)
    assert bool(at_home) == (
        administrator == ADMINISTRATOR and (home, regions) == (ORIGIN, OPT_INS)
    )


@pytest.mark.parametrize(
    ("region", "origin"),
    [
        ("eu-west-1", "us-east-1"),
        ("us-gov-east-1", "us-gov-west-1"),
        ("cn-north-1", "cn-northwest-1"),
    ],
)
def test_organizations_tells_its_events_in_one_region_of_a_partition(
    region: str, origin: str
) -> None:
    assert organizations_region(region) == origin
