"""Detective: the calls made, and what their answers mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.configuration import Invitation
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    ServiceRefused,
    ServiceUnavailable,
    Throttled,
)
from functions.enrolment.membership import Answer, Observation, Status, Verdict
from functions.enrolment.reason import ReasonCode
from functions.services.detective import Detective, DetectiveInvitee
from tests.unit.services.stubs import ADMINISTRATOR, ONE, STRANGER, THREE, TOO_MANY, TWO, stubbed

if TYPE_CHECKING:
    from botocore.stub import Stubber

GRAPH = f"arn:aws:detective:eu-west-1:{ADMINISTRATOR}:graph:{'a' * 32}"
OTHER_GRAPH = f"arn:aws:detective:eu-west-1:{ADMINISTRATOR}:graph:{'b' * 32}"
SILENT = Invitation()
TAKEN = Answer(Verdict.TAKEN)
NOT_READY = (
    "Detective has no behavior graph in eu-west-1 of the administrator account: "
    "call detective CreateGraph there, or detective EnableOrganizationAdminAccount "
    "from the management account"
)


def test_the_administrators_graph_is_found() -> None:
    with stubbed("detective") as (client, stubber):
        stubber.add_response("list_graphs", {"GraphList": [{"Arn": GRAPH}]}, {})

        assert Detective(client, SILENT).administrator_resource() == GRAPH


def test_without_a_graph_the_call_that_makes_one_is_named() -> None:
    with stubbed("detective") as (client, stubber):
        stubber.add_response("list_graphs", {"GraphList": []})

        with pytest.raises(AdministratorNotReady) as caught:
            Detective(client, SILENT).administrator_resource()

    assert str(caught.value) == NOT_READY


def test_a_graph_deleted_meanwhile_is_reported_the_same_way() -> None:
    with stubbed("detective") as (client, stubber):
        stubber.add_client_error(
            "get_members", "ResourceNotFoundException", "no graph", http_status_code=404
        )

        with pytest.raises(AdministratorNotReady) as caught:
            Detective(client, SILENT).observe(GRAPH, [ONE])

    assert str(caught.value) == NOT_READY


def test_every_account_is_observed_once_with_the_reason_for_being_disabled() -> None:
    with stubbed("detective") as (client, stubber):
        stubber.add_response(
            "get_members",
            {
                "MemberDetails": [
                    {
                        "AccountId": TWO,
                        "Status": "ACCEPTED_BUT_DISABLED",
                        "DisabledReason": "VOLUME_UNKNOWN",
                    },
                    {"AccountId": ONE, "Status": "ENABLED"},
                ]
            },
            {"GraphArn": GRAPH, "AccountIds": [ONE, TWO, THREE]},
        )

        seen = Detective(client, SILENT).observe(GRAPH, [ONE, TWO, THREE])

    assert seen == (
        Observation(ONE, Status.ENABLED, "ENABLED"),
        Observation(TWO, Status.ACCEPTED_BUT_DISABLED, "ACCEPTED_BUT_DISABLED", "VOLUME_UNKNOWN"),
        Observation(THREE, Status.ABSENT, "Absent"),
    )


def test_an_account_the_service_failed_to_read_is_unknown_not_absent() -> None:
    with stubbed("detective") as (client, stubber):
        stubber.add_response(
            "get_members", {"UnprocessedAccounts": [{"AccountId": ONE, "Reason": "Internal error"}]}
        )

        seen = Detective(client, SILENT).observe(GRAPH, [ONE])

    assert seen == (Observation(ONE, Status.UNKNOWN, "Unknown", "Internal error"),)


@pytest.mark.parametrize(
    ("invitation", "sent"),
    [
        (Invitation(), {"DisableEmailNotification": True}),
        (Invitation(send_email=True), {"DisableEmailNotification": False}),
        (
            Invitation(message="Please join", send_email=True),
            {"DisableEmailNotification": False, "Message": "Please join"},
        ),
    ],
)
def test_message_and_e_mail_are_as_configured(invitation: Invitation, sent: dict[str, Any]) -> None:
    with stubbed("detective") as (client, stubber):
        stubber.add_response(
            "create_members",
            {"Members": [{"AccountId": ONE, "Status": "VERIFICATION_IN_PROGRESS"}]},
            {
                "GraphArn": GRAPH,
                "Accounts": [{"AccountId": ONE, "EmailAddress": "one@example.com"}],
                **sent,
            },
        )

        answers = Detective(client, invitation).create(GRAPH, {ONE: "one@example.com"})

    assert answers == {ONE: TAKEN}


def test_each_account_gets_its_own_answer() -> None:
    with stubbed("detective") as (client, stubber):
        stubber.add_response(
            "create_members",
            {
                "Members": [{"AccountId": ONE, "Status": "VERIFICATION_FAILED"}],
                "UnprocessedAccounts": [
                    {"AccountId": TWO, "Reason": "Account is already a member"},
                ],
            },
        )
        emails = dict.fromkeys((ONE, TWO, THREE), "member@example.com")

        answers = Detective(client, SILENT).create(GRAPH, emails)

    assert answers == {
        ONE: TAKEN,
        TWO: Answer(Verdict.BENIGN, "Account is already a member"),
        THREE: TAKEN,
    }


@pytest.mark.parametrize(
    "email", [None, "", "nobody", "a@nodot", "a@example.c", f"{'a' * 53}@example.com"]
)
def test_an_account_without_a_usable_e_mail_fails_alone(email: str | None) -> None:
    with stubbed("detective") as (client, stubber):
        stubber.add_response(
            "create_members",
            {},
            {
                "GraphArn": GRAPH,
                "Accounts": [{"AccountId": ONE, "EmailAddress": "one@example.com"}],
                "DisableEmailNotification": True,
            },
        )

        answers = Detective(client, SILENT).create(GRAPH, {ONE: "one@example.com", TWO: email})

    assert (answers[ONE].verdict, answers[TWO].verdict) == (Verdict.TAKEN, Verdict.PERMANENT)
    assert answers[TWO].code is ReasonCode.EMAIL_UNUSABLE
    assert email is None or not email or email not in answers[TWO].text


def test_creating_is_inviting() -> None:
    with stubbed("detective") as (client, _):
        detective = Detective(client, SILENT)

        assert detective.traits.create_invites
        with pytest.raises(NotImplementedError):
            detective.invite(GRAPH, [ONE])


def restarted(stubber: Stubber, account: str) -> None:
    stubber.add_response("start_monitoring_member", {}, {"GraphArn": GRAPH, "AccountId": account})


def refused(stubber: Stubber, code: str, status: int, text: str = "words") -> None:
    stubber.add_client_error("start_monitoring_member", code, text, http_status_code=status)


def test_members_are_restarted_one_by_one_and_one_error_stops_no_other() -> None:
    with stubbed("detective") as (client, stubber):
        refused(stubber, "ServiceQuotaExceededException", 402)
        restarted(stubber, TWO)
        refused(stubber, "InternalServerException", 500)
        refused(stubber, "ConflictException", 409)
        restarted(stubber, ADMINISTRATOR)

        answers = Detective(client, SILENT).restart(
            GRAPH, [ONE, TWO, THREE, STRANGER, ADMINISTRATOR]
        )

    assert {account: answer.verdict for account, answer in answers.items()} == {
        # A volume that is not known yet may be called a quota.
        ONE: Verdict.RETRY,
        TWO: Verdict.TAKEN,
        THREE: Verdict.RETRY,
        STRANGER: Verdict.RETRY,
        ADMINISTRATOR: Verdict.TAKEN,
    }


def test_a_member_that_changed_meanwhile_is_left_to_the_next_reading() -> None:
    with stubbed("detective") as (client, stubber):
        refused(stubber, "ValidationException", 400, "The member is ENABLED")

        answers = Detective(client, SILENT).restart(GRAPH, [ONE])

    assert answers[ONE].verdict is Verdict.UNKNOWN


def test_throttling_on_the_way_spares_the_rest() -> None:
    with stubbed("detective") as (client, stubber):
        restarted(stubber, ONE)
        refused(stubber, "TooManyRequestsException", 429)

        answers = Detective(client, SILENT).restart(GRAPH, [ONE, TWO, THREE])

    verdicts = [answers[account].verdict for account in (ONE, TWO, THREE)]
    assert verdicts == [Verdict.TAKEN, Verdict.RETRY, Verdict.RETRY]


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("TooManyRequestsException", 429, Throttled),
        ("InternalServerException", 500, ServiceUnavailable),
        ("AccessDeniedException", 403, AccessDenied),
    ],
)
def test_an_error_that_would_meet_every_account_raises_at_the_first(
    code: str, status: int, error: type[Exception]
) -> None:
    with stubbed("detective") as (client, stubber):
        refused(stubber, code, status)

        with pytest.raises(error, match=f"^Detective StartMonitoringMember: {code}: words$"):
            Detective(client, SILENT).restart(GRAPH, [ONE, TWO])


@pytest.mark.parametrize("accounts", [[], TOO_MANY])
def test_a_call_carries_1_to_50_accounts(accounts: list[Any]) -> None:
    with stubbed("detective") as (client, _):
        detective = Detective(client, SILENT)

        with pytest.raises(ValueError, match="1 to 50 accounts"):
            detective.observe(GRAPH, accounts)
        with pytest.raises(ValueError, match="1 to 50 accounts"):
            detective.create(GRAPH, dict.fromkeys(accounts, "one@example.com"))
        with pytest.raises(ValueError, match="1 to 50 accounts"):
            detective.restart(GRAPH, accounts)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("InternalServerException", 500, ServiceUnavailable),
        ("AccessDeniedException", 403, AccessDenied),
        ("ServiceQuotaExceededException", 402, ServiceRefused),
        ("ValidationException", 400, ServiceRefused),
    ],
)
def test_errors_are_raised_as_ours(code: str, status: int, error: type[Exception]) -> None:
    with stubbed("detective") as (client, stubber):
        stubber.add_client_error("create_members", code, "words", http_status_code=status)

        with pytest.raises(error, match=f"^Detective CreateMembers: {code}: words$"):
            Detective(client, SILENT).create(GRAPH, {ONE: "one@example.com"})


def invitation(
    administrator: str, graph: str, status: str = "INVITED", day: int = 1
) -> dict[str, Any]:
    return {
        "AdministratorId": administrator,
        "GraphArn": graph,
        "Status": status,
        "InvitedTime": datetime(2026, 11, day, tzinfo=UTC),
    }


def test_our_newest_invitation_is_accepted_whatever_strangers_sent() -> None:
    with stubbed("detective") as (client, stubber):
        stubber.add_response(
            "list_invitations",
            {
                "Invitations": [
                    invitation(
                        STRANGER, f"arn:aws:detective:eu-west-1:{STRANGER}:graph:{'c' * 32}"
                    ),
                    invitation(ADMINISTRATOR, OTHER_GRAPH, day=2),
                ],
                "NextToken": "t",
            },
            {},
        )
        stubber.add_response(
            "list_invitations",
            {"Invitations": [invitation(ADMINISTRATOR, GRAPH, day=12)]},
            {"NextToken": "t"},
        )
        stubber.add_response("accept_invitation", {}, {"GraphArn": GRAPH})

        assert DetectiveInvitee(client).accept(ADMINISTRATOR) == TAKEN


@pytest.mark.parametrize(
    ("administrator", "status", "verdict"),
    [
        (STRANGER, "INVITED", Verdict.RETRY),
        (STRANGER, "ENABLED", Verdict.RETRY),
        (ADMINISTRATOR, "VERIFICATION_IN_PROGRESS", Verdict.RETRY),
        (ADMINISTRATOR, "ENABLED", Verdict.BENIGN),
        (ADMINISTRATOR, "ACCEPTED_BUT_DISABLED", Verdict.BENIGN),
    ],
)
def test_nothing_else_is_accepted(administrator: str, status: str, verdict: Verdict) -> None:
    with stubbed("detective") as (client, stubber):
        stubber.add_response(
            "list_invitations", {"Invitations": [invitation(administrator, GRAPH, status)]}
        )

        assert DetectiveInvitee(client).accept(ADMINISTRATOR).verdict is verdict


@pytest.mark.parametrize(
    ("status_now", "verdict"),
    [("ENABLED", Verdict.BENIGN), ("INVITED", Verdict.RETRY)],
)
def test_a_refused_acceptance_depends_on_the_invitation_now(
    status_now: str, verdict: Verdict
) -> None:
    with stubbed("detective") as (client, stubber):
        stubber.add_response(
            "list_invitations", {"Invitations": [invitation(ADMINISTRATOR, GRAPH)]}
        )
        stubber.add_client_error(
            "accept_invitation", "ConflictException", "words", http_status_code=409
        )
        stubber.add_response(
            "list_invitations", {"Invitations": [invitation(ADMINISTRATOR, GRAPH, status_now)]}
        )

        assert DetectiveInvitee(client).accept(ADMINISTRATOR).verdict is verdict
