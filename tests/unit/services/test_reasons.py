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
from functions.enrolment.membership import Verdict
from functions.enrolment.target import ServiceName
from functions.services.reasons import read_error, read_reason

HUB = ServiceName.SECURITYHUB
GD = ServiceName.GUARDDUTY
DETECTIVE = ServiceName.DETECTIVE
EACH = tuple(ServiceName)

REJECTED = "The request is rejected because "

TEXTS: list[tuple[tuple[ServiceName, ...], str, Verdict]] = [
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
        Verdict.OUT_OF_REACH,
    ),
    (
        (HUB, DETECTIVE),
        "Operation failed because your organization management account must first enable it",
        Verdict.OUT_OF_REACH,
    ),
    (EACH, "Internal error", Verdict.RETRY),
    (EACH, "Internal server error.", Verdict.RETRY),
    (EACH, "INTERNAL_ERROR", Verdict.RETRY),
    (EACH, "Rate exceeded", Verdict.RETRY),
    (EACH, "Something went wrong. Try again later.", Verdict.RETRY),
    ((HUB,), "Maximum number of results exceeded", Verdict.RETRY),
    ((GD, HUB), REJECTED + "an account cannot become a member of itself.", Verdict.PERMANENT),
    ((GD, HUB), REJECTED + "the current account cannot invite itself.", Verdict.PERMANENT),
    (
        EACH,
        REJECTED + "the current account cannot create members since it is already an associated "
        "member of another master account.",
        Verdict.PERMANENT,
    ),
    (
        EACH,
        REJECTED + "the given account ID is already an associated member of another administrator "
        "account.",
        Verdict.PERMANENT,
    ),
    (EACH, "Account is suspended", Verdict.PERMANENT),
    (EACH, "Account is already a member of another behavior graph", Verdict.PERMANENT),
    (EACH, "The account is associated with another administrator", Verdict.PERMANENT),
    (
        (GD, HUB),
        REJECTED + "the current account cannot create anymore members since it cannot exceed the "
        "maximum number of allowed members.",
        Verdict.PERMANENT,
    ),
    (
        (GD, HUB),
        REJECTED + "member account's email address is missing.",
        Verdict.PERMANENT,
    ),
    (
        (GD, HUB),
        REJECTED
        + "the given account ID is not an associated member of account the current account.",
        Verdict.PERMANENT,
    ),
    (
        (GD, HUB),
        REJECTED + "the current account cannot accept invitations since it still has created, "
        "invited or associated members.",
        Verdict.PERMANENT,
    ),
    (
        (GD, HUB),
        REJECTED + "the current account cannot accept invitations since it is already an "
        "associated member of some master account.",
        Verdict.PERMANENT,
    ),
    (
        (GD, HUB),
        REJECTED + "the current account cannot accept invitation from the given account ID since "
        "the latter is an associated member of another master account.",
        Verdict.PERMANENT,
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
        Verdict.PERMANENT,
    ),
]


@pytest.mark.parametrize(
    ("service", "text", "verdict"),
    [(service, text, verdict) for services, text, verdict in TEXTS for service in services],
)
def test_a_text_is_classified_and_kept(service: ServiceName, text: str, verdict: Verdict) -> None:
    answer = read_reason(service, text)

    assert (answer.verdict, answer.text) == (verdict, text)


@pytest.mark.parametrize("service", EACH)
def test_case_and_line_breaks_do_not_matter(service: ServiceName) -> None:
    assert read_reason(service, "INTERNAL\n  Error").verdict is Verdict.RETRY


@pytest.mark.parametrize("service", EACH)
@pytest.mark.parametrize("text", ["", "Out of cheese", "The account is a member"])
def test_any_other_text_is_unknown_and_kept(service: ServiceName, text: str) -> None:
    answer = read_reason(service, text)

    assert (answer.verdict, answer.text) == (Verdict.UNKNOWN, text)


@pytest.mark.parametrize("service", EACH)
def test_no_e_mail_address_is_kept(service: ServiceName) -> None:
    answer = read_reason(service, "The address jane@example.com is not the account's")

    assert answer.text == "The address (e-mail) is not the account's"


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (Throttled("Rate exceeded"), Verdict.RETRY),
        (ServiceUnavailable("x"), Verdict.RETRY),
        (Conflict("x"), Verdict.RETRY),
        (AccessDenied("x"), Verdict.PERMANENT),
        (ServiceRefused("an account cannot become a member of itself"), Verdict.PERMANENT),
        (ServiceRefused("ValidationException: out of cheese"), Verdict.UNKNOWN),
    ],
)
@pytest.mark.parametrize("service", EACH)
def test_an_error_about_one_account_is_classified(
    service: ServiceName, error: RollcallError, verdict: Verdict
) -> None:
    answer = read_error(service, error)

    assert (answer.verdict, answer.text) == (verdict, str(error))
