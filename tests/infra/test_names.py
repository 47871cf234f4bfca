"""Deployments of different names share no fixed name, so that they fit into one account."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest

from infra.app import build
from infra.asset import staged_asset
from infra.names import MOST_OF_A_NAME, Names
from tests.conftest import ACCEPTING, cdk_json
from tests.infra.conftest import ORGANIZED, synthesise
from tests.infra.support import resources, steps, text, the

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from infra.config import DeploymentConfig
    from tests.infra.conftest import Templates

# The properties that name a resource: CloudFormation's, of the types that the stacks have.
NAMING = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::Archive": "ArchiveName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::EventBusPolicy": "StatementId",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::SQS::Queue": "QueueName",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
# Resources that have no name of their own, or one that is unique to what they belong to.
NAMELESS = {
    "AWS::DynamoDB::GlobalTable",
    "AWS::IAM::Policy",
    "AWS::KMS::Key",
    "AWS::Lambda::Alias",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
}


def named(name: str, member_role: str) -> DeploymentConfig:
    invitation = replace(ACCEPTING.invitation, member_role=member_role)
    configuration = replace(ORGANIZED.configuration, invitation=invitation)
    return replace(ORGANIZED, configuration=configuration, names=Names(name))


def fixed_names(templates: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Every name that the templates fix, in lower case: IAM does not distinguish it."""
    for stack, template in templates.items():
        yield stack.lower()
        for resource in template["Resources"].values():
            kind = resource["Type"]
            assert kind in NAMING or kind in NAMELESS, f"has {kind} a name?"
            name = resource.get("Properties", {}).get(NAMING.get(kind))
            if name is not None:
                assert isinstance(name, str), f"the name of a {kind} is not written out"
                yield name.lower()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """The templates of two deployments in one app; people name the member roles themselves."""
    folder = tmp_path_factory.mktemp("both.cdk.out")
    app = cdk.App(outdir=str(folder), context=cdk_json())
    build(app, named("Rollcall", "RollcallMember"), staged_asset())
    build(app, named("Trial", "TrialMember"), staged_asset())
    app.synth()
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in folder.glob("*.template.json")
    }


def test_two_deployments_have_no_fixed_name_in_common(both: Templates) -> None:
    real = {stack: it for stack, it in both.items() if stack.startswith("Rollcall")}
    trial = {stack: it for stack, it in both.items() if stack.startswith("Trial")}

    assert len(real) == len(trial) == len(both) / 2
    assert len(set(fixed_names(real))) == len(set(fixed_names(trial))) > len(real)
    assert not set(fixed_names(real)) & set(fixed_names(trial))


def test_nothing_of_one_deployment_names_the_other(both: Templates) -> None:
    for stack, template in both.items():
        if stack.startswith("Trial"):
            written = json.dumps(template["Resources"])
            for name in ("event-bus/rollcall", "role/Rollcall", "stack Rollcall"):
                assert name not in written, stack


def test_metrics_and_the_command_in_alarms_are_those_of_the_deployment(both: Templates) -> None:
    for function in steps(both["Trial"]).values():
        assert function["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"] == "Trial"
    for stack in ("Trial", "TrialOrganizationEvents", "TrialControlTowerEvents"):
        alarms = resources(both[stack], "AWS::CloudWatch::Alarm")
        assert ".venv/bin/rollcall redrive --name Trial" in json.dumps(alarms)
    for alarm in resources(both["Trial"], "AWS::CloudWatch::Alarm").values():
        said = text(alarm["AlarmDescription"])
        assert said.count("rollcall ") == said.count("--name Trial")
        assert alarm["Namespace"] in ("Trial", "AWS/SQS", "AWS/States")


def test_the_longest_name_leaves_room_in_the_name_of_every_role_and_rule(tmp_path: Path) -> None:
    templates = synthesise(named("R" * MOST_OF_A_NAME, "Member"), tmp_path)
    found = {
        kind: [
            len(resource[NAMING[kind]])
            for template in templates.values()
            for resource in resources(template, kind).values()
            if NAMING[kind] in resource
        ]
        for kind in ("AWS::IAM::Role", "AWS::Events::Rule")
    }

    assert max(found["AWS::IAM::Role"]) <= 64
    assert max(found["AWS::Events::Rule"]) == 64
    name = the(templates["R" * MOST_OF_A_NAME], "AWS::Events::EventBus")["Name"]
    assert name == "r" * MOST_OF_A_NAME
