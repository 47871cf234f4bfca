"""What one service alone does at the administrator's side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from functions.enrolment.configuration import Invitation
from functions.enrolment.errors import AccessDenied, ServiceRefused
from functions.enrolment.membership import Answer, Observation, Status, Verdict
from functions.enrolment.reason import ReasonCode
from functions.services.detective import Detective
from functions.services.guardduty import GuardDuty
from functions.services.securityhub import SecurityHub
from tests.unit.services.stubs import (
    ADMINISTRATOR,
    ONE,
    STRANGER,
    THREE,
    TWO,
    asked,
    refused,
    stubbed,
)

if TYPE_CHECKING:
    from functions.enrolment.account import AccountId

SILENT = Invitation()
TAKEN = Answer(Verdict.TAKEN)
GRAPH = f"arn:aws:detective:eu-west-1:{ADMINISTRATOR}:graph:{'a' * 32}"
DETECTOR = "d" * 32


def test_security_hub_finds_a_member_missing_and_the_others_are_observed() -> None:
    member = {"AccountId": ONE, "MemberStatus": "Enabled"}
    with stubbed(
        "securityhub",
        refused("get_members", "ResourceNotFoundException", f"{TWO} is no member", 404),
        asked("get_members", {"AccountIds": [ONE]}, Members=[member]),
        refused("get_members", "ResourceNotFoundException", f"{TWO} is no member", 404),
    ) as client:
        hub = SecurityHub(client, lambda _: client)

        assert hub.observe("", [ONE, TWO]) == (
            Observation(TWO, Status.ABSENT, "Absent"),
            Observation(ONE, Status.ENABLED, "Enabled"),
        )
        assert hub.observe("", [TWO]) == (Observation(TWO, Status.ABSENT, "Absent"),)


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        ("ResourceNotFoundException", "No hub", ServiceRefused),
        ("InvalidInputException", f"{ONE} is none", ServiceRefused),
        ("InvalidAccessException", f"{ONE} is not an administrator", AccessDenied),
    ],
)
def test_any_other_refusal_of_security_hub_is_one(
    code: str, text: str, error: type[Exception]
) -> None:
    with (
        stubbed("securityhub", refused("get_members", code, text)) as client,
        pytest.raises(error, match=f"^Security Hub CSPM GetMembers: {code}: {text}$"),
    ):
        SecurityHub(client, lambda _: client).observe("", [ONE])


def test_security_hub_is_given_an_e_mail_address_only_where_one_is_known() -> None:
    request = {"AccountDetails": [{"AccountId": ONE}, {"AccountId": TWO, "Email": "a@b"}]}
    with stubbed("securityhub", asked("create_members", request)) as client:
        answers = SecurityHub(client, lambda _: client).create("", {ONE: None, TWO: "a@b"})

    assert answers == {ONE: TAKEN, TWO: TAKEN}


def test_guardduty_is_asked_about_accounts_with_a_usable_e_mail_only() -> None:
    """Any address of 1 to 64 characters."""
    request = {"DetectorId": DETECTOR, "AccountDetails": [{"AccountId": ONE, "Email": "nobody"}]}
    with stubbed("guardduty", asked("create_members", request, UnprocessedAccounts=[])) as client:
        guardduty = GuardDuty(client, SILENT)
        unusable = {TWO: None, THREE: "a" * 65}
        answers = guardduty.create(DETECTOR, {ONE: "nobody", **unusable})
        none = guardduty.create(DETECTOR, unusable)

    assert answers == {ONE: TAKEN, **none}
    assert {each.code for each in none.values()} == {ReasonCode.EMAIL_UNUSABLE}


@pytest.mark.parametrize(
    "email", [None, "nobody", "a@nodot", "a@example.c", "a@-x.com", f"{'a' * 53}@example.com"]
)
def test_detective_is_asked_about_accounts_with_a_usable_e_mail_only(email: str | None) -> None:
    """The model's pattern: one address that does not match makes it refuse the whole call."""
    request = {
        "GraphArn": GRAPH,
        "Accounts": [{"AccountId": ONE, "EmailAddress": "one@example.com"}],
        "DisableEmailNotification": True,
    }
    with stubbed("detective", asked("create_members", request)) as client:
        detective = Detective(client, SILENT)
        answers = detective.create(GRAPH, {ONE: "one@example.com", TWO: email})
        none = detective.create(GRAPH, {TWO: email})

    assert answers == {ONE: TAKEN, **none}
    assert none[TWO].code is ReasonCode.EMAIL_UNUSABLE
    assert email is None or email not in none[TWO].text


def test_detective_says_why_a_member_is_disabled() -> None:
    disabled = {"Status": "ACCEPTED_BUT_DISABLED", "DisabledReason": "VOLUME_UNKNOWN"}
    request = {"GraphArn": GRAPH, "AccountIds": [ONE]}
    members = [{"AccountId": ONE, **disabled}]
    with stubbed(
        "detective",
        asked("get_members", request, MemberDetails=members),
        asked("list_members", {"GraphArn": GRAPH, "MaxResults": 200}, MemberDetails=members),
    ) as client:
        (seen,) = Detective(client, SILENT).observe(GRAPH, [ONE])
        (listed,) = Detective(client, SILENT).members(GRAPH)

    assert (seen.status, seen.detail) == (Status.ACCEPTED_BUT_DISABLED, "VOLUME_UNKNOWN")
    assert listed == seen


def test_detective_restarts_members_one_by_one() -> None:
    """How their errors are shared out: tests/unit/services/test_batches.py."""

    def restarted(account: AccountId) -> dict[str, str]:
        return {"GraphArn": GRAPH, "AccountId": account}

    with stubbed(
        "detective",
        # A volume that is not known yet may be called a quota.
        refused("start_monitoring_member", "ServiceQuotaExceededException", status=402),
        asked("start_monitoring_member", restarted(TWO)),
        # It changed meanwhile: left to the next reading.
        refused("start_monitoring_member", "ValidationException", "The member is ENABLED"),
        asked("start_monitoring_member", restarted(STRANGER)),
    ) as client:
        answers = Detective(client, SILENT).restart(GRAPH, [ONE, TWO, THREE, STRANGER])

    said = "Detective StartMonitoringMember: "
    assert answers == {
        ONE: Answer(Verdict.RETRY, f"{said}ServiceQuotaExceededException: words"),
        TWO: TAKEN,
        THREE: Answer(Verdict.UNKNOWN, f"{said}ValidationException: The member is ENABLED"),
        STRANGER: TAKEN,
    }
