"""Every text about one account that a source knows, and what must not be mistaken for it."""

from __future__ import annotations

import pytest

from functions.enrolment.errors import (
    AccessDenied,
    Conflict,
    RollcallError,
    ServiceRefused,
    ServiceUnavailable,
    Throttled,
)
from functions.enrolment.membership import Answer, Verdict
from functions.enrolment.reason import ReasonCode
from functions.enrolment.target import ServiceName
from functions.services.answers import read_error, read_text, says_no_member

HUB = ServiceName.SECURITYHUB
GD = ServiceName.GUARDDUTY
DETECTIVE = ServiceName.DETECTIVE
EACH = tuple(ServiceName)

REJECTED = "The request is rejected because "

# What is permanent is told by its reason.
TEXTS: list[tuple[tuple[ServiceName, ...], str, Verdict | ReasonCode]] = [
    (
        (GD, HUB),
        REJECTED
        + "the given account ID is already a member or associated member of the current account.",
        Verdict.BENIGN,
    ),
    (
        (GD,),
        REJECTED + "the current account has already invited or is already the GuardDuty master of "
        "the given member account ID.",
        Verdict.BENIGN,
    ),
    (
        (HUB,),
        REJECTED + "the current account has already invited or is already the SecurityHub master "
        "of the given member account ID.",
        Verdict.BENIGN,
    ),
    ((DETECTIVE,), "Account is already a member", Verdict.BENIGN),
    ((DETECTIVE,), "Account was already invited", Verdict.BENIGN),
    (
        (GD,),
        "Operation failed because your organization master must first enable GuardDuty to be added "
        "as a member",
        ReasonCode.MANAGEMENT_ACCOUNT,
    ),
    (
        (HUB, DETECTIVE),
        "Operation failed because your organization management account must first enable it",
        ReasonCode.MANAGEMENT_ACCOUNT,
    ),
    (EACH, "Internal error", Verdict.RETRY),
    (EACH, "Internal server error.", Verdict.RETRY),
    (EACH, "INTERNAL_ERROR", Verdict.RETRY),
    (EACH, "Rate exceeded", Verdict.RETRY),
    (EACH, "Something went wrong. Try again later.", Verdict.RETRY),
    ((HUB,), "Maximum number of results exceeded", Verdict.RETRY),
    (
        (GD, HUB),
        REJECTED + "an account cannot become a member of itself.",
        ReasonCode.ADMINISTRATOR,
    ),
    ((GD, HUB), REJECTED + "the current account cannot invite itself.", ReasonCode.ADMINISTRATOR),
    (
        EACH,
        REJECTED + "the current account cannot create members since it is already an associated "
        "member of another master account.",
        ReasonCode.REFUSED,
    ),
    (
        EACH,
        REJECTED + "the given account ID is already an associated member of another administrator "
        "account.",
        ReasonCode.OTHER_ADMINISTRATOR,
    ),
    (EACH, "Account is suspended", ReasonCode.ACCOUNT_SUSPENDED),
    (EACH, "Account is already a member of another behavior graph", ReasonCode.OTHER_ADMINISTRATOR),
    (EACH, "The account is associated with another administrator", ReasonCode.OTHER_ADMINISTRATOR),
    (
        (GD, HUB),
        REJECTED + "the current account cannot create anymore members since it cannot exceed the "
        "maximum number of allowed members.",
        ReasonCode.MEMBER_LIMIT,
    ),
    (
        (GD, HUB),
        REJECTED + "member account's email address is missing.",
        ReasonCode.EMAIL_UNUSABLE,
    ),
    (
        (GD, HUB),
        REJECTED
        + "the given account ID is not an associated member of account the current account.",
        ReasonCode.REFUSED,
    ),
    (
        (GD, HUB),
        REJECTED + "the current account cannot accept invitations since it still has created, "
        "invited or associated members.",
        ReasonCode.REFUSED,
    ),
    (
        (GD, HUB),
        REJECTED + "the current account cannot accept invitations since it is already an "
        "associated member of some master account.",
        ReasonCode.REFUSED,
    ),
    (
        (GD, HUB),
        REJECTED + "the current account cannot accept invitation from the given account ID since "
        "the latter is an associated member of another master account.",
        ReasonCode.REFUSED,
    ),
    (
        (GD, HUB),
        REJECTED + "the current account has no pending invitation from the given master account ID "
        "or is already an associated member of another master account.",
        Verdict.RETRY,
    ),
    (
        (GD, HUB),
        REJECTED + "the current account does not have an invitation from the requested master "
        "account.",
        Verdict.RETRY,
    ),
    (
        (DETECTIVE,),
        "ServiceQuotaExceededException: This request cannot be completed",
        ReasonCode.MEMBER_LIMIT,
    ),
]


@pytest.mark.parametrize(
    ("service", "text", "meaning"),
    [(service, text, meaning) for services, text, meaning in TEXTS for service in services],
)
def test_a_text_is_classified_and_kept(
    service: ServiceName, text: str, meaning: Verdict | ReasonCode
) -> None:
    answer = read_text(service, text)

    match meaning:
        case Verdict():
            assert answer == Answer(meaning, text)
        case ReasonCode.MANAGEMENT_ACCOUNT:
            assert answer == Answer(Verdict.OUT_OF_REACH, text, meaning)
        case _:
            assert answer == Answer(Verdict.PERMANENT, text, meaning)


@pytest.mark.parametrize("service", EACH)
def test_case_and_line_breaks_do_not_matter(service: ServiceName) -> None:
    assert read_text(service, "INTERNAL\n  Error").verdict is Verdict.RETRY


@pytest.mark.parametrize("service", EACH)
@pytest.mark.parametrize("text", ["", "Out of cheese", "The account is a member"])
def test_any_other_text_is_unknown_and_kept(service: ServiceName, text: str) -> None:
    assert read_text(service, text) == Answer(Verdict.UNKNOWN, text)


@pytest.mark.parametrize("service", EACH)
def test_no_e_mail_address_is_kept(service: ServiceName) -> None:
    answer = read_text(service, "The address jane@example.com is not the account's")

    assert answer.text == "The address (e-mail) is not the account's"


@pytest.mark.parametrize(
    ("error", "verdict", "code"),
    [
        (Throttled("Rate exceeded"), Verdict.RETRY, None),
        (ServiceUnavailable("x"), Verdict.RETRY, None),
        (Conflict("x"), Verdict.RETRY, None),
        (AccessDenied("x"), Verdict.PERMANENT, ReasonCode.ACCESS_DENIED),
        (
            ServiceRefused("an account cannot become a member of itself"),
            Verdict.PERMANENT,
            ReasonCode.ADMINISTRATOR,
        ),
        (ServiceRefused("ValidationException: out of cheese"), Verdict.UNKNOWN, None),
    ],
)
@pytest.mark.parametrize("service", EACH)
def test_an_error_about_one_account_is_classified(
    service: ServiceName, error: RollcallError, verdict: Verdict, code: ReasonCode | None
) -> None:
    assert read_error(service, error) == Answer(verdict, str(error), code)


@pytest.mark.parametrize("service", EACH)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            REJECTED
            + "the given account ID is not an associated member of account the current account.",
            True,
        ),
        ("Account is not a member", True),
        ("The account is not\n  Associated with the administrator", True),
        ("No such member", True),
        ("The request is rejected since no such resource found.", True),
        ("Account 444455556666 was not found", True),
        ("The member does not exist", True),
        ("Internal error: the member was not found", False),
        ("The account does not exist yet. Try again later.", False),
        ("Account is already a member", False),
        (
            REJECTED + "the given account ID is already a member or associated member of the "
            "current account.",
            False,
        ),
        ("Account is already a member of another behavior graph, not a member of this one", False),
        ("Account is suspended", False),
        ("Out of cheese", False),
        ("", False),
    ],
)
def test_only_known_words_say_that_an_account_is_no_member(
    service: ServiceName, text: str, said: bool
) -> None:
    assert says_no_member(service, text) is said
