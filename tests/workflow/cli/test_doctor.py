"""What the doctor reads of services that answer as AWS's do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from functions.enrolment.account import AccountId
from functions.steps import wiring
from infra.cli.doctor.finding import Level
from infra.cli.doctor.services import judge_services, read_services
from infra.cli.doctor.standing import read_standings
from tests.support.builders import ACCOUNT, ADMINISTRATOR, MANAGEMENT, OTHER

if TYPE_CHECKING:
    from infra.cli.doctor.finding import Finding
    from tests.support.rollcall import Rollcall


def examined(rollcall: Rollcall) -> list[Finding]:
    wired = wiring.wiring()
    accounts = list(wired.directory.accounts())
    facts = read_services(wired, rollcall.configuration.targets, MANAGEMENT, accounts, None)
    return list(judge_services(facts))


def failed(rollcall: Rollcall) -> set[tuple[str, str]]:
    return {(one.check, one.command) for one in examined(rollcall) if one.level is Level.FAIL}


def test_an_organisation_that_is_set_up_fails_no_check(rollcall: Rollcall) -> None:
    rollcall.found_organization()

    found = examined(rollcall)

    assert failed(rollcall) == set()
    # The management account has enabled neither service in either Region.
    warned = [one.command for one in found if one.level is Level.WARN]
    assert len(warned) == 4
    assert {command.split()[1] for command in warned} == {"securityhub", "guardduty"}


@pytest.mark.parametrize(
    ("service", "set_up", "designate"),
    [
        (
            "securityhub",
            "aws securityhub enable-security-hub --no-enable-default-standards",
            "aws securityhub enable-organization-admin-account --admin-account-id",
        ),
        (
            "guardduty",
            "aws guardduty create-detector --enable",
            "aws guardduty enable-organization-admin-account --admin-account-id",
        ),
        (
            "detective",
            "aws detective create-graph",
            "aws detective enable-organization-admin-account --account-id",
        ),
    ],
)
def test_a_region_in_which_the_administrator_is_not_set_up_or_not_designated_is_found(
    rollcall: Rollcall, service: str, set_up: str, designate: str
) -> None:
    """It is set up in one of the two Regions, and designated in neither."""
    rollcall.found_organization(regions=("eu-north-1",))
    place = {"service": service, "account_id": ADMINISTRATOR, "regions": ["us-east-1"]}
    rollcall.world.apply({"do": "enable", **place})
    found = {one for one in failed(rollcall) if f" {service} " in one[1]}

    assert found == {
        ("set-up", f"{set_up} --region eu-west-1"),
        ("administrator", f"{designate} {ADMINISTRATOR} --region us-east-1"),
    }


def test_accounts_of_events_stand_where_the_services_say(rollcall: Rollcall) -> None:
    """One was enrolled by a run, one came and no run knows it, and one has left."""
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.add_account(OTHER)
    assert rollcall.run({"accounts": [{"id": ACCOUNT}]}).status == "SUCCEEDED"

    accounts = [ACCOUNT, OTHER, AccountId("888899990000")]
    targets = list(rollcall.configuration.targets)
    enrolled, missed = read_standings(wiring.wiring(), accounts, targets, rollcall.clock.now())

    assert (enrolled.account, enrolled.gaps, enrolled.known) == (ACCOUNT, (), True)
    assert (missed.account, len(missed.gaps), missed.known) == (OTHER, len(targets), False)
    assert missed.missed
