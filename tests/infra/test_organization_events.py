"""The stacks in the management account, and the door that Rollcall's bus has for them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import AccountId
from infra.names import Names
from infra.organization import OrganizationConfig, organizations_region
from tests.infra.alarms import DAY, check_alarms, check_undelivered_events
from tests.infra.conftest import ORGANIZED, synthesise
from tests.infra.support import granted, resources, text, the

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.infra.conftest import Templates

BUS = "arn:aws:events:eu-west-1:111122223333:event-bus/rollcall"
MANAGEMENT, ADMINISTRATOR = AccountId("999988887777"), AccountId("111122223333")
FORWARDERS = {
    "RollcallOrganizationEvents": "us-east-1",
    "RollcallControlTowerEvents": "eu-central-1",
}


@pytest.fixture(params=FORWARDERS)
def forwarder(request: pytest.FixtureRequest, templates: Templates) -> dict[str, Any]:
    """The template of each stack in the management account."""
    return templates[request.param]


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
        **{name: f"aws://{MANAGEMENT}/{region}" for name, region in FORWARDERS.items()},
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
    forwarder: Mapping[str, Any],
) -> None:
    (role,) = resources(forwarder, "AWS::IAM::Role")
    properties = the(forwarder, "AWS::IAM::Role")

    assert granted(forwarder, role) == {BUS: {"events:PutEvents"}}
    assert properties["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": MANAGEMENT}},
        }
    ]
    assert "ManagedPolicyArns" not in properties
    assert "Policies" not in properties


def test_what_cannot_be_forwarded_is_kept_and_told(forwarder: Mapping[str, Any]) -> None:
    check_undelivered_events(forwarder)
    check_alarms(forwarder)
    (alarm,) = resources(forwarder, "AWS::CloudWatch::Alarm").values()
    (queue,) = resources(forwarder, "AWS::SQS::Queue")

    assert f"--queue-url {queue}" in text(alarm["AlarmDescription"])
    assert ADMINISTRATOR in text(alarm["AlarmDescription"])
    assert text(forwarder["Outputs"]["UndeliveredEventsUrl"]["Value"]) == queue


def test_it_is_tagged_as_the_rest(forwarder: Mapping[str, Any]) -> None:
    assert {"Key": "team", "Value": "security"} in the(forwarder, "AWS::SQS::Queue")["Tags"]


def test_the_bus_admits_the_roles_of_these_stacks_and_nobody_else(templates: Templates) -> None:
    policy = the(templates["Rollcall"], "AWS::Events::EventBusPolicy")
    (bus,) = resources(templates["Rollcall"], "AWS::Events::EventBus")
    names = [the(templates[name], "AWS::IAM::Role")["RoleName"] for name in FORWARDERS]

    assert text(policy["EventBusName"]) == bus
    assert policy["Statement"] == {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"},
        "Action": "events:PutEvents",
        "Resource": {"Fn::GetAtt": [bus, "Arn"]},
        "Condition": {
            "ArnEquals": {
                "aws:PrincipalArn": [f"arn:aws:iam::{MANAGEMENT}:role/{name}" for name in names]
            }
        },
    }


def test_a_bus_of_the_management_account_itself_needs_no_policy(tmp_path: Path) -> None:
    organization = OrganizationConfig(MANAGEMENT, MANAGEMENT, "eu-west-1")

    made = synthesise(replace(ORGANIZED, organization=organization), tmp_path)

    assert not resources(made["Rollcall"], "AWS::Events::EventBusPolicy")
    (role,) = resources(made["RollcallOrganizationEvents"], "AWS::IAM::Role")
    bus = f"arn:aws:events:eu-west-1:{MANAGEMENT}:event-bus/rollcall"
    assert granted(made["RollcallOrganizationEvents"], role) == {bus: {"events:PutEvents"}}


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


def names(organization: OrganizationConfig, bus: str) -> dict[str, str]:
    return {forwarder.name: forwarder.region for forwarder in organization.forwarders(bus, Names())}


def test_without_control_tower_there_is_one() -> None:
    organization = OrganizationConfig(MANAGEMENT, ADMINISTRATOR, "eu-west-1")

    assert names(organization, "own") == {"RollcallOrganizationEvents": "us-east-1"}
    assert not organization.publishes("aws.controltower", "us-east-1")


def test_control_tower_at_home_in_us_east_1_needs_no_other() -> None:
    organization = OrganizationConfig(MANAGEMENT, ADMINISTRATOR, "eu-west-1", "us-east-1")

    assert names(organization, "own") == {"RollcallOrganizationEvents": "us-east-1"}
    assert organization.publishes("aws.controltower", "us-east-1")
    assert organization.publishes("aws.organizations", "us-east-1")


def test_on_the_default_bus_only_control_tower_elsewhere_is_forwarded() -> None:
    at_home = OrganizationConfig(MANAGEMENT, MANAGEMENT, "us-east-1", "us-east-1")
    elsewhere = OrganizationConfig(MANAGEMENT, MANAGEMENT, "us-east-1", "eu-central-1")

    assert names(at_home, "default") == {}
    assert names(elsewhere, "default") == {"RollcallControlTowerEvents": "eu-central-1"}


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
