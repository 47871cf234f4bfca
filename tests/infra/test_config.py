"""A configuration that is wrong is refused at synth, in one line that names the key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.errors import InvalidInput
from infra.config import RETENTION_DAYS, DeploymentConfig, Retry, read_config
from infra.names import Names
from infra.notifications import Notifications, Subscriber
from infra.organization import Admit, OrganizationConfig
from tests.infra.support import run_app

ROOT = Path(__file__).parents[2]
REGIONS = ["eu-west-1", "us-east-1"]


EMAIL = "security@example.com"
QUEUE = "arn:aws:sqs:eu-west-1:111122223333:results"
FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:page"

# As many as either list takes.
MANY = [f"{number:012}" for number in range(90)]


def config(**keys: Any) -> dict[str, Any]:
    return {"regions": REGIONS, **keys}


def test_only_regions_are_required() -> None:
    deployment = read_config(config())

    assert deployment == DeploymentConfig(deployment.configuration)
    assert deployment.configuration.regions == ("eu-west-1", "us-east-1")


def test_everything_can_be_said() -> None:
    deployment = read_config(
        config(
            name="Rollcall-Test",
            bus="default",
            retry={
                "first_wait": "1s",
                "longest_wait": "2m",
                "attempts": 3,
                "account_first_wait": "1m",
                "account_longest_wait": "4m",
                "account_attempts": 4,
            },
            log_retention_days=30,
            event_retention_days=90,
            notifications={"results": [EMAIL, QUEUE], "alarms": []},
            tags={"team": "security"},
            invitation={"member_role": "RollcallMember", "external_id": "example"},
        )
    )

    assert deployment.retry == Retry(1, 120, 3, 60, 240, 4)
    assert deployment.names == Names("Rollcall-Test")
    assert deployment.notifications == Notifications(
        (Subscriber("email", EMAIL), Subscriber("sqs", QUEUE)), alarms=()
    )
    assert deployment.bus == "default"
    assert (deployment.log_retention_days, deployment.tags) == (30, {"team": "security"})
    assert deployment.event_retention_days == 90
    assert deployment.configuration.invitation.member_role == "RollcallMember"


def test_an_organisation_administered_from_another_account() -> None:
    deployment = read_config(
        config(
            organization={
                "management_account": "999988887777",
                "administrator_account": "111122223333",
                "home_region": "eu-west-1",
                "control_tower_region": "eu-central-1",
                "admit": "rule",
            }
        )
    )

    assert deployment.organization == OrganizationConfig(
        AccountId("999988887777"),
        AccountId("111122223333"),
        "eu-west-1",
        "eu-central-1",
        Admit.RULE,
    )


def test_the_management_account_is_admitted_without_a_condition_by_default() -> None:
    ids = {"management_account": "999988887777", "administrator_account": "111122223333"}

    organization = read_config(config(organization=ids | {"home_region": "eu-west-1"})).organization

    assert organization is not None
    assert organization.admit is Admit.ACCOUNT


def test_a_management_account_that_administers_the_services_is_at_home_where_events_are() -> None:
    management = {"management_account": "999988887777"}

    deployment = read_config(config(bus="default", organization=management))

    account = AccountId("999988887777")
    assert deployment.organization == OrganizationConfig(account, account, "us-east-1")


def test_off_is_no_archive_of_events() -> None:
    assert read_config(config(event_retention_days="off")).event_retention_days == 0


def test_the_command_line_gives_the_same_as_json() -> None:
    given = config(log_retention_days=7)

    assert read_config(json.dumps(given)) == read_config(given)


def test_the_example_in_cdk_json_is_right() -> None:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]

    assert len(read_config(context["rollcall"]).configuration.regions) == 4


REFUSED: dict[str, tuple[object, str]] = {
    "nothing": (None, "rollcall: takes a JSON object"),
    "not JSON": ("{", "rollcall: takes a JSON object"),
    "no object": ("[]", "rollcall: takes a JSON object"),
    "no Regions": ({}, "rollcall.regions: is required"),
    "a Region": (
        {"regions": ["europe"]},
        "rollcall.regions[0]: takes the name of a Region such as eu-west-1",
    ),
    "a service": (
        config(services=["macie"]),
        "rollcall.services[0]: takes one of securityhub, guardduty, detective",
    ),
    "a wait": (
        config(timing={"first_wait": 15}),
        "rollcall.timing.first_wait: takes a duration such as 90s, 15m, 1h or 14d, a year at most",
    ),
    "a first wait longer than the longest": (
        config(timing={"first_wait": "10m"}),
        "rollcall.timing.first_wait: takes at most longest_wait",
    ),
    "a wait longer than the slow one": (
        config(timing={"longest_wait": "7h"}),
        "rollcall.timing.longest_wait: takes at most longest_slow_wait",
    ),
    "a grace time without an end": (
        config(timing={"grace": "1h"}),
        "rollcall.timing.grace: takes less than organization_deadline",
    ),
    "a service's own time without an end": (
        config(timing={"auto_enable": "1h"}),
        "rollcall.timing.auto_enable: takes less than organization_deadline",
    ),
    "more turns than a history holds": (
        config(timing={"first_wait": "1s", "invitation_deadline": "300d"}),
        "rollcall.timing.invitation_deadline: takes less with this first_wait: an execution's"
        " history has 25,000 events",
    ),
    "a deadline longer than an execution": (
        config(timing={"invitation_deadline": "363d"}),
        "rollcall.timing.invitation_deadline: takes less: with volume_deadline a run lasts over 364"
        " days",
    ),
    **{
        f"the name {name}": (
            config(name=name),
            "rollcall.name: takes 1 to 20 letters, digits and hyphens, a letter first, and not"
            " default",
        )
        for name in ("", "1st", "Roll_call", "Rollcäll", "Rollcall\n", "R" * 47, "Default")
    },
    "a bus": (config(bus="mine"), "rollcall.bus: takes one of own, default"),
    "a number of attempts": (
        config(retry={"attempts": "3"}),
        "rollcall.retry.attempts: takes a whole number from 1 to 50",
    ),
    "days CloudWatch does not know": (
        config(log_retention_days=31),
        f"rollcall.log_retention_days: takes one of {', '.join(map(str, RETENTION_DAYS))}",
    ),
    **{
        f"event_retention_days {days!r}": (
            config(event_retention_days=days),
            "rollcall.event_retention_days: takes a whole number from 1 to 3650, or off",
        )
        for days in (0, 3651, "14d", True)
    },
    "a tag": (
        config(tags={"team": 1}),
        "rollcall.tags.team: takes 1 to 256 letters, digits, spaces and _.:/=+-@",
    ),
    **{
        f"the tag {key[:9]}": (
            config(tags={key: "security"}),
            f"rollcall.tags.{shown}: takes a key of 1 to 128 letters, digits, spaces and _.:/=+-@,"
            " without aws:",
        )
        for key, shown in (("", "(empty)"), ("AWS:team", "AWS:team"), ("t" * 129, "t" * 63 + "…"))
    },
    "too many tags": (
        config(tags={str(number): "a" for number in range(41)}),
        "rollcall.tags: takes at most 40 tags",
    ),
    "a Region of another partition": (
        config(regions=["eu-west-1", "us-gov-west-1"]),
        "rollcall.regions[1]: takes a Region of the same partition as eu-west-1; us-gov-west-1 is"
        " in another",
    ),
    "a home in another partition": (
        config(
            regions=["us-gov-west-1"],
            bus="default",
            organization={"management_account": "999988887777"},
        ),
        "rollcall.organization.home_region: takes a Region of the same partition as us-gov-west-1;"
        " us-east-1 is in another",
    ),
    "a Region of no service": (
        config(services=["guardduty"], service_regions={"guardduty": ["eu-west-1"]}),
        "rollcall.regions[1]: takes a Region of at least one service: service_regions leaves"
        " us-east-1 out",
    ),
    "a tag that cannot be shown": (
        config(tags={"root@example.com\n\ud800" + "x" * 200_000: 1}),
        f"rollcall.tags.(e-mail) ?{'x' * 53}…: takes a key of 1 to 128 letters, digits, spaces and"
        " _.:/=+-@, without aws:",
    ),
    "a role without its id": (
        config(invitation={"member_role": "RollcallMember"}),
        "rollcall.invitation.external_id: is required where member_role is given",
    ),
    "a role with a path": (
        config(invitation={"member_role": "team/RollcallMember", "external_id": "example"}),
        "rollcall.invitation.member_role: takes the name of a role: letters, digits and _+=,.@-,"
        " without a path",
    ),
    "an external id": (
        config(invitation={"member_role": "RollcallMember", "external_id": "not one"}),
        "rollcall.invitation.external_id: takes 2 to 1224 letters, digits and _+=,.@:/-",
    ),
    "more than Lambda's environment holds": (
        config(invitation={"message": "ü" * 1000}),
        "rollcall.invitation: takes less than its 7021 bytes: the configuration, as Lambda counts"
        " it, has more than 3500 and does not fit into its environment",
    ),
    "a scope of many accounts": (
        config(scope=dict.fromkeys(["include_accounts", "exclude_accounts"], MANY)),
        "rollcall.scope: takes less than its 3290 bytes: the configuration, as Lambda counts it,"
        " has more than 3500 and does not fit into its environment",
    ),
    "waits that do not grow": (
        config(retry={"first_wait": "1m", "longest_wait": "1m"}),
        "rollcall.retry.first_wait: takes less than longest_wait",
    ),
    "half an organisation": (
        config(organization={"management_account": "999988887777"}),
        "rollcall.organization.administrator_account: is required",
    ),
    "an organisation without a home": (
        config(
            organization={
                "management_account": "999988887777",
                "administrator_account": "111122223333",
            }
        ),
        "rollcall.organization.home_region: is required",
    ),
    "whom to admit": (
        config(
            organization={
                "management_account": "999988887777",
                "administrator_account": "111122223333",
                "home_region": "eu-west-1",
                "admit": "everyone",
            }
        ),
        "rollcall.organization.admit: takes one of account, role, rule",
    ),
    "an account": (
        config(organization={"management_account": 999988887777}),
        "rollcall.organization.management_account: takes an account id: a string of 12 digits",
    ),
    "the default bus of another account": (
        config(
            bus="default",
            organization={
                "management_account": "999988887777",
                "administrator_account": "111122223333",
            },
        ),
        "rollcall.organization.administrator_account: takes the management account where bus is"
        " default",
    ),
    "the default bus of a Region without events": (
        config(
            bus="default",
            organization={"management_account": "999988887777", "home_region": "eu-west-1"},
        ),
        "rollcall.organization.home_region: takes us-east-1 where bus is default: AWS"
        " publishes the organisation's events there; with bus own it takes any Region",
    ),
    "too many subscribers": (
        config(notifications={"alarms": [f"{number}@example.com" for number in range(21)]}),
        "rollcall.notifications.alarms: takes a list of 0 to 20 items",
    ),
    "a subscriber twice": (
        config(notifications={"alarms": [EMAIL, EMAIL]}),
        "rollcall.notifications.alarms[1]: repeats an earlier item; each is given once",
    ),
    "subscribers of something else": (
        config(notifications={"result": [EMAIL]}),
        "rollcall.notifications.result: is not known here; known are alarms, results",
    ),
    **{
        f"the subscriber {value}": (
            config(notifications={"results": [EMAIL, value]}),
            "rollcall.notifications.results[1]: takes an e-mail address, an https URL, or the ARN"
            " of an SQS queue (not FIFO) or of a Lambda function",
        )
        for value in (
            7,
            "",
            "security@example",
            "a@b@",
            f"{'x' * 64}@example.com",
            "http://security@example.com",
            "https://",
            "https://example.com/ security",
            "arn:aws:sqs:eu-west-1:111122223333:security@example.com",
            f"{QUEUE}.fifo",
            "arn:aws:sns:eu-west-1:111122223333:results",
            "arn:aws:lambda:eu-west-1:111122223333:layer:page",
            f"{FUNCTION}:live:7",
        )
    },
    "an unknown key": (
        config(concurency=7),
        "rollcall.concurency: is not known here; known are bus,"
        " event_retention_days, invitation, log_retention_days, name, notifications, organization,"
        " reconcile, record_retention_days, regions, retry, scope, service_regions, services,"
        " tags, timing",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_the_key_and_what_it_takes(case: str) -> None:
    context, line = REFUSED[case]

    with pytest.raises(InvalidInput) as refusal:
        read_config(context)

    assert str(refusal.value) == line


@pytest.mark.parametrize(
    ("endpoint", "protocol"),
    [
        (EMAIL, "email"),
        (QUEUE, "sqs"),
        ("arn:aws-us-gov:sqs:us-gov-west-1:111122223333:results_2", "sqs"),
        (FUNCTION, "lambda"),
        (f"{FUNCTION}:live", "lambda"),
        ("https://token@example.com/rollcall?team=security", "https"),
    ],
)
def test_a_subscriber_has_the_protocol_of_its_endpoint(endpoint: str, protocol: str) -> None:
    read = read_config(config(notifications={"alarms": [endpoint]})).notifications

    assert read == Notifications(None, (Subscriber(protocol, endpoint),))
    assert endpoint not in repr(read)


def test_the_app_says_so_in_one_line_and_exits_with_1(tmp_path: Path) -> None:
    context = {"rollcall": config(timing={"first_wait": "soon"})}

    done = run_app(context, tmp_path)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "rollcall.timing.first_wait: takes a duration such as 90s, 15m, 1h or 14d, a year at most\n"
    )
