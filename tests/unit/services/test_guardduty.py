"""GuardDuty: the calls made, and what their answers mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.configuration import Invitation
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    CredentialsRefused,
    ServiceRefused,
    ServiceUnavailable,
    Throttled,
)
from functions.enrolment.membership import Answer, Observation, Status, Verdict
from functions.enrolment.reason import ReasonCode
from functions.services.guardduty import GuardDuty, GuardDutyInvitee
from tests.unit.services.stubs import ADMINISTRATOR, ONE, STRANGER, THREE, TOO_MANY, TWO, stubbed

if TYPE_CHECKING:
    from botocore.stub import Stubber

DETECTOR = "d" * 32
SILENT = Invitation()
TAKEN = Answer(Verdict.TAKEN)
EXISTS = "The request is rejected because a detector already exists for the current account."
NEW_DETECTOR = {"Enable": True}
NOT_READY = (
    "GuardDuty has no detector in eu-west-1 of the administrator account: "
    "call guardduty CreateDetector there"
)


def member(account: str, status: str) -> dict[str, str]:
    return {
        "AccountId": account,
        "MasterId": ADMINISTRATOR,
        "Email": "member@example.com",
        "RelationshipStatus": status,
        "UpdatedAt": "2026-11-21T10:00:00.000Z",
    }


def test_the_administrators_detector_is_found() -> None:
    with stubbed("guardduty") as (client, stubber):
        stubber.add_response("list_detectors", {"DetectorIds": [DETECTOR]}, {})

        assert GuardDuty(client, SILENT).administrator_resource() == DETECTOR


def test_the_detector_may_be_on_the_second_page() -> None:
    with stubbed("guardduty") as (client, stubber):
        stubber.add_response("list_detectors", {"DetectorIds": [], "NextToken": "t"})
        stubber.add_response("list_detectors", {"DetectorIds": [DETECTOR]}, {"NextToken": "t"})

        assert GuardDuty(client, SILENT).administrator_resource() == DETECTOR


def test_without_a_detector_the_call_that_makes_one_is_named() -> None:
    with stubbed("guardduty") as (client, stubber):
        stubber.add_response("list_detectors", {"DetectorIds": []})

        with pytest.raises(AdministratorNotReady) as caught:
            GuardDuty(client, SILENT).administrator_resource()

    assert str(caught.value) == NOT_READY


@pytest.mark.parametrize(
    "text",
    [
        "The request is rejected because the input detectorId is not owned by the current account.",
        "The request is rejected since no such resource found.",
    ],
)
def test_a_detector_deleted_meanwhile_is_reported_the_same_way(text: str) -> None:
    with stubbed("guardduty") as (client, stubber):
        stubber.add_client_error("get_members", "BadRequestException", text, http_status_code=400)

        with pytest.raises(AdministratorNotReady) as caught:
            GuardDuty(client, SILENT).observe(DETECTOR, [ONE])

    assert str(caught.value) == NOT_READY


def test_every_account_is_observed_once_in_the_order_asked() -> None:
    with stubbed("guardduty") as (client, stubber):
        stubber.add_response(
            "get_members",
            {
                "Members": [member(TWO, "EmailVerificationInProgress"), member(ONE, "Enabled")],
                "UnprocessedAccounts": [],
            },
            {"DetectorId": DETECTOR, "AccountIds": [ONE, TWO, THREE]},
        )

        seen = GuardDuty(client, SILENT).observe(DETECTOR, [ONE, TWO, THREE])

    assert seen == (
        Observation(ONE, Status.ENABLED, "Enabled"),
        Observation(TWO, Status.VERIFYING, "EmailVerificationInProgress"),
        Observation(THREE, Status.ABSENT, "Absent"),
    )


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Internal error", Status.UNKNOWN),
        (
            "The request is rejected because the given account ID is not an associated member of "
            "account the current account.",
            Status.ABSENT,
        ),
        ("Out of cheese", Status.UNKNOWN),
    ],
)
def test_what_is_said_of_an_account_that_is_not_returned_is_kept(text: str, status: Status) -> None:
    with stubbed("guardduty") as (client, stubber):
        stubber.add_response(
            "get_members",
            {"Members": [], "UnprocessedAccounts": [{"AccountId": ONE, "Result": text}]},
        )

        (seen,) = GuardDuty(client, SILENT).observe(DETECTOR, [ONE])

    assert (seen.status, seen.detail) == (status, text)


def test_an_account_without_a_usable_e_mail_fails_alone() -> None:
    with stubbed("guardduty") as (client, stubber):
        stubber.add_response(
            "create_members",
            {
                "UnprocessedAccounts": [
                    {
                        "AccountId": TWO,
                        "Result": "Operation failed because your organization master must first "
                        "enable GuardDuty to be added as a member",
                    }
                ]
            },
            {
                "DetectorId": DETECTOR,
                "AccountDetails": [
                    {"AccountId": ONE, "Email": "one@example.com"},
                    {"AccountId": TWO, "Email": "two@example.com"},
                ],
            },
        )
        emails = {ONE: "one@example.com", TWO: "two@example.com", THREE: None, STRANGER: "x" * 65}

        answers = GuardDuty(client, SILENT).create(DETECTOR, emails)

    assert {account: answer.verdict for account, answer in answers.items()} == {
        ONE: Verdict.TAKEN,
        TWO: Verdict.OUT_OF_REACH,
        THREE: Verdict.PERMANENT,
        STRANGER: Verdict.PERMANENT,
    }
    assert answers[THREE].text.endswith("no e-mail address is known")
    assert {answers[one].code for one in (THREE, STRANGER)} == {ReasonCode.EMAIL_UNUSABLE}


def test_nothing_is_called_for_accounts_without_e_mail() -> None:
    with stubbed("guardduty") as (client, _):
        answers = GuardDuty(client, SILENT).create(DETECTOR, {ONE: None})

    assert answers[ONE].verdict is Verdict.PERMANENT


@pytest.mark.parametrize(
    ("invitation", "sent"),
    [
        (Invitation(), {"DisableEmailNotification": True}),
        (Invitation(send_email=True), {"DisableEmailNotification": False}),
        (
            Invitation(message="Please join", send_email=True),
            {"DisableEmailNotification": False, "Message": "Please join"},
        ),
        (
            Invitation(message="Please join"),
            {"DisableEmailNotification": True, "Message": "Please join"},
        ),
    ],
)
def test_message_and_e_mail_are_as_configured(invitation: Invitation, sent: dict[str, Any]) -> None:
    with stubbed("guardduty") as (client, stubber):
        stubber.add_response(
            "invite_members",
            {"UnprocessedAccounts": []},
            {"DetectorId": DETECTOR, "AccountIds": [ONE], **sent},
        )

        assert GuardDuty(client, invitation).invite(DETECTOR, [ONE]) == {ONE: TAKEN}


def test_members_are_restarted_in_one_call() -> None:
    text = (
        "The request is rejected because the given account ID is not an associated member of "
        "account the current account."
    )
    with stubbed("guardduty") as (client, stubber):
        stubber.add_response(
            "start_monitoring_members",
            {"UnprocessedAccounts": [{"AccountId": TWO, "Result": text}]},
            {"DetectorId": DETECTOR, "AccountIds": [ONE, TWO]},
        )

        answers = GuardDuty(client, SILENT).restart(DETECTOR, [ONE, TWO])

    assert answers == {ONE: TAKEN, TWO: Answer(Verdict.PERMANENT, text, ReasonCode.REFUSED)}


@pytest.mark.parametrize("accounts", [[], TOO_MANY])
def test_a_call_carries_1_to_50_accounts(accounts: list[Any]) -> None:
    with stubbed("guardduty") as (client, _):
        guardduty = GuardDuty(client, SILENT)

        with pytest.raises(ValueError, match="1 to 50 accounts"):
            guardduty.observe(DETECTOR, accounts)
        with pytest.raises(ValueError, match="1 to 50 accounts"):
            guardduty.create(DETECTOR, dict.fromkeys(accounts, "one@example.com"))
        with pytest.raises(ValueError, match="1 to 50 accounts"):
            guardduty.invite(DETECTOR, accounts)
        with pytest.raises(ValueError, match="1 to 50 accounts"):
            guardduty.restart(DETECTOR, accounts)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("TooManyRequestsException", 429, Throttled),
        ("429", 429, Throttled),
        ("InternalServerErrorException", 500, ServiceUnavailable),
        ("AccessDeniedException", 403, AccessDenied),
        ("BadRequestException", 400, ServiceRefused),
    ],
)
def test_errors_are_raised_as_ours(code: str, status: int, error: type[Exception]) -> None:
    with stubbed("guardduty") as (client, stubber):
        stubber.add_client_error("invite_members", code, "words", http_status_code=status)

        with pytest.raises(error, match=f"^GuardDuty InviteMembers: {code}: words$"):
            GuardDuty(client, SILENT).invite(DETECTOR, [ONE])


def invitation(account: str, number: str, at: str) -> dict[str, str]:
    return {
        "AccountId": account,
        "InvitationId": number,
        "RelationshipStatus": "Invited",
        "InvitedAt": at,
    }


def invited_by_us(stubber: Stubber) -> None:
    stubber.add_response(
        "list_invitations",
        {"Invitations": [invitation(ADMINISTRATOR, "a", "2026-11-01T00:00:00.000Z")]},
    )


def test_our_newest_invitation_is_accepted_whatever_strangers_sent() -> None:
    with stubbed("guardduty") as (client, stubber):
        stubber.add_response(
            "list_invitations",
            {
                "Invitations": [
                    invitation(STRANGER, "s1", "2026-11-20T00:00:00.000Z"),
                    invitation(ADMINISTRATOR, "a1", "2026-11-02T00:00:00.000Z"),
                ],
                "NextToken": "t",
            },
        )
        stubber.add_response(
            "list_invitations",
            {"Invitations": [invitation(ADMINISTRATOR, "a2", "2026-11-12T00:00:00.000Z")]},
            {"NextToken": "t"},
        )
        stubber.add_response("create_detector", {"DetectorId": DETECTOR}, NEW_DETECTOR)
        stubber.add_response(
            "accept_administrator_invitation",
            {},
            {"DetectorId": DETECTOR, "AdministratorId": ADMINISTRATOR, "InvitationId": "a2"},
        )

        assert GuardDutyInvitee(client).accept(ADMINISTRATOR) == TAKEN


def test_a_strangers_invitation_is_never_accepted_and_nothing_is_enabled_for_it() -> None:
    with stubbed("guardduty") as (client, stubber):
        stubber.add_response(
            "list_invitations",
            {"Invitations": [invitation(STRANGER, "s", "2026-11-01T00:00:00.000Z")]},
        )

        answer = GuardDutyInvitee(client).accept(ADMINISTRATOR)

    assert answer.verdict is Verdict.RETRY


def detector_refused(
    stubber: Stubber, present: list[str], code: str = "BadRequestException", text: str = EXISTS
) -> None:
    stubber.add_client_error("create_detector", code, text, http_status_code=400)
    stubber.add_response("list_detectors", {"DetectorIds": present}, {})


def test_a_new_member_gets_a_detector_and_is_accepted_for_in_three_calls() -> None:
    with stubbed("guardduty") as (client, stubber):
        invited_by_us(stubber)
        stubber.add_response("create_detector", {"DetectorId": DETECTOR}, NEW_DETECTOR)
        stubber.add_response(
            "accept_administrator_invitation",
            {},
            {"DetectorId": DETECTOR, "AdministratorId": ADMINISTRATOR, "InvitationId": "a"},
        )

        assert GuardDutyInvitee(client).accept(ADMINISTRATOR) == TAKEN


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("BadRequestException", EXISTS),
        ("BadRequestException", "words nobody knows"),
        # By a service control policy, for example.
        ("AccessDeniedException", "not authorized to perform: guardduty:CreateDetector"),
    ],
)
def test_a_detector_that_is_there_is_used_as_it_is(code: str, text: str) -> None:
    with stubbed("guardduty") as (client, stubber):
        invited_by_us(stubber)
        detector_refused(stubber, [DETECTOR], code, text)
        stubber.add_response(
            "accept_administrator_invitation",
            {},
            {"DetectorId": DETECTOR, "AdministratorId": ADMINISTRATOR, "InvitationId": "a"},
        )

        assert GuardDutyInvitee(client).accept(ADMINISTRATOR) == TAKEN


@pytest.mark.parametrize(
    ("code", "error"),
    [("BadRequestException", ServiceRefused), ("AccessDeniedException", AccessDenied)],
)
def test_a_detector_that_cannot_be_made_is_an_error(code: str, error: type[Exception]) -> None:
    with stubbed("guardduty") as (client, stubber):
        invited_by_us(stubber)
        detector_refused(stubber, [], code, "no")

        with pytest.raises(error, match="GuardDuty CreateDetector"):
            GuardDutyInvitee(client).accept(ADMINISTRATOR)


ALREADY_ASSOCIATED = (
    "The request is rejected because the current account cannot accept invitations since it is "
    "already an associated member of some master account."
)


def acceptance_refused(
    stubber: Stubber, code: str = "BadRequestException", text: str = ALREADY_ASSOCIATED
) -> None:
    invited_by_us(stubber)
    detector_refused(stubber, [DETECTOR])
    stubber.add_client_error("accept_administrator_invitation", code, text, http_status_code=400)


@pytest.mark.parametrize(
    ("administrator", "verdict", "code"),
    [
        ({"AccountId": ADMINISTRATOR, "RelationshipStatus": "Enabled"}, Verdict.BENIGN, None),
        # Accepted and stopped since: the administrator's next reading says so.
        ({"AccountId": ADMINISTRATOR, "RelationshipStatus": "Disabled"}, Verdict.BENIGN, None),
        (
            {"AccountId": ADMINISTRATOR, "RelationshipStatus": "Invited"},
            Verdict.PERMANENT,
            ReasonCode.REFUSED,
        ),
        (
            {"AccountId": STRANGER, "RelationshipStatus": "Enabled"},
            Verdict.PERMANENT,
            ReasonCode.OTHER_ADMINISTRATOR,
        ),
        (
            {"AccountId": STRANGER, "RelationshipStatus": "Disabled"},
            Verdict.PERMANENT,
            ReasonCode.OTHER_ADMINISTRATOR,
        ),
        (
            {"AccountId": STRANGER, "RelationshipStatus": "Invited"},
            Verdict.PERMANENT,
            ReasonCode.REFUSED,
        ),
        ({}, Verdict.PERMANENT, ReasonCode.REFUSED),
    ],
)
def test_a_refused_acceptance_depends_on_who_administers_the_account(
    administrator: dict[str, Any], verdict: Verdict, code: ReasonCode | None
) -> None:
    with stubbed("guardduty") as (client, stubber):
        acceptance_refused(stubber)
        stubber.add_response(
            "get_administrator_account",
            {"Administrator": administrator},
            {"DetectorId": DETECTOR},
        )

        answer = GuardDutyInvitee(client).accept(ADMINISTRATOR)

    assert (answer.verdict, answer.code) == (verdict, code)
    assert ALREADY_ASSOCIATED in answer.text
    named = f"(its administrator is {STRANGER})" in answer.text
    assert named is (code is ReasonCode.OTHER_ADMINISTRATOR)


@pytest.mark.parametrize(
    ("code", "text", "status"),
    [
        ("AccessDeniedException", "no", 403),
        ("InternalServerErrorException", "no", 500),
        ("BadRequestException", "no", 400),
    ],
)
def test_a_lookup_that_fails_leaves_the_refusal_to_speak(code: str, text: str, status: int) -> None:
    with stubbed("guardduty") as (client, stubber):
        acceptance_refused(stubber)
        stubber.add_client_error("get_administrator_account", code, text, http_status_code=status)

        answer = GuardDutyInvitee(client).accept(ADMINISTRATOR)

    # "Some master account" may be ours: it does not end the membership as another's.
    assert (answer.verdict, answer.code) == (Verdict.PERMANENT, ReasonCode.REFUSED)
    assert ALREADY_ASSOCIATED in answer.text


def test_a_denied_acceptance_is_looked_into_as_well() -> None:
    with stubbed("guardduty") as (client, stubber):
        acceptance_refused(stubber, "AccessDeniedException", "no")
        stubber.add_response(
            "get_administrator_account",
            {"Administrator": {"AccountId": STRANGER, "RelationshipStatus": "Enabled"}},
        )

        answer = GuardDutyInvitee(client).accept(ADMINISTRATOR)

    assert answer == Answer(
        Verdict.PERMANENT,
        "GuardDuty AcceptAdministratorInvitation: AccessDeniedException: no "
        f"(its administrator is {STRANGER})",
        ReasonCode.OTHER_ADMINISTRATOR,
    )


def test_credentials_that_are_not_known_are_an_error() -> None:
    with stubbed("guardduty") as (client, stubber):
        acceptance_refused(stubber, "UnrecognizedClientException", "no")

        with pytest.raises(CredentialsRefused):
            GuardDutyInvitee(client).accept(ADMINISTRATOR)
