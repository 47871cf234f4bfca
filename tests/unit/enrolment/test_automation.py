"""What a service does by itself: what is known of it after each reading."""

from __future__ import annotations

import pytest

from functions.enrolment.automation import (
    Automatic,
    Automation,
    auto_enable,
    unreadable,
    without_auto_enable,
)
from functions.enrolment.errors import AccessDenied
from tests.support.builders import NOW

POLICY = Automation(Automatic.POLICY, "policy-1")
FREED = Automation(Automatic.UNASSOCIATED, "no policy applies", freed_at=NOW - 60)
HIDDEN = Automation(Automatic.POLICY_UNKNOWN, "denied")
UNKNOWN = Automation(Automatic.UNKNOWN, "denied")


def test_where_it_cannot_be_read_the_error_is_told() -> None:
    assert unreadable(AccessDenied("GuardDuty DescribeOrganizationConfiguration: denied")) == (
        Automation(
            Automatic.UNKNOWN,
            "what it does by itself could not be read:"
            " GuardDuty DescribeOrganizationConfiguration: denied",
        )
    )


@pytest.mark.parametrize(
    ("before", "found", "after"),
    [
        (POLICY, UNKNOWN, POLICY),
        (POLICY, HIDDEN, POLICY),
        (
            POLICY,
            Automation(Automatic.POLICY, "policy-2"),
            Automation(Automatic.POLICY, "policy-2"),
        ),
        (POLICY, auto_enable("NEW"), Automation(Automatic.NEW, "auto-enable NEW", freed_at=NOW)),
        (FREED, auto_enable("NONE"), Automation(Automatic.NONE, "auto-enable NONE", NOW - 60)),
        (UNKNOWN, UNKNOWN, UNKNOWN),
        (auto_enable("NEW"), HIDDEN, HIDDEN),
    ],
    ids=[
        *("not read again", "the policy not read again", "another policy", "freed of its policy"),
        *("freed before", "never read", "policies are in use now"),
    ],
)
def test_what_is_known_after_a_further_reading(
    before: Automation, found: Automation, after: Automation
) -> None:
    assert before.followed_by(found, NOW) == after


STOPPED = ", which does nothing while the organisation has GUARDDUTY_POLICY enabled"


@pytest.mark.parametrize(
    ("setting", "after"),
    [
        ("NEW", Automation(Automatic.NONE, f"auto-enable NEW{STOPPED}")),
        ("ALL", Automation(Automatic.NONE, f"auto-enable ALL{STOPPED}")),
        ("NONE", auto_enable("NONE")),
        ("SOME", auto_enable("SOME")),
    ],
)
def test_organizations_policies_take_the_place_of_auto_enabling(
    setting: str, after: Automation
) -> None:
    assert without_auto_enable(auto_enable(setting), "GUARDDUTY_POLICY") == after
