"""Every text about one account that a source knows, and what must not be mistaken for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.aws.calls import calling
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
from functions.services import registry
from functions.services.answers import read_error, read_text, says_no_member
from functions.services.batches import observation, observations

if TYPE_CHECKING:
    from functions.services.record import ServiceRecord

EACH = registry.SERVICES
HUB, GUARDDUTY, DETECTIVE = (registry.SECURITYHUB,), (registry.GUARDDUTY,), (registry.DETECTIVE,)
HUB_AND_GUARDDUTY = (*HUB, *GUARDDUTY)

REJECTED = "The request is rejected because the "
CANNOT = "current account cannot"
MEMBER = "is already a member or associated member of the current account."
NO_MEMBER = "is not an associated member of account the current account."
INVITED_BEFORE = "current account has already invited or is already the"
ENABLE_FIRST = "Operation failed because your organization"
ASSOCIATED = "it is already an associated member of"

# By what they mean; what is permanent is told by its reason.
TEXTS: dict[Verdict | ReasonCode, list[tuple[tuple[ServiceRecord, ...], str]]] = {
    Verdict.BENIGN: [
        (HUB_AND_GUARDDUTY, f"{REJECTED}given account ID {MEMBER}"),
        (GUARDDUTY, f"{REJECTED}{INVITED_BEFORE} GuardDuty master of the given member account ID."),
        (HUB, f"{REJECTED}{INVITED_BEFORE} SecurityHub master of the given member account ID."),
        (DETECTIVE, "Account is already a member"),
        (DETECTIVE, "Account was already invited"),
    ],
    ReasonCode.MANAGEMENT_ACCOUNT: [
        (GUARDDUTY, f"{ENABLE_FIRST} master must first enable GuardDuty to be added as a member"),
        ((*HUB, *DETECTIVE), f"{ENABLE_FIRST} management account must first enable it"),
    ],
    Verdict.RETRY: [
        (EACH, "Internal error"),
        (EACH, "Internal server error."),
        (EACH, "INTERNAL_ERROR"),
        (EACH, "Rate exceeded"),
        (EACH, "Something went wrong. Try again later."),
        # However it is written.
        (EACH, "INTERNAL\n  Error"),
        (HUB, "Maximum number of results exceeded"),
        (
            HUB_AND_GUARDDUTY,
            f"{REJECTED}current account has no pending invitation from the given master account ID "
            "or is already an associated member of another master account.",
        ),
        (
            HUB_AND_GUARDDUTY,
            f"{REJECTED}current account does not have an invitation from the requested master "
            "account.",
        ),
    ],
    ReasonCode.ADMINISTRATOR: [
        (EACH, f"{REJECTED}account cannot become a member of itself."),
        (EACH, f"{REJECTED}current account cannot invite itself."),
    ],
    ReasonCode.OTHER_ADMINISTRATOR: [
        (
            EACH,
            f"{REJECTED}given account ID is already an associated member of another administrator "
            "account.",
        ),
        (EACH, "Account is already a member of another behavior graph"),
        (EACH, "The account is associated with another administrator"),
    ],
    ReasonCode.REFUSED: [
        (EACH, f"{REJECTED}{CANNOT} create members since {ASSOCIATED} another master account."),
        (HUB_AND_GUARDDUTY, f"{REJECTED}given account ID {NO_MEMBER}"),
        (
            HUB_AND_GUARDDUTY,
            f"{REJECTED}{CANNOT} accept invitations since it still has created, invited or "
            "associated members.",
        ),
        (
            HUB_AND_GUARDDUTY,
            f"{REJECTED}{CANNOT} accept invitations since {ASSOCIATED} some master account.",
        ),
        (
            HUB_AND_GUARDDUTY,
            f"{REJECTED}{CANNOT} accept invitation from the given account ID since the latter is "
            "an associated member of another master account.",
        ),
    ],
    ReasonCode.ACCOUNT_SUSPENDED: [(EACH, "Account is suspended")],
    ReasonCode.MEMBER_LIMIT: [
        (
            HUB_AND_GUARDDUTY,
            f"{REJECTED}{CANNOT} create anymore members since it cannot exceed the maximum number "
            "of allowed members.",
        ),
        (DETECTIVE, "ServiceQuotaExceededException: This request cannot be completed"),
    ],
    ReasonCode.EMAIL_UNUSABLE: [
        (HUB_AND_GUARDDUTY, f"{REJECTED}member account's email address is missing."),
    ],
}


@pytest.mark.parametrize(
    ("service", "text", "meaning"),
    [
        (service, text, meaning)
        for meaning, texts in TEXTS.items()
        for services, text in texts
        for service in services
    ],
)
def test_a_text_is_classified_and_kept(
    service: ServiceRecord, text: str, meaning: Verdict | ReasonCode
) -> None:
    answer, kept = read_text(service, text), " ".join(text.split())

    match meaning:
        case Verdict():
            assert answer == Answer(meaning, kept)
        case ReasonCode.MANAGEMENT_ACCOUNT:
            assert answer == Answer(Verdict.OUT_OF_REACH, kept, meaning)
        case _:
            assert answer == Answer(Verdict.PERMANENT, kept, meaning)


@pytest.mark.parametrize("service", EACH, ids=str)
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        ("The account is a member", "The account is a member"),
        ("jane@example.com is not the account's", "(e-mail) is not the account's"),
    ],
)
def test_any_other_text_is_unknown_and_kept_without_e_mail_addresses(
    service: ServiceRecord, text: str, kept: str
) -> None:
    assert read_text(service, text) == Answer(Verdict.UNKNOWN, kept)


@pytest.mark.parametrize(
    ("error", "verdict", "code"),
    [
        (Throttled("Rate exceeded"), Verdict.RETRY, None),
        (ServiceUnavailable("x"), Verdict.RETRY, None),
        (Conflict("x"), Verdict.RETRY, None),
        (AccessDenied("x"), Verdict.PERMANENT, ReasonCode.ACCESS_DENIED),
        (ServiceRefused("x cannot invite itself"), Verdict.PERMANENT, ReasonCode.ADMINISTRATOR),
        (ServiceRefused("ValidationException: out of cheese"), Verdict.UNKNOWN, None),
    ],
)
def test_an_error_about_one_account_is_classified(
    error: RollcallError, verdict: Verdict, code: ReasonCode | None
) -> None:
    assert read_error(registry.GUARDDUTY, error) == Answer(verdict, str(error), code)


@pytest.mark.parametrize("service", EACH, ids=str)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{REJECTED}given account ID {NO_MEMBER}", True),
        ("Account is not a member", True),
        ("The account is not\n  Associated with the administrator", True),
        ("No such member", True),
        ("The request is rejected since no such resource found.", True),
        ("Account 444455556666 was not found", True),
        ("The member does not exist", True),
        ("Internal error: the member was not found", False),
        ("The account does not exist yet. Try again later.", False),
        ("Account is already a member", False),
        (f"{REJECTED}given account ID {MEMBER}", False),
        ("Account is already a member of another behavior graph, not a member of this one", False),
        ("Account is suspended", False),
        ("", False),
    ],
)
def test_only_known_words_say_that_an_account_is_no_member(
    service: ServiceRecord, text: str, said: bool
) -> None:
    assert says_no_member(service, text) is said


any_text = st.text(st.characters(exclude_categories=()), max_size=30)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(EACH), any_text, st.emails(), any_text)
def test_whatever_a_service_says_is_one_short_line_without_addresses(
    service: ServiceRecord, before: str, email: str, after: str
) -> None:
    said = before + email + after
    answer: Any = {"Error": {"Code": said, "Message": said * 20}}
    with pytest.raises(RollcallError) as raised, calling(service.label, "GetMembers"):
        raise ClientError(answer, "GetMembers")
    seen = observation(service, "444455556666", said, said)
    (absent,) = observations(service, [seen.account_id], (), {seen.account_id: said})

    texts = (str(raised.value), read_text(service, said).text, seen.raw, seen.detail, absent.detail)
    for text in texts:
        assert text is not None
        assert len(text) <= 500
        assert text.isprintable()
        assert email not in text
