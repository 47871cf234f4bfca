"""Where a run begins: what earlier runs, other administrators and people have left behind, and what
Organizations does not say yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import Mode
from functions.enrolment.membership import ENABLED, Outcome
from functions.enrolment.reason import ReasonCode
from tests.support.builders import ACCOUNT, ADMINISTRATOR, OTHER
from tests.support.events import from_management
from tests.workflow.hands import (
    HERE,
    at,
    call,
    create,
    disassociate,
    email,
    entry,
    history,
    invite,
    outside,
    say,
    status,
    with_email,
)
from tests.workflow.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from functions.enrolment.membership import Membership
    from tests.support.rollcall import Rollcall

MINUTE, HOUR, DAY = 60, 3600, 86400
OPT_IN = "ap-east-1"
UNKNOWN_WORDS = "The ledger of members is being rebound"


@pytest.fixture(autouse=True)
def _in_virtual_time(rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch) -> None:
    in_virtual_time(rollcall, monkeypatch)


def outcomes(rollcall: Rollcall) -> set[Outcome | None]:
    return {membership.outcome for membership in rollcall.memberships(ACCOUNT).values()}


def the_one(rollcall: Rollcall) -> Membership:
    (membership,) = rollcall.memberships(ACCOUNT).values()
    return membership


# Members that could not be enabled earlier


@pytest.mark.configured(regions=(HERE, OPT_IN))
@pytest.mark.parametrize(
    "document",
    [
        from_management("account_region_opt_in_status_change"),
        {"accounts": [{"id": ACCOUNT}], "regions": [OPT_IN]},
    ],
    ids=["event", "by-hand"],
)
def test_a_member_from_before_the_region_was_opted_in_to_is_created_again(
    rollcall: Rollcall, document: dict[str, Any]
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    create(rollcall, "guardduty", ACCOUNT, region=OPT_IN)
    assert status(rollcall, "guardduty", ACCOUNT, OPT_IN) == "RegionDisabled"
    opt_in_unnoticed(rollcall)

    rollcall.run(document)

    assert outcomes(rollcall) <= ENABLED
    assert rollcall.operations("guardduty").count("CreateMembers") == 1


@pytest.mark.configured(regions=(HERE, OPT_IN))
def test_a_region_that_stays_disabled_is_waited_for_until_the_deadline(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    create(rollcall, "guardduty", ACCOUNT, region=OPT_IN)
    opt_in_unnoticed(rollcall)
    say(rollcall, "guardduty", "CreateMembers", "Internal error")

    rollcall.run({"accounts": [{"id": ACCOUNT}], **at("guardduty", OPT_IN)})

    told = entry(rollcall)
    assert (told["outcome"], told["status"]) == ("timed out", "RegionDisabled")
    assert told.get("reason_code") == ReasonCode.REGION_DISABLED
    assert told["attempts"]["create"] > 1


def opt_in_unnoticed(rollcall: Rollcall) -> None:
    """The account opts in to the Region, and GuardDuty does nothing about it by itself."""
    rollcall.world.apply({"do": "set_timings", "guardduty_enable": 365 * DAY})
    rollcall.world.apply({"do": "set_account", "account_id": ACCOUNT, "regions": [OPT_IN]})
    rollcall.world.apply({"do": "set_timings", "guardduty_enable": 1})


@pytest.mark.parametrize("service", ["securityhub", "guardduty"])
def test_a_member_from_before_the_suspension_was_lifted_is_created_again(
    rollcall: Rollcall, service: str
) -> None:
    suspended_and_reinstated(rollcall, service)

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], **at(service)})

    assert execution.states[-1] == "Complete"
    assert the_one(rollcall).outcome is Outcome.ENABLED


@pytest.mark.parametrize("service", ["securityhub", "guardduty"])
def test_a_suspension_that_the_service_does_not_lift_is_waited_for_until_the_deadline(
    rollcall: Rollcall, service: str
) -> None:
    suspended_and_reinstated(rollcall, service)
    say(rollcall, service, "CreateMembers", "Internal error")

    rollcall.run({"accounts": [{"id": ACCOUNT}], **at(service)})

    told = entry(rollcall)
    assert (told["outcome"], told["status"]) == ("timed out", "AccountSuspended")
    assert told.get("reason_code") == ReasonCode.ACCOUNT_SUSPENDED


def suspended_and_reinstated(rollcall: Rollcall, service: str) -> None:
    """An account of the organisation that was suspended when it was created as a member."""
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, state="SUSPENDED")
    create(rollcall, service, ACCOUNT)
    assert status(rollcall, service, ACCOUNT) == "AccountSuspended"
    rollcall.world.apply({"do": "set_account", "account_id": ACCOUNT, "state": "ACTIVE"})


@pytest.mark.member_role(ACCOUNT)
@pytest.mark.parametrize("service", ["securityhub", "guardduty"])
def test_a_suspended_account_outside_the_organisation_cannot_accept(
    rollcall: Rollcall, service: str
) -> None:
    """AWS denies all calls of its roles, and its owner may reinstate it before the deadline."""
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email=email(ACCOUNT), state="SUSPENDED")

    rollcall.run(outside(ACCOUNT, **at(service)))

    told = entry(rollcall)
    assert (told["outcome"], told["status"]) == ("timed out", "Invited")
    assert told.get("reason_code") == ReasonCode.ACCEPTANCE_FAILED
    assert "AccessDeniedException" in told["reason"]


# Readings in words that nobody knows


@pytest.mark.parametrize("service", ["securityhub", "guardduty", "detective"])
def test_an_account_that_cannot_be_read_is_left_alone_until_it_can(
    rollcall: Rollcall, service: str
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, volume="known")
    say(rollcall, service, "GetMembers", UNKNOWN_WORDS, times=5)

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], **at(service)})

    assert execution.states[-1] == "Complete"
    assert the_one(rollcall).outcome is Outcome.ENABLED
    called = rollcall.operations(service)
    assert called[: called.index("CreateMembers")].count("GetMembers") == 6


def test_a_member_that_resigned_is_not_created_because_it_cannot_be_read(
    rollcall: Rollcall,
) -> None:
    resigned_from_the_organisation(rollcall)
    say(rollcall, "securityhub", "GetMembers", UNKNOWN_WORDS, times=5)

    rollcall.run({"accounts": [{"id": ACCOUNT}], **at("securityhub")})

    told = entry(rollcall)
    assert (told["outcome"], told.get("reason_code")) == ("failed", ReasonCode.RESIGNED)
    assert [change["status"] for change in told["transitions"]] == ["Unknown", "Resigned"]
    assert "CreateMembers" not in rollcall.operations("securityhub")


def test_a_member_that_is_never_read_times_out_in_the_words_of_the_service(
    rollcall: Rollcall,
) -> None:
    resigned_from_the_organisation(rollcall)
    say(rollcall, "securityhub", "GetMembers", UNKNOWN_WORDS)

    rollcall.run({"accounts": [{"id": ACCOUNT}], **at("securityhub")})

    told = entry(rollcall)
    assert (told["outcome"], told["status"]) == ("timed out", "Unknown")
    assert told.get("reason_code") == ReasonCode.UNREADABLE
    assert UNKNOWN_WORDS in told["reason"]
    assert "CreateMembers" not in rollcall.operations("securityhub")


def resigned_from_the_organisation(rollcall: Rollcall) -> None:
    """A member of the organisation whose owner switched Security Hub off."""
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    create(rollcall, "securityhub", ACCOUNT)
    call(rollcall, ACCOUNT, "securityhub", "DisableSecurityHub")
    assert status(rollcall, "securityhub", ACCOUNT) == "Resigned"


# Members that were removed, or begun by hand


@pytest.mark.parametrize(
    ("service", "left_as"), [("securityhub", "Deleted"), ("guardduty", "Removed")]
)
def test_an_account_that_left_the_organisation_is_created_and_invited(
    rollcall: Rollcall, service: str, left_as: str
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, email=email(ACCOUNT))
    create(rollcall, service, ACCOUNT)
    rollcall.world.apply({"do": "remove_account", "account_id": ACCOUNT})
    assert status(rollcall, service, ACCOUNT) == left_as

    enrolled_again_as_an_outside_account(rollcall, service)


def test_an_account_that_was_disassociated_is_created_and_invited(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email=email(ACCOUNT), accepts_after=1)
    invite(rollcall, "securityhub", ACCOUNT)
    disassociate(rollcall, "securityhub", ACCOUNT)
    assert status(rollcall, "securityhub", ACCOUNT) == "Removed"

    enrolled_again_as_an_outside_account(rollcall, "securityhub")


def enrolled_again_as_an_outside_account(rollcall: Rollcall, service: str) -> None:
    """Invited once more by a run; its owner accepts after half an hour."""
    accepts = {"do": "set_account", "account_id": ACCOUNT, "accepts_after": 30 * MINUTE}
    rollcall.world.apply(accepts)
    began = rollcall.clock.now()

    execution = rollcall.run(outside(ACCOUNT, **at(service)))

    assert execution.states[-1] == "Complete"
    assert the_one(rollcall).outcome is Outcome.ENABLED
    assert rollcall.clock.now() - began <= 2 * HOUR
    calls = [one for one in rollcall.operations(service) if "Members" in one]
    acts = [one for one in calls if one != "GetMembers"]
    assert acts == ["CreateMembers", "InviteMembers"]


@pytest.mark.parametrize(
    ("service", "begin"),
    [
        ("securityhub", create),
        ("securityhub", invite),
        ("guardduty", create),
        ("guardduty", invite),
        # Creating invites there.
        ("detective", create),
    ],
)
def test_what_somebody_began_by_hand_for_an_account_of_the_organisation_is_taken_up(
    rollcall: Rollcall, service: str, begin: Callable[..., None]
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email=email(ACCOUNT), volume="known")
    begin(rollcall, service, ACCOUNT)
    rollcall.add_account(ACCOUNT, email=email(ACCOUNT), volume="known")
    assert str(status(rollcall, service, ACCOUNT)).title() in ("Created", "Invited")

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], **at(service)})

    assert execution.states[-1] == "Complete"
    membership = the_one(rollcall)
    assert (membership.outcome, membership.mode) == (Outcome.ENABLED, Mode.ORGANIZATION)


@pytest.mark.parametrize(("service", "begin"), [("guardduty", invite), ("detective", create)])
def test_an_invitation_with_a_wrong_address_does_not_keep_an_account_of_the_organisation_out(
    rollcall: Rollcall, service: str, begin: Callable[..., None]
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email="another@example.com", volume="known")
    begin(rollcall, service, ACCOUNT)
    rollcall.add_account(ACCOUNT, email="another@example.com", volume="known")
    assert "FAILED" in str(status(rollcall, service, ACCOUNT)).upper()

    rollcall.run({"accounts": [{"id": ACCOUNT}], **at(service)})

    assert the_one(rollcall).outcome is Outcome.ENABLED


@pytest.mark.member_role(ACCOUNT)
@pytest.mark.parametrize("service", ["securityhub", "guardduty"])
def test_an_account_of_another_administrator_fails_at_once_and_names_it(
    rollcall: Rollcall, service: str
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(OTHER)
    rollcall.add_outside(ACCOUNT, email=email(ACCOUNT), accepts_after=1)
    place = {"service": service, "account_id": OTHER, "regions": [HERE]}
    rollcall.world.apply({"do": "enable", **place})
    invite(rollcall, service, ACCOUNT, administrator=OTHER)
    rollcall.world.apply({"do": "set_account", "account_id": ACCOUNT, "accepts_after": None})
    began = rollcall.clock.now()

    rollcall.run(outside(ACCOUNT, **at(service)))

    assert rollcall.clock.now() - began <= 5 * MINUTE
    told = entry(rollcall)
    assert (told["outcome"], told.get("reason_code")) == ("failed", ReasonCode.OTHER_ADMINISTRATOR)
    assert OTHER in told["reason"]


# Accounts that Organizations does not show yet


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ({}, 5 * MINUTE),
        ({"mode": "organization"}, 5 * MINUTE),
        # Longer than it is certain without that word that an account is outside.
        ({"mode": "organization"}, 15 * MINUTE),
    ],
    ids=["unsaid", "said", "said-and-later"],
)
def test_an_account_that_organizations_shows_late_is_enrolled_without_an_invitation(
    rollcall: Rollcall, mode: dict[str, str], shown: float
) -> None:
    rollcall.found_organization()
    rollcall.meanwhile(shown, lambda: rollcall.add_account(ACCOUNT, email=email(ACCOUNT)))

    execution = rollcall.run(with_email(ACCOUNT, regions=[HERE], **mode))

    assert execution.states[-1] == "Complete"
    told = rollcall.memberships(ACCOUNT).values()
    assert {m.outcome for m in told} == {Outcome.ENABLED}
    assert {m.mode for m in told} == {Mode.ORGANIZATION}
    assert rollcall.world.snapshot()["invitations"] == []


@pytest.mark.parametrize(
    ("mode", "earliest", "latest"),
    [({}, 10 * MINUTE, 20 * MINUTE), ({"mode": "invitation"}, 0, MINUTE)],
    ids=["unsaid", "said"],
)
def test_an_account_outside_is_invited_once_it_is_certain_that_it_is_outside(
    rollcall: Rollcall, mode: dict[str, str], earliest: float, latest: float
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email=email(ACCOUNT), accepts_after=MINUTE)
    began = rollcall.clock.now()

    execution = rollcall.run(with_email(ACCOUNT, **at("guardduty"), **mode))

    assert execution.states[-1] == "Complete"
    created = history(rollcall, "guardduty", ACCOUNT)[0]["at"]
    assert earliest <= created - began <= latest
    assert the_one(rollcall).mode is Mode.INVITATION


def test_an_installation_without_an_organisation_invites_at_once(rollcall: Rollcall) -> None:
    place = {"service": "guardduty", "account_id": ADMINISTRATOR, "regions": [HERE]}
    rollcall.world.apply({"do": "enable", **place})
    rollcall.add_outside(ACCOUNT, email=email(ACCOUNT), accepts_after=MINUTE)
    began = rollcall.clock.now()

    execution = rollcall.run(with_email(ACCOUNT, **at("guardduty")))

    assert execution.states[-1] == "Complete"
    assert history(rollcall, "guardduty", ACCOUNT)[0]["at"] - began <= MINUTE
