"""Every step is a version behind an alias; what changes a step publishes a new version of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest

from infra.app import build
from infra.asset import staged_asset
from tests.conftest import ACCEPTING, cdk_json
from tests.infra.conftest import ORGANIZED, synthesise
from tests.infra.support import invoked, resources, steps, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from infra.config import DeploymentConfig


def versions(template: Mapping[str, Any]) -> dict[str, str]:
    """The logical id of each step's version, by module: a new id makes a new version."""
    found = {}
    for name, alias in resources(template, "AWS::Lambda::Alias").items():
        version = text(alias["FunctionVersion"])
        published = template["Resources"][version]["Properties"]["FunctionName"]
        assert text(published) == text(alias["FunctionName"])
        found[invoked(template, name)] = version
    return found


def test_each_step_has_one_alias_with_a_version_that_is_retained(
    template: Mapping[str, Any],
) -> None:
    published = [r for r in template["Resources"].values() if r["Type"] == "AWS::Lambda::Version"]

    assert set(versions(template)) == set(steps(template))
    assert len(set(versions(template).values())) == len(published) == len(steps(template))
    for version in published:
        assert version["UpdateReplacePolicy"] == "Retain"
        # A retry after a failed deployment could not publish the same version again.
        assert version["DeletionPolicy"] == "RetainExceptOnCreate"


def test_nothing_invokes_a_function_but_by_its_alias_except_executions_from_before_aliases(
    template: Mapping[str, Any],
) -> None:
    functions = set(resources(template, "AWS::Lambda::Function"))
    referring = {
        resource["Type"]
        for resource in template["Resources"].values()
        if functions & refs(resource)
    }

    # The policy is the machine's: see test_permissions.
    assert referring == {"AWS::Lambda::Version", "AWS::Lambda::Alias", "AWS::IAM::Policy"}


# An execution in flight names the functions or aliases, whose names CloudFormation makes from these
# ids; a table or bucket with another id would be a new one, without what the old one has.
STAY = {
    "AWS::DynamoDB::Table": {"RollcallTable602258A0"},
    "AWS::S3::Bucket": {"RunResultsBucketCBFAE887"},
    "AWS::StepFunctions::StateMachine": {"OnboardingMachine898A9696", "ReconcileMachineF81ADFB9"},
    "AWS::Lambda::Function": {
        "AcceptInvitationsFunction0391963E",
        "AwaitRunsFunctionB71F8688",
        "CloseRunFunction9788D1AD",
        "CreateMembersFunctionB1CA66C9",
        "FailTargetFunctionE7C682F3",
        "GetMembersFunction6C0F3BF3",
        "InviteMembersFunctionFCB3FDB2",
        "PlanOnboardingFunction14F57C40",
        "PublishInterimFunctionF1403D46",
        "PublishReconcileFunction631E32C0",
        "PublishResultsFunction1B18D65D",
        "RestartMembersFunctionA5D1E784",
        "StartRunsFunctionF0CC5172",
        "SurveyOrganizationFunctionFF1D1479",
    },
}


@pytest.mark.parametrize("kind", STAY)
def test_an_upgrade_replaces_nothing_that_runs_in_progress_name(
    template: Mapping[str, Any], kind: str
) -> None:
    assert set(resources(template, kind)) == STAY[kind]


def refs(value: Any) -> set[str]:
    """The logical ids that a part of a template refers to."""
    match value:
        case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
            return {str(name)}
        case dict():
            return set().union(*map(refs, value.values()))
        case list():
            return set().union(*map(refs, value))
        case _:
            return set()


def other_timing(config: DeploymentConfig) -> DeploymentConfig:
    timing = replace(ACCEPTING.timing, first_wait=20)
    return replace(config, configuration=replace(config.configuration, timing=timing))


@pytest.mark.parametrize(
    ("change", "published"),
    [
        (lambda config: config, False),
        (lambda config: replace(config, tags={"team": "other"}), False),
        (other_timing, True),
    ],
    ids=["nothing", "tags", "environment"],
)
def test_what_a_step_reads_is_of_its_version(
    change: Any, published: bool, templates: Mapping[str, Any], tmp_path: Path
) -> None:
    before = versions(templates["Rollcall"])

    after = versions(synthesise(change(ORGANIZED), tmp_path)["Rollcall"])

    assert after.keys() == before.keys()
    for module, version in after.items():
        assert (version != before[module]) is published, module


def test_other_code_is_another_version(templates: Mapping[str, Any], tmp_path: Path) -> None:
    asset = tmp_path / "asset"
    shutil.copytree(staged_asset(), asset)
    (asset / "functions" / "later.py").write_text("")
    app = cdk.App(outdir=str(tmp_path / "cdk.out"), context=cdk_json())
    build(app, ORGANIZED, asset)

    after = versions(app.synth().get_stack_by_name("Rollcall").template)

    assert not set(after.values()) & set(versions(templates["Rollcall"]).values())
