"""The app, synthesised once for all tests that look at it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.configuration import Configuration, Invitation
from functions.services import registry
from tests.support import cycles
from tests.support.made_once import read_models_once

if TYPE_CHECKING:
    from collections.abc import Iterator

# aws_cdk starts Node when it is imported, which may be before any fixture. A call of something that
# the CDK has deprecated fails; in use it would print a warning at each synthesis.
os.environ |= {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20", "JSII_DEPRECATED": "fail"}

cycles.search_seldom()

ROOT = Path(__file__).parents[1]
ACCEPTING = Configuration(
    regions=("eu-west-1", "us-east-1"),
    services=registry.SERVICES,
    invitation=Invitation(member_role="RollcallMember", external_id="rollcall-test"),
)


def cdk_json() -> dict[str, Any]:
    """The context that CDK's command line gives the app: with the same feature flags."""
    context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
    return context


@pytest.fixture(scope="session", autouse=True)
def _environment_of_steps() -> Iterator[None]:
    """What Powertools reads as the stack sets it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Rollcall")
        yield


@pytest.fixture(scope="session", autouse=True)
def _models_read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        read_models_once(patch)
        yield


def synthesised(folder: Path) -> Path:
    """The cloud assembly, in this folder: with the member role and all else that is optional."""
    # aws_cdk starts Node when it is imported.
    import aws_cdk as cdk

    from infra.app import build
    from infra.asset import staged_asset
    from infra.config import DeploymentConfig

    app = cdk.App(outdir=str(folder), context=cdk_json())
    build(app, DeploymentConfig(ACCEPTING), staged_asset())
    app.synth()
    return folder


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cloud assembly's folder."""
    return synthesised(tmp_path_factory.mktemp("cdk.out"))


def template_in(assembly: Path, stack: str = "Rollcall") -> dict[str, Any]:
    """The template of a stack."""
    read: dict[str, Any] = json.loads((assembly / f"{stack}.template.json").read_text())
    return read


@pytest.fixture(scope="session")
def template(assembly: Path) -> dict[str, Any]:
    """The template of the stack Rollcall."""
    return template_in(assembly)


@pytest.fixture(scope="session")
def member_role(assembly: Path) -> dict[str, Any]:
    """The template of the stack RollcallMemberRole."""
    return template_in(assembly, "RollcallMemberRole")


def member_role_for(invitation: Invitation) -> dict[str, Any]:
    """The template of the stack RollcallMemberRole with these settings."""
    import aws_cdk as cdk

    from infra.config import DeploymentConfig
    from infra.stacks.member_role import MemberRoleStack

    app = cdk.App(context=cdk_json())
    config = DeploymentConfig(replace(ACCEPTING, invitation=invitation))
    stack = MemberRoleStack(app, "RollcallMemberRole", name="RollcallMember", config=config)
    template: dict[str, Any] = app.synth().get_stack_artifact(stack.artifact_id).template
    return template


def definition_of(template: dict[str, Any]) -> dict[str, Any]:
    """The state machine's definition; each alias is that of a function named after its module."""
    return _definition(template, "StateMachineArn")


def reconcile_definition_of(template: dict[str, Any]) -> dict[str, Any]:
    """The definition of the machine of reconciles, with aliases named in the same way."""
    return _definition(template, "ReconcileMachineArn")


@pytest.fixture(scope="session")
def reconcile_definition(template: dict[str, Any]) -> dict[str, Any]:
    """The definition of the machine of reconciles."""
    return reconcile_definition_of(template)


def _definition(template: dict[str, Any], output: str) -> dict[str, Any]:
    from infra.definition import resolve_definition
    from tests.infra.support import invoked

    def resolve(kind: str, name: str) -> str:
        match kind, template["Resources"][name]["Type"]:
            case "Ref", "AWS::Lambda::Alias":
                step, alias = invoked(template, name), template["Resources"][name]["Properties"]
                return f"arn:aws:lambda:eu-west-1:111122223333:function:{step}:{alias['Name']}"
            case "Ref", "AWS::StepFunctions::StateMachine":
                return "arn:aws:states:eu-west-1:111122223333:stateMachine:Rollcall"
        raise AssertionError(f"{kind} of {name} is neither an alias nor a state machine")

    return resolve_definition(template, resolve, output)


@pytest.fixture(scope="session")
def definition(template: dict[str, Any]) -> dict[str, Any]:
    """The state machine's definition."""
    return definition_of(template)
