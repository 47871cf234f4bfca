"""Security Hub: the calls made, and what their answers mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    Conflict,
    CredentialsRefused,
    ServiceRefused,
    ServiceUnavailable,
    Throttled,
)
from functions.enrolment.membership import Answer, Observation, Status, Verdict
from functions.enrolment.reason import ReasonCode
from functions.services.securityhub import SecurityHub, SecurityHubInvitee
from tests.unit.services.stubs import ADMINISTRATOR, ONE, STRANGER, THREE, TOO_MANY, TWO, stubbed

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.stub import Stubber

TAKEN = Answer(Verdict.TAKEN)
ALREADY_MEMBER = (
    "The request is rejected because the given account ID is already a member or associated member "
    "of the current account."
)


def hub_is_off(stubber: Stubber, operation: str) -> None:
    stubber.add_client_error(
        operation,
        "InvalidAccessException",
        f"Account {ADMINISTRATOR} is not subscribed to AWS Security Hub",
        http_status_code=401,
    )


def test_the_administrator_has_no_resource_and_none_is_asked_for() -> None:
    with stubbed("securityhub") as (client, _):
        assert SecurityHub(client).administrator_resource() == ""


def test_a_member_that_is_not_found_is_absent_and_the_others_are_observed() -> None:
    with stubbed("securityhub") as (client, stubber):
        stubber.add_client_error(
            "get_members",
            "ResourceNotFoundException",
            f"Account {TWO} is not a member",
            http_status_code=404,
            expected_params={"AccountIds": [ONE, TWO]},
        )
        member = {"AccountId": ONE, "MemberStatus": "Enabled"}
        stubber.add_response(
            "get_members",
            {"Members": [member], "UnprocessedAccounts": []},
            {"AccountIds": [ONE]},
        )

        seen = SecurityHub(client).observe("", [ONE, TWO])

    assert {(one.account_id, one.status) for one in seen} == {
        (ONE, Status.ENABLED),
        (TWO, Status.ABSENT),
    }


def test_what_is_not_found_and_is_no_account_is_refused() -> None:
    with stubbed("securityhub") as (client, stubber):
        stubber.add_client_error(
            "get_members", "ResourceNotFoundException", "No hub", http_status_code=404
        )

        with pytest.raises(ServiceRefused):
            SecurityHub(client).observe("", [ONE])


def test_every_account_is_observed_once_in_the_order_asked() -> None:
    with stubbed("securityhub") as (client, stubber):
        stubber.add_response(
            "get_members",
            {
                "Members": [
                    {"AccountId": TWO, "MemberStatus": "Enabled"},
                    {"AccountId": ONE, "MemberStatus": "Sleeping"},
                    {"AccountId": STRANGER, "MemberStatus": "Enabled"},
                ],
                "UnprocessedAccounts": [],
            },
            {"AccountIds": [ONE, TWO, THREE]},
        )

        seen = SecurityHub(client).observe("", [ONE, TWO, THREE])

    assert seen == (
        Observation(ONE, Status.UNKNOWN, "Sleeping"),
        Observation(TWO, Status.ENABLED, "Enabled"),
        Observation(THREE, Status.ABSENT, "Absent"),
    )


def test_an_account_the_service_failed_to_read_is_unknown_not_absent() -> None:
    with stubbed("securityhub") as (client, stubber):
        stubber.add_response(
            "get_members",
            {
                "Members": [],
                "UnprocessedAccounts": [
                    {"AccountId": ONE, "ProcessingResult": "Internal error"},
                    {"AccountId": TWO, "ProcessingResult": "no such member: two@example.com"},
                    {"AccountId": THREE, "ProcessingResult": "ask three@example.com"},
                ],
            },
        )

        seen = SecurityHub(client).observe("", [ONE, TWO, THREE])

    assert seen == (
        Observation(ONE, Status.UNKNOWN, "Unknown", "Internal error"),
        Observation(TWO, Status.ABSENT, "Absent", "no such member: (e-mail)"),
        Observation(THREE, Status.UNKNOWN, "Unknown", "ask (e-mail)"),
    )


def test_an_e_mail_address_is_sent_only_where_one_is_known() -> None:
    with stubbed("securityhub") as (client, stubber):
        stubber.add_response(
            "create_members",
            {"UnprocessedAccounts": [{"AccountId": TWO, "ProcessingResult": ALREADY_MEMBER}]},
            {
                "AccountDetails": [
                    {"AccountId": ONE, "Email": "one@example.com"},
                    {"AccountId": TWO},
                ]
            },
        )

        answers = SecurityHub(client).create("", {ONE: "one@example.com", TWO: None})

    assert answers == {ONE: TAKEN, TWO: Answer(Verdict.BENIGN, ALREADY_MEMBER)}


def test_an_invitation_has_neither_message_nor_e_mail() -> None:
    with stubbed("securityhub") as (client, stubber):
        stubber.add_response("invite_members", {}, {"AccountIds": [ONE, TWO]})

        answers = SecurityHub(client).invite("", [ONE, TWO])

    assert answers == {ONE: TAKEN, TWO: TAKEN}


def test_there_is_no_restart() -> None:
    with stubbed("securityhub") as (client, _), pytest.raises(NotImplementedError):
        SecurityHub(client).restart("", [ONE])


@pytest.mark.parametrize("accounts", [[], TOO_MANY])
def test_a_call_carries_1_to_50_accounts(accounts: list[Any]) -> None:
    with stubbed("securityhub") as (client, _):
        hub = SecurityHub(client)

        with pytest.raises(ValueError, match="1 to 50 accounts"):
            hub.observe("", accounts)
        with pytest.raises(ValueError, match="1 to 50 accounts"):
            hub.create("", dict.fromkeys(accounts))
        with pytest.raises(ValueError, match="1 to 50 accounts"):
            hub.invite("", accounts)


@pytest.mark.parametrize("operation", ["get_members", "create_members", "invite_members"])
def test_a_hub_that_is_off_names_the_call_that_turns_it_on(operation: str) -> None:
    with stubbed("securityhub") as (client, stubber):
        hub_is_off(stubber, operation)
        hub = SecurityHub(client)
        calls: dict[str, Callable[[], object]] = {
            "get_members": lambda: hub.observe("", [ONE]),
            "create_members": lambda: hub.create("", {ONE: None}),
            "invite_members": lambda: hub.invite("", [ONE]),
        }

        with pytest.raises(AdministratorNotReady) as caught:
            calls[operation]()

    assert str(caught.value) == (
        "Security Hub is not enabled in eu-west-1 of the administrator account: "
        "call securityhub EnableSecurityHub there"
    )


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("LimitExceededException", 429, Throttled),
        ("InternalException", 500, ServiceUnavailable),
        ("AccessDeniedException", 403, AccessDenied),
        ("ResourceConflictException", 409, Conflict),
    ],
)
def test_errors_are_raised_as_ours(code: str, status: int, error: type[Exception]) -> None:
    with stubbed("securityhub") as (client, stubber):
        stubber.add_client_error("create_members", code, "words", http_status_code=status)

        with pytest.raises(error, match=f"^Security Hub CreateMembers: {code}: words$"):
            SecurityHub(client).create("", {ONE: None})


def test_another_invalid_access_is_a_denial() -> None:
    with stubbed("securityhub") as (client, stubber):
        stubber.add_client_error(
            "get_members",
            "InvalidAccessException",
            f"Account {ADMINISTRATOR} is not an administrator for this organization",
            http_status_code=401,
        )

        with pytest.raises(AccessDenied, match="is not an administrator for this organization"):
            SecurityHub(client).observe("", [ONE])


def invitation(account: str, number: str, day: int) -> dict[str, Any]:
    return {
        "AccountId": account,
        "InvitationId": number,
        "InvitedAt": datetime(2026, 11, day, tzinfo=UTC),
        "MemberStatus": "Invited",
    }


def invited_by_us(stubber: Stubber) -> None:
    stubber.add_response("list_invitations", {"Invitations": [invitation(ADMINISTRATOR, "a", 1)]})


def enabled(stubber: Stubber) -> None:
    stubber.add_response("enable_security_hub", {}, {"EnableDefaultStandards": False})


def already_enabled(stubber: Stubber) -> None:
    stubber.add_client_error(
        "enable_security_hub",
        "ResourceConflictException",
        "Account is already subscribed to Security Hub",
        http_status_code=409,
    )


def accepted(stubber: Stubber) -> None:
    stubber.add_response(
        "accept_administrator_invitation",
        {},
        {"AdministratorId": ADMINISTRATOR, "InvitationId": "a"},
    )


def test_our_newest_invitation_is_accepted_whatever_strangers_sent() -> None:
    with stubbed("securityhub") as (client, stubber):
        stubber.add_response(
            "list_invitations",
            {
                "Invitations": [invitation(STRANGER, "s1", 20), invitation(ADMINISTRATOR, "a1", 2)],
                "NextToken": "t",
            },
            {},
        )
        stubber.add_response(
            "list_invitations",
            {"Invitations": [invitation(ADMINISTRATOR, "a2", 12), invitation(STRANGER, "s2", 21)]},
            {"NextToken": "t"},
        )
        enabled(stubber)
        stubber.add_response(
            "accept_administrator_invitation",
            {},
            {"AdministratorId": ADMINISTRATOR, "InvitationId": "a2"},
        )

        assert SecurityHubInvitee(client).accept(ADMINISTRATOR) == TAKEN


def denied_to_enable(stubber: Stubber) -> None:
    stubber.add_client_error(
        "enable_security_hub",
        "AccessDeniedException",
        "not authorized to perform: securityhub:EnableSecurityHub",
        http_status_code=403,
    )


def test_a_hub_that_may_not_be_enabled_may_be_on() -> None:
    with stubbed("securityhub") as (client, stubber):
        invited_by_us(stubber)
        denied_to_enable(stubber)
        accepted(stubber)

        assert SecurityHubInvitee(client).accept(ADMINISTRATOR) == Answer(Verdict.TAKEN)


def test_a_hub_that_is_off_and_may_not_be_enabled_is_reported_as_the_denial() -> None:
    with stubbed("securityhub") as (client, stubber):
        invited_by_us(stubber)
        denied_to_enable(stubber)
        hub_is_off(stubber, "accept_administrator_invitation")

        answer = SecurityHubInvitee(client).accept(ADMINISTRATOR)

    assert answer.verdict is Verdict.RETRY
    assert "EnableSecurityHub: AccessDeniedException" in answer.text


def test_a_strangers_invitation_is_never_accepted_and_nothing_is_enabled_for_it() -> None:
    with stubbed("securityhub") as (client, stubber):
        stubber.add_response("list_invitations", {"Invitations": [invitation(STRANGER, "s", 1)]})

        answer = SecurityHubInvitee(client).accept(ADMINISTRATOR)

    assert answer.verdict is Verdict.RETRY


def test_a_new_member_gets_a_hub_without_standards_and_is_accepted_for_in_three_calls() -> None:
    with stubbed("securityhub") as (client, stubber):
        invited_by_us(stubber)
        enabled(stubber)
        accepted(stubber)

        assert SecurityHubInvitee(client).accept(ADMINISTRATOR) == TAKEN


def test_a_hub_that_is_on_already_is_as_good() -> None:
    with stubbed("securityhub") as (client, stubber):
        invited_by_us(stubber)
        already_enabled(stubber)
        accepted(stubber)

        assert SecurityHubInvitee(client).accept(ADMINISTRATOR) == TAKEN


def test_where_invitations_cannot_be_listed_without_a_hub_it_is_enabled_first() -> None:
    with stubbed("securityhub") as (client, stubber):
        hub_is_off(stubber, "list_invitations")
        enabled(stubber)
        invited_by_us(stubber)
        accepted(stubber)

        assert SecurityHubInvitee(client).accept(ADMINISTRATOR) == TAKEN


def test_a_hub_enabled_meanwhile_is_as_good() -> None:
    with stubbed("securityhub") as (client, stubber):
        hub_is_off(stubber, "list_invitations")
        already_enabled(stubber)
        invited_by_us(stubber)
        accepted(stubber)

        assert SecurityHubInvitee(client).accept(ADMINISTRATOR) == TAKEN


def test_a_hub_that_listing_needs_and_may_not_be_enabled_is_an_error() -> None:
    with stubbed("securityhub") as (client, stubber):
        hub_is_off(stubber, "list_invitations")
        stubber.add_client_error(
            "enable_security_hub", "AccessDeniedException", "no", http_status_code=403
        )

        with pytest.raises(AccessDenied, match="Security Hub EnableSecurityHub"):
            SecurityHubInvitee(client).accept(ADMINISTRATOR)


def test_a_hub_that_is_not_on_at_once_is_tried_again_later() -> None:
    with stubbed("securityhub") as (client, stubber):
        hub_is_off(stubber, "list_invitations")
        stubber.add_response("enable_security_hub", {})
        hub_is_off(stubber, "list_invitations")

        answer = SecurityHubInvitee(client).accept(ADMINISTRATOR)

    assert answer.verdict is Verdict.RETRY
    assert "is not subscribed to AWS Security Hub" in answer.text


def test_a_hub_that_is_not_on_for_the_acceptance_yet_is_tried_again_later() -> None:
    with stubbed("securityhub") as (client, stubber):
        invited_by_us(stubber)
        enabled(stubber)
        hub_is_off(stubber, "accept_administrator_invitation")

        answer = SecurityHubInvitee(client).accept(ADMINISTRATOR)

    assert answer.verdict is Verdict.RETRY
    assert "is not subscribed to AWS Security Hub" in answer.text


def acceptance_refused(stubber: Stubber, code: str, text: str, status: int) -> None:
    invited_by_us(stubber)
    already_enabled(stubber)
    stubber.add_client_error("accept_administrator_invitation", code, text, http_status_code=status)


NO_INVITATION = (
    "The request is rejected because the current account has no pending invitation from "
    "the given master account ID or is already an associated member of another master "
    "account."
)


@pytest.mark.parametrize(
    ("administrator", "verdict", "code"),
    [
        ({"AccountId": ADMINISTRATOR, "MemberStatus": "Enabled"}, Verdict.BENIGN, None),
        (
            {"AccountId": STRANGER, "MemberStatus": "Enabled"},
            Verdict.PERMANENT,
            ReasonCode.OTHER_ADMINISTRATOR,
        ),
        ({"AccountId": ADMINISTRATOR, "MemberStatus": "Invited"}, Verdict.RETRY, None),
        ({"AccountId": STRANGER, "MemberStatus": "Invited"}, Verdict.RETRY, None),
        ({"AccountId": STRANGER, "MemberStatus": "Sleeping"}, Verdict.RETRY, None),
        ({}, Verdict.RETRY, None),
    ],
)
@pytest.mark.parametrize(
    ("error", "status"), [("InvalidInputException", 400), ("ResourceConflictException", 409)]
)
def test_a_refused_acceptance_depends_on_who_administers_the_account(
    administrator: dict[str, Any],
    verdict: Verdict,
    code: ReasonCode | None,
    error: str,
    status: int,
) -> None:
    with stubbed("securityhub") as (client, stubber):
        acceptance_refused(stubber, error, NO_INVITATION, status)
        stubber.add_response("get_administrator_account", {"Administrator": administrator})

        answer = SecurityHubInvitee(client).accept(ADMINISTRATOR)

    assert (answer.verdict, answer.code) == (verdict, code)
    assert NO_INVITATION in answer.text
    named = f"(its administrator is {STRANGER})" in answer.text
    assert named is (code is ReasonCode.OTHER_ADMINISTRATOR)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ResourceNotFoundException", 404),
        ("AccessDeniedException", 403),
        ("InternalException", 500),
    ],
)
def test_a_lookup_that_fails_leaves_the_refusal_to_speak(code: str, status: int) -> None:
    with stubbed("securityhub") as (client, stubber):
        acceptance_refused(stubber, "InvalidInputException", NO_INVITATION, 400)
        stubber.add_client_error("get_administrator_account", code, http_status_code=status)

        answer = SecurityHubInvitee(client).accept(ADMINISTRATOR)

    assert answer.verdict is Verdict.RETRY
    assert NO_INVITATION in answer.text


def test_a_denied_acceptance_is_looked_into_as_well() -> None:
    with stubbed("securityhub") as (client, stubber):
        acceptance_refused(stubber, "InvalidAccessException", "no", 401)
        stubber.add_response(
            "get_administrator_account",
            {"Administrator": {"AccountId": STRANGER, "MemberStatus": "Enabled"}},
        )

        answer = SecurityHubInvitee(client).accept(ADMINISTRATOR)

    assert answer == Answer(
        Verdict.PERMANENT,
        "Security Hub AcceptAdministratorInvitation: InvalidAccessException: no "
        f"(its administrator is {STRANGER})",
        ReasonCode.OTHER_ADMINISTRATOR,
    )


def test_credentials_that_are_not_known_are_an_error() -> None:
    with stubbed("securityhub") as (client, stubber):
        acceptance_refused(stubber, "UnrecognizedClientException", "no", 403)

        with pytest.raises(CredentialsRefused):
            SecurityHubInvitee(client).accept(ADMINISTRATOR)


def test_a_denied_member_role_is_a_denial() -> None:
    with stubbed("securityhub") as (client, stubber):
        stubber.add_client_error(
            "list_invitations", "AccessDeniedException", "no", http_status_code=403
        )

        with pytest.raises(AccessDenied, match="Security Hub ListInvitations"):
            SecurityHubInvitee(client).accept(ADMINISTRATOR)
