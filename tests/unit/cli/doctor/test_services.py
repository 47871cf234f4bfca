"""What follows from what was read of the services and their administrator."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.automation import Automatic, Automation
from functions.enrolment.membership import Status
from functions.enrolment.target import Target
from functions.services.registry import DETECTIVE, GUARDDUTY, SECURITYHUB
from infra.cli.doctor.finding import Level, Unread
from infra.cli.doctor.services import ServiceFacts, TargetFacts, judge_services
from tests.support.builders import ADMINISTRATOR, MANAGEMENT

if TYPE_CHECKING:
    from infra.cli.doctor.finding import Finding

OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL
HERE = "eu-west-1"
HUB, DETECTOR, GRAPH = (Target(one, HERE) for one in (SECURITYHUB, GUARDDUTY, DETECTIVE))
REFUSED = Unread("organizations:ListAccounts", "Organizations ListAccounts: AccessDenied")
SOUND = Automation(Automatic.NEW, "auto-enable NEW")
FACTS = ServiceFacts(
    administrator=ADMINISTRATOR,
    management=MANAGEMENT,
    accounts=40,
    delegated={GUARDDUTY: True},
    account_delegate=True,
    trusted=True,
    targets=[TargetFacts(DETECTOR, automation=SOUND, management=Status.ENABLED)],
    opt_in=["ap-east-1"],
)


def found(facts: ServiceFacts, check: str) -> list[Finding]:
    return [one for one in judge_services(facts) if one.check == check]


def test_a_sound_organisation_has_nothing_to_mend() -> None:
    findings = list(judge_services(FACTS))

    assert {one.level for one in findings} == {OK}
    assert [one.check for one in findings] == [
        "delegated-administrator",
        "trusted-access",
        "account-management",
        "administrator",
        "management-account",
        "members",
    ]


@pytest.mark.parametrize(
    ("delegated", "level", "command"),
    [
        (True, OK, ""),
        (None, WARN, ""),
        (
            False,
            FAIL,
            "aws guardduty enable-organization-admin-account"
            f" --admin-account-id {ADMINISTRATOR} --region {HERE}",
        ),
    ],
)
def test_each_service_needs_this_delegated_administrator(
    delegated: bool | None, level: Level, command: str
) -> None:
    [finding] = found(replace(FACTS, delegated={GUARDDUTY: delegated}), "delegated-administrator")

    assert (finding.level, finding.command) == (level, command)
    assert finding.account == (MANAGEMENT if level is FAIL else "")
    if level is WARN:
        assert "allow organizations:ListDelegatedAdministrators" in finding.reason


@pytest.mark.parametrize(
    ("management", "level"),
    [(ADMINISTRATOR, OK), (None, WARN), (REFUSED, WARN)],
    ids=["administrator", "none", "refused"],
)
def test_without_another_management_account_nothing_is_delegated(
    management: Any, level: Level
) -> None:
    facts = replace(FACTS, management=management, delegated={GUARDDUTY: False})
    [finding] = found(facts, "delegated-administrator")
    assert finding.level is level


@pytest.mark.parametrize(
    ("change", "check", "command"),
    [
        (
            {"trusted": False},
            "trusted-access",
            "aws organizations enable-aws-service-access --service-principal account.amazonaws.com",
        ),
        (
            {"account_delegate": False},
            "account-management",
            f"aws organizations register-delegated-administrator --account-id {ADMINISTRATOR}"
            " --service-principal account.amazonaws.com",
        ),
    ],
)
def test_opt_in_regions_need_account_management(
    change: dict[str, Any], check: str, command: str
) -> None:
    facts = replace(FACTS, **change)
    [finding] = found(facts, check)
    assert (finding.level, finding.command, finding.account) == (FAIL, command, MANAGEMENT)
    assert found(replace(facts, opt_in=()), check) == []


@pytest.mark.parametrize(
    ("facts", "check", "level", "command"),
    [
        (
            TargetFacts(HUB, not_ready="there is no hub"),
            "set-up",
            FAIL,
            f"aws securityhub enable-security-hub --no-enable-default-standards --region {HERE}",
        ),
        (
            TargetFacts(DETECTOR, not_ready="there is no detector"),
            "set-up",
            FAIL,
            f"aws guardduty create-detector --enable --region {HERE}",
        ),
        (
            TargetFacts(GRAPH, not_ready="there is no graph"),
            "set-up",
            FAIL,
            f"aws detective create-graph --region {HERE}",
        ),
        (
            TargetFacts(GRAPH, automation=Automation(Automatic.NOT_DELEGATED, "refused")),
            "administrator",
            FAIL,
            f"aws detective enable-organization-admin-account --account-id {ADMINISTRATOR}"
            f" --region {HERE}",
        ),
        (
            TargetFacts(HUB, automation=Automation(Automatic.POLICY_UNKNOWN, "no policy read")),
            "administrator",
            WARN,
            "",
        ),
        (
            TargetFacts(HUB, unread=Unread("securityhub:DescribeHub", "denied")),
            "administrator",
            WARN,
            "",
        ),
        (TargetFacts(HUB, automation=SOUND), "administrator", OK, ""),
    ],
    ids=["hub", "detector", "graph", "not designated", "policies", "refused", "sound"],
)
def test_the_administrator_is_set_up_and_the_organisations_in_each_region(
    facts: TargetFacts, check: str, level: Level, command: str
) -> None:
    [finding] = found(replace(FACTS, targets=[facts]), check)

    assert (finding.level, finding.command) == (level, command)
    assert facts.target.service.label in finding.reason


@pytest.mark.parametrize(
    ("target", "status", "set_up", "level"),
    [
        (HUB, Status.ENABLED, None, OK),
        (HUB, Status.ABSENT, False, WARN),
        (HUB, Status.ABSENT, None, WARN),
        (HUB, Status.ABSENT, True, OK),
        (DETECTOR, Status.MANAGEMENT_NOT_ENABLED, False, WARN),
        (GRAPH, Status.ABSENT, None, OK),
    ],
)
def test_the_management_account_enables_hub_and_detector_itself(
    target: Target, status: Status, set_up: bool | None, level: Level
) -> None:
    one = TargetFacts(target, automation=SOUND, management=status, set_up_there=set_up)
    [finding] = found(replace(FACTS, targets=[one]), "management-account")

    assert finding.level is level
    assert bool(finding.command) is (level is WARN)
    assert ("which it has not" in finding.reason) is (set_up is False)


@pytest.mark.parametrize(
    ("accounts", "level"), [(1_080, OK), (1_081, WARN), (1_200, WARN), (1_201, FAIL)]
)
def test_detective_has_room_for_1200_members(accounts: int, level: Level) -> None:
    facts = replace(FACTS, accounts=accounts, delegated={DETECTIVE: True})
    [finding] = found(facts, "members")
    assert finding.level is level


def test_what_may_not_be_read_names_the_permission() -> None:
    [finding] = found(replace(FACTS, accounts=REFUSED), "members")
    assert finding.level is WARN
    assert finding.reason.endswith("; to do: allow organizations:ListAccounts")


def test_targets_that_aws_does_not_offer_are_named() -> None:
    [finding] = found(replace(FACTS, not_offered=[Target(DETECTIVE, "ap-east-2")]), "offered")
    assert finding.level is WARN
    assert finding.reason.startswith("Detective ap-east-2: AWS does not offer the service there")
