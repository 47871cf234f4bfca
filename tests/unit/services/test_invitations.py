"""The member's side: which invitation is ours, and what a refused acceptance means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.errors import (
    AccessDenied,
    Conflict,
    CredentialsRefused,
    RollcallError,
    ServiceRefused,
    ServiceUnavailable,
)
from functions.enrolment.membership import Answer, Verdict
from functions.enrolment.reason import ReasonCode
from functions.services.invitations import after_refusal, newest_invitation
from functions.services.registry import GUARDDUTY, SECURITYHUB
from tests.unit.services.stubs import ADMINISTRATOR, STRANGER

if TYPE_CHECKING:
    from functions.services.record import ServiceRecord

# "Some master account" may be ours: by itself it does not end the membership as another's.
WORDS = "the current account is already an associated member of some master account"
REFUSED = Answer(Verdict.PERMANENT, WORDS, ReasonCode.REFUSED)
OURS = Answer(Verdict.BENIGN, WORDS)
ANOTHERS = Answer(
    Verdict.PERMANENT,
    f"{WORDS} (its administrator is {STRANGER})",
    ReasonCode.OTHER_ADMINISTRATOR,
)


@pytest.mark.parametrize(
    ("service", "administrator", "status", "meaning"),
    [
        (SECURITYHUB, ADMINISTRATOR, "Enabled", OURS),
        # Accepted and stopped since: the administrator's next reading says so.
        (GUARDDUTY, ADMINISTRATOR, "Disabled", OURS),
        (GUARDDUTY, STRANGER, "Enabled", ANOTHERS),
        (GUARDDUTY, STRANGER, "Disabled", ANOTHERS),
        (GUARDDUTY, ADMINISTRATOR, "Invited", REFUSED),
        (SECURITYHUB, STRANGER, "Invited", REFUSED),
        (SECURITYHUB, STRANGER, "Sleeping", REFUSED),
        # Said by GuardDuty only.
        (SECURITYHUB, STRANGER, "Disabled", REFUSED),
        (GUARDDUTY, "", "", REFUSED),
    ],
)
def test_a_refused_acceptance_depends_on_who_administers_the_account(
    service: ServiceRecord, administrator: str, status: str, meaning: Answer
) -> None:
    refusal = ServiceRefused(WORDS)

    answer = after_refusal(service, refusal, ADMINISTRATOR, lambda: (administrator, status))

    assert answer == meaning


@pytest.mark.parametrize("error", [AccessDenied, ServiceUnavailable, ServiceRefused])
def test_a_lookup_that_fails_leaves_the_refusal_to_speak(error: type[RollcallError]) -> None:
    def look() -> tuple[str, str]:
        raise error("no")

    assert after_refusal(GUARDDUTY, ServiceRefused(WORDS), ADMINISTRATOR, look) == REFUSED


@pytest.mark.parametrize("error", [Conflict, AccessDenied])
def test_whatever_the_error_it_is_looked_into(error: type[RollcallError]) -> None:
    answer = after_refusal(GUARDDUTY, error(WORDS), ADMINISTRATOR, lambda: (STRANGER, "Enabled"))

    assert answer == ANOTHERS


def test_credentials_that_are_not_known_are_an_error() -> None:
    with pytest.raises(CredentialsRefused):
        after_refusal(GUARDDUTY, CredentialsRefused("no"), ADMINISTRATOR, lambda: ("", ""))


def an_invitation(number: str, at: object, account: str = ADMINISTRATOR) -> dict[str, Any]:
    return {"AccountId": account, "InvitationId": number, "InvitedAt": at}


WITHOUT_TIME = {"AccountId": ADMINISTRATOR, "InvitationId": "w"}


@pytest.mark.parametrize(
    ("invitations", "newest"),
    [
        ([], None),
        ([an_invitation("s", "2026-11-01", STRANGER)], None),
        ([{"AccountId": ADMINISTRATOR}], None),
        ([an_invitation("a", "2026-11-02"), an_invitation("s", "2026-11-20", STRANGER)], "a"),
        ([an_invitation("a", "2026-11-02"), an_invitation("b", "2026-11-12")], "b"),
        ([an_invitation("b", "2026-11-12"), an_invitation("a", "2026-11-02")], "b"),
        ([WITHOUT_TIME], "w"),
        ([WITHOUT_TIME, an_invitation("a", "2026-11-02")], "a"),
    ],
)
def test_only_the_administrators_newest_is_looked_at(
    invitations: list[dict[str, Any]], newest: str | None
) -> None:
    assert newest_invitation(invitations, ADMINISTRATOR) == newest
