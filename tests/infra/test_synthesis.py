"""Synthesis: the same everywhere, out of nothing but the repository, and checked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sqs as sqs

from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Configuration, Reconcile
from functions.services import registry
from infra.app import build
from infra.asset import staged_asset
from infra.config import DeploymentConfig
from infra.notifications import Notifications
from infra.organization import OrganizationConfig
from tests.conftest import ACCEPTING, cdk_json
from tests.infra.support import (
    arrival_rules,
    granted,
    resources,
    role_of,
    run_app,
    steps,
    text,
    the,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SMALL = DeploymentConfig(
    Configuration(regions=("eu-west-1",), services=(registry.SECURITYHUB,)),
    bus="default",
    log_retention_days=30,
    tags={"team": "security"},
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly of a deployment with as little as can be."""
    folder = tmp_path_factory.mktemp("small.cdk.out")
    app = cdk.App(outdir=str(folder), context=cdk_json())
    build(app, SMALL, staged_asset())
    app.synth()
    return folder


@pytest.fixture(scope="module")
def small_template(small: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((small / "Rollcall.template.json").read_text())
    return read


def test_a_region_without_a_service_is_a_warning_unless_it_is_given_for_the_service(
    tmp_path: Path,
) -> None:
    regions = ("eu-west-1", "ap-northeast-3")

    def warned(configuration: Configuration) -> list[str]:
        config = DeploymentConfig(configuration, notifications=Notifications((), ()))
        return warnings(config, tmp_path)

    (warning,) = warned(Configuration(regions, registry.SERVICES))
    assert warning.startswith("AWS does not offer Detective in ap-northeast-3: it is skipped there")
    given = {"detective": regions}
    assert not warned(Configuration(regions, registry.SERVICES, service_regions=given))


def test_a_region_that_botocore_does_not_know_is_a_warning(tmp_path: Path) -> None:
    organization = OrganizationConfig(
        AccountId("999988887777"), AccountId("111122223333"), "eu-west-1", "eu-cental-1"
    )
    config = DeploymentConfig(
        Configuration(("eu-west-1", "eu-wst-1", "cn-north-1"), (registry.SECURITYHUB,)),
        organization=organization,
        notifications=Notifications((), ()),
    )

    mistyped, control_tower = warnings(config, tmp_path)

    assert mistyped.startswith("rollcall.regions has eu-wst-1, which botocore ")
    assert control_tower.startswith("rollcall.organization.control_tower_region has eu-cental-1,")


@pytest.mark.parametrize("key", ["results", "alarms"])
def test_without_subscribers_is_a_warning_for_results_and_for_alarms(
    key: str, tmp_path: Path
) -> None:
    given = replace(Notifications((), ()), **{key: None})

    (warning,) = warnings(replace(SMALL, notifications=given), tmp_path)

    assert warning.startswith(f"the deployment has no subscriber for its {key}: set")


def test_a_schedule_that_no_alarm_can_watch_is_a_warning(tmp_path: Path) -> None:
    def warned(schedule: str) -> list[str]:
        reconcile = Reconcile(schedule=schedule)
        configuration = replace(SMALL.configuration, reconcile=reconcile)
        config = replace(SMALL, configuration=configuration, notifications=Notifications((), ()))
        return warnings(config, tmp_path)

    (warning,) = warned("rate(7 days)")

    assert warning.startswith("rollcall.reconcile.schedule is rate(7 days): no alarm says ")
    assert not warned("off")
    assert not warned("rate(6 days)")


def warnings(config: DeploymentConfig, folder: Path) -> list[str]:
    app = cdk.App(outdir=str(folder), context=cdk_json())
    build(app, config, staged_asset())
    (stack,) = (stack for stack in app.synth().stacks if stack.stack_name == "Rollcall")
    return [str(m.entry.data) for m in stack.messages if m.level.name == "WARNING"]


def test_it_is_the_same_without_credentials_and_network(assembly: Path, tmp_path: Path) -> None:
    done = run_app(cdk_json() | {"rollcall": ACCEPTING.to_json()}, tmp_path)

    assert done.returncode == 0, done.stderr
    written = sorted(path.name for path in assembly.glob("*.json"))
    assert written == sorted(path.name for path in tmp_path.glob("*.json"))
    for stack in ("Rollcall", "RollcallMemberRole"):
        name = f"{stack}.template.json"
        assert (tmp_path / name).read_text() == (assembly / name).read_text()
    name = "Rollcall.assets.json"
    assert json.loads((tmp_path / name).read_text()) == json.loads((assembly / name).read_text())


def test_a_finding_of_cdk_nag_fails_it() -> None:
    app = cdk.App()
    build(app, SMALL, staged_asset())
    stack = app.node.find_child("Rollcall")
    sqs.Queue(cdk.Stack.of(stack), "Careless")

    with pytest.raises(RuntimeError, match="Validation"):
        app.synth()


def test_without_a_member_role_nothing_accepts(
    small: Path, small_template: Mapping[str, Any]
) -> None:
    assert "accept_invitations" not in steps(small_template)
    machine = json.dumps(resources(small_template, "AWS::StepFunctions::StateMachine"))
    assert "Accept Invitations" not in machine
    assert not (small / "RollcallMemberRole.template.json").exists()


def test_on_the_default_bus_no_bus_is_made(small_template: Mapping[str, Any]) -> None:
    publishing = steps(small_template)["publish_results"]["Environment"]["Variables"]
    allowed = granted(small_template, role_of(small_template, "publish_results"))

    assert not resources(small_template, "AWS::Events::EventBus")
    rules = arrival_rules(small_template).values()
    assert {rule["EventBusName"] for rule in rules} == {"default"}
    assert publishing["ROLLCALL_BUS"] == "default"
    # Where the organisation's events appear.
    bus = "arn:aws:events:us-east-1:111122223333:event-bus/default"
    assert allowed[bus] == {"events:PutEvents"}
    assert text(small_template["Outputs"]["BusArn"]["Value"]) == bus
    assert text(the(small_template, "AWS::Events::Archive")["SourceArn"]) == bus


def test_only_the_configured_services_are_allowed(small_template: Mapping[str, Any]) -> None:
    restarting = granted(small_template, role_of(small_template, "restart_members"))
    reading = granted(small_template, role_of(small_template, "get_members"))

    xray = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}
    assert restarting["*"] == xray
    read = {action for actions in reading.values() for action in actions}
    assert {action for action in reading["*"] if not action.startswith("securityhub:")} == xray
    assert "securityhub:GetMembers" in read
    assert not any(action.startswith(("detective:", "guardduty:")) for action in read)


def test_what_is_configured_is_deployed(small_template: Mapping[str, Any]) -> None:
    machines = resources(small_template, "AWS::StepFunctions::StateMachine").values()
    logs = resources(small_template, "AWS::Logs::LogGroup").values()

    assert {log["RetentionInDays"] for log in logs} == {30}
    assert all({"Key": "team", "Value": "security"} in machine["Tags"] for machine in machines)
    assert {"Key": "team", "Value": "security"} in the(small_template, "AWS::DynamoDB::Table")[
        "Tags"
    ]
