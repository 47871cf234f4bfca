"""Every kind of configuration, as written in cdk.json: each in a deployment of its own, in one app.

That they synthesise together is the check by cdk-nag, a finding of which fails the synthesis.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest

from functions.enrolment.configuration import Reconcile
from infra.app import build
from infra.asset import staged_asset
from infra.config import DeploymentConfig, read_config
from infra.organization import CONTROL_TOWER, wanted_patterns
from infra.schedule import overdue_hours
from tests.conftest import cdk_json
from tests.infra.alarms import check_alarms, check_undelivered_events
from tests.infra.support import (
    arrival_rules,
    machine_of,
    name_of,
    resources,
    steps,
    text,
    the,
)
from tests.infra.test_names import fixed_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.infra.conftest import Templates

MANAGEMENT, ADMINISTRATOR = "999988887777", "111122223333"
REGIONS, OPT_IN = ["eu-west-1", "us-east-1"], ["eu-west-1", "us-east-1", "af-south-1"]
MOST_BYTES_OF_VARIABLES = 4096


def organized(home: str, administrator: str = ADMINISTRATOR, **more: str) -> dict[str, str]:
    return {
        "management_account": MANAGEMENT,
        "administrator_account": administrator,
        "home_region": home,
        **more,
    }


# By the deployment's name.
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "Least": {"regions": REGIONS},
    "OneService": {"regions": REGIONS, "bus": "default", "services": ["detective"]},
    "Scheduled": {
        "regions": OPT_IN,
        "reconcile": {
            "schedule": "rate(1 day)",
            "services": ["guardduty"],
            "regions": ["af-south-1"],
            "most_changes": 0,
            "rates": {"guardduty": 3},
        },
    },
    "Elsewhere": {
        "regions": OPT_IN,
        "organization": organized("eu-west-1", control_tower_region="eu-central-1", admit="rule"),
        "invitation": {
            "member_role": "ElsewhereMember",
            "external_id": "example",
            "standards": ["aws-foundational-security-best-practices/v/1.0.0"],
            "detector_features": ["S3_DATA_EVENTS", "EBS_MALWARE_PROTECTION"],
        },
        "scope": {"include_paths": ["o-aa111bb222/r-ab12/"], "exclude_tags": {"sandbox": "*"}},
        "service_regions": {"detective": ["eu-west-1"]},
        "notifications": {
            "results": ["security@example.com", "https://example.com/results"],
            "alarms": [
                f"arn:aws:sqs:eu-west-1:{ADMINISTRATOR}:alarms",
                f"arn:aws:lambda:eu-west-1:{ADMINISTRATOR}:function:page:live",
            ],
        },
        "reconcile": {"schedule": "cron(15 4 ? * MON-FRI *)"},
        "record_retention_days": 0,
        "log_retention_days": 3653,
        "tags": {"team": "security"},
    },
    "AtHome": {
        "regions": OPT_IN,
        "organization": organized("us-east-1", control_tower_region="us-east-1", admit="role"),
        "invitation": {"member_role": "AtHomeMember", "external_id": "example", "standards": []},
        "notifications": {"results": ["security@example.com"], "alarms": []},
    },
    "TowerAtHome": {
        "regions": REGIONS,
        "organization": organized("eu-west-1", control_tower_region="eu-west-1"),
        "notifications": {"results": [], "alarms": ["security@example.com"]},
    },
    "OneAccount": {
        "regions": OPT_IN,
        "organization": organized("eu-west-1", MANAGEMENT, admit="rule"),
    },
    "OneAccountAtHome": {
        "regions": OPT_IN,
        "organization": organized(
            "us-east-1", MANAGEMENT, control_tower_region="eu-west-1", admit="role"
        ),
    },
    "DefaultBus": {
        "regions": REGIONS,
        "bus": "default",
        "organization": {"management_account": MANAGEMENT},
    },
    "DefaultBusTower": {
        "regions": OPT_IN,
        "bus": "default",
        "organization": {"management_account": MANAGEMENT, "control_tower_region": "eu-west-1"},
        "invitation": {
            "member_role": "DefaultMember",
            "external_id": "example",
            "detector_features": [],
        },
    },
    "GovCloud": {
        "regions": ["us-gov-east-1", "us-gov-west-1"],
        "organization": organized("us-gov-east-1", admit="rule"),
        "invitation": {"member_role": "GovMember", "external_id": "example"},
        "reconcile": {"schedule": "rate(12 hours)"},
    },
    "GovDefault": {
        "regions": ["us-gov-east-1"],
        "bus": "default",
        "services": ["guardduty"],
        "reconcile": {"schedule": "off", "most_changes": 10},
    },
    "China": {
        "regions": ["cn-north-1", "cn-northwest-1"],
        "bus": "default",
        "organization": {"management_account": MANAGEMENT, "home_region": "cn-northwest-1"},
        "reconcile": {"schedule": "cron(15 4 ? * SUN *)"},
    },
}


def config_of(name: str) -> DeploymentConfig:
    return read_config(CONFIGURATIONS[name] | {"name": name})


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly's folder, with the stacks of all the deployments."""
    folder = tmp_path_factory.mktemp("everything.cdk.out")
    app = cdk.App(outdir=str(folder), context=cdk_json())
    for name in CONFIGURATIONS:
        build(app, config_of(name), staged_asset())
    app.synth()
    return folder


@pytest.fixture(params=CONFIGURATIONS)
def name(request: pytest.FixtureRequest) -> str:
    """The deployment's name, of each configuration."""
    return str(request.param)


@pytest.fixture
def made(everything: Path, name: str) -> Templates:
    """The templates of that deployment."""
    return stacks_of(everything, name)


def stacks_of(everything: Path, name: str) -> Templates:
    """A deployment's templates, by the stack's name without the deployment's."""
    others = tuple(other for other in CONFIGURATIONS if other.startswith(name) and other != name)
    return {
        stack.removeprefix(name): json.loads(path.read_text())
        for path in everything.glob("*.template.json")
        if (stack := path.name.removesuffix(".template.json")).startswith(name)
        and not stack.startswith(others)
    }


def with_names(made: Templates, name: str) -> Templates:
    return {f"{name}{stack}": template for stack, template in made.items()}


def test_cfn_lint_has_nothing_to_say(everything: Path) -> None:
    cfn_lint = Path(sys.executable).with_name("cfn-lint")

    # W3005: CDK says DependsOn also where a reference says it already.
    done = subprocess.run(  # noqa: S603  # our own command line
        [
            *(str(cfn_lint), "--ignore-checks", "W3005", "--"),
            *map(str, everything.glob("*.template.json")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_no_two_deployments_have_a_name_in_common(everything: Path) -> None:
    names = Counter(
        fixed
        for name in CONFIGURATIONS
        for fixed in set(fixed_names(with_names(stacks_of(everything, name), name)))
    )

    assert [name for name, count in names.items() if count > 1] == []


def test_on_the_default_bus_the_stack_is_where_organizations_publishes(everything: Path) -> None:
    artifacts = json.loads((everything / "manifest.json").read_text())["artifacts"]

    places = {
        name: artifacts[name]["environment"].rpartition("/")[2]
        for name, keys in CONFIGURATIONS.items()
        if keys.get("bus") == "default"
    }

    assert places == {
        "OneService": "us-east-1",
        "DefaultBus": "us-east-1",
        "DefaultBusTower": "us-east-1",
        "GovDefault": "us-gov-west-1",
        "China": "cn-northwest-1",
    }


def test_every_event_that_is_wanted_reaches_the_machine_from_where_it_is_published(
    made: Templates, name: str
) -> None:
    config = config_of(name)
    wanted = set(wanted_patterns(config.configuration))
    machine = machine_of(made[""])
    started = [name_of(rule) for rule in arrival_rules(made[""]).values()]
    forwarded = [
        name_of(rule)
        for stack, template in made.items()
        if stack.endswith("Events")
        for rule in arrival_rules(template).values()
    ]

    assert set(started) == wanted
    for rule in arrival_rules(made[""]).values():
        assert [text(target["Arn"]) for target in rule["Targets"]] == [machine]
    if config.organization is not None and config.bus == "own":
        without_tower = config.organization.control_tower_region is None
        not_published = {
            event
            for event, pattern in wanted_patterns(config.configuration).items()
            if without_tower and pattern["source"] == [CONTROL_TOWER]
        }
        assert set(forwarded) == wanted - not_published
        # Opt-ins are published in the account that makes the call: the management account's are
        # forwarded, the administrator's are forwarded too or start the machine from where they are.
        opt_ins = Counter([*started, *forwarded])["Region Opt-In Status Change"]
        one_account = (
            config.organization.management_account == config.organization.administrator_account
        )
        has_opt_ins = "Region Opt-In Status Change" in wanted
        assert opt_ins == (0 if not has_opt_ins else 2 if one_account else 3)


def test_what_is_forwarded_is_admitted(made: Templates, name: str) -> None:
    config = config_of(name)
    policies = resources(made[""], "AWS::Events::EventBusPolicy").values()
    admitted = {text(one["Statement"]["Principal"]["AWS"]).split(":")[4] for one in policies}
    organization = config.organization
    forwarders = (
        organization.forwarders(config.bus, config.names, config.configuration)
        if organization
        else ()
    )

    assert admitted == {one.account for one in forwarders}
    assert {f"{name}{stack}" for stack in made if stack.endswith("Events")} == {
        one.name for one in forwarders
    }
    if organization is None:
        return
    bus = f":events:{organization.home_region}:{organization.administrator_account}:event-bus/"
    for stack in made:
        if stack.endswith("Events"):
            for rule in resources(made[stack], "AWS::Events::Rule").values():
                (target,) = rule["Targets"]
                arn = f"{bus}{config.names.bus(config.bus)}"
                assert text(target["Arn"]).partition(":events:")[2] == arn.partition(":events:")[2]


def test_every_stack_with_rules_keeps_and_reports_what_it_cannot_deliver(made: Templates) -> None:
    for stack, template in made.items():
        if stack != "MemberRole":
            check_undelivered_events(template)
            check_alarms(template)


def test_reconciles_are_scheduled_unless_that_is_off(made: Templates, name: str) -> None:
    schedule = CONFIGURATIONS[name].get("reconcile", {}).get("schedule", Reconcile().schedule)
    scheduled = resources(made[""], "AWS::Scheduler::Schedule").values()

    assert [one["ScheduleExpression"] for one in scheduled] == [schedule] * (schedule != "off")
    # What cannot be watched for longer than a week is not watched.
    watched = [
        one
        for one in resources(made[""], "AWS::CloudWatch::Alarm").values()
        if one["TreatMissingData"] == "breaching"
    ]
    hours = overdue_hours(config_of(name).configuration)
    assert [one["EvaluationPeriods"] for one in watched] == ([] if hours is None else [hours])
    assert (hours is None) == (schedule in ("off", "cron(15 4 ? * SUN *)"))
    # One can always be started by hand.
    assert "ReconcileMachineArn" in made[""]["Outputs"]


def test_who_is_configured_is_subscribed(made: Templates, name: str) -> None:
    given = CONFIGURATIONS[name].get("notifications", {})
    for stack, template in made.items():
        if stack == "MemberRole":
            continue
        subscribed = Counter(
            (text(one["TopicArn"]), one["Endpoint"])
            for one in resources(template, "AWS::SNS::Subscription").values()
        )
        topics = {"alarms": "OperationsTopicArn"} | ({} if stack else {"results": "TopicArn"})
        assert subscribed == Counter(
            (text(template["Outputs"][output]["Value"]), endpoint)
            for key, output in topics.items()
            for endpoint in given.get(key, ())
        )


def test_the_steps_variables_fit_into_lambdas_environment(made: Templates) -> None:
    for function in steps(made[""]).values():
        variables = function["Environment"]["Variables"]
        # The names that CloudFormation gives are longer than the logical ids.
        counted = {key: text(value) for key, value in variables.items()}
        assert len(json.dumps(counted)) < MOST_BYTES_OF_VARIABLES - 200


def test_the_member_role_trusts_the_accepting_role_of_its_deployment(
    made: Templates, name: str
) -> None:
    role = config_of(name).configuration.invitation.member_role

    assert ("MemberRole" in made) == (role is not None) == ("accept_invitations" in steps(made[""]))
    if role is not None:
        accepting = text(steps(made[""])["accept_invitations"]["Role"])
        accepted: Mapping[str, Any] = the(made["MemberRole"], "AWS::IAM::Role")
        (trust,) = accepted["AssumeRolePolicyDocument"]["Statement"]
        trusted = text(trust["Condition"]["ArnEquals"]["aws:PrincipalArn"])
        accepting_role = made[""]["Resources"][accepting]["Properties"]["RoleName"]
        assert trusted.partition(":role/")[2] == accepting_role == f"{name}AcceptInvitations"
        assert accepted["RoleName"] == role
