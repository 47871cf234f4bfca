"""What the adapters have in common: one answer and one observation for every account asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.errors import (
    AccessDenied,
    Conflict,
    CredentialsRefused,
    RollcallError,
    ServiceRefused,
    ServiceUnavailable,
    Throttled,
)
from functions.enrolment.membership import Answer, Observation, Status, Verdict
from functions.enrolment.reason import ReasonCode
from functions.enrolment.text import is_email
from functions.services.batches import (
    check_size,
    observation,
    observations,
    one_by_one,
    without_usable_email,
)
from functions.services.registry import DETECTIVE, GUARDDUTY, SERVICES
from tests.unit.services.stubs import ONE, THREE, TWO

if TYPE_CHECKING:
    from collections.abc import Callable

    from functions.services.record import ServiceRecord

    Error = RollcallError | None

TAKEN, BENIGN, RETRY = Verdict.TAKEN, Verdict.BENIGN, Verdict.RETRY
PERMANENT, UNKNOWN = Verdict.PERMANENT, Verdict.UNKNOWN
# Detective's own words.
MEMBER = "Account is already a member"


def failing(*errors: Error) -> tuple[list[AccountId], Callable[[AccountId], None]]:
    """A call that fails so for one account after the other, and the accounts it was made for."""
    called: list[AccountId] = []
    left = iter(errors)

    def call(account: AccountId) -> None:
        called.append(account)
        if error := next(left):
            raise error

    return called, call


@pytest.mark.parametrize(
    ("errors", "verdicts"),
    [
        pytest.param((None, None, None), (TAKEN, TAKEN, TAKEN), id="all done"),
        pytest.param(
            (ServiceRefused(MEMBER), Conflict("x"), ServiceRefused("x")),
            (BENIGN, RETRY, UNKNOWN),
            id="each has its own answer",
        ),
        pytest.param(
            (None, ServiceUnavailable("x"), AccessDenied("x")),
            (TAKEN, RETRY, PERMANENT),
            id="after the first, no error stops another",
        ),
        pytest.param((None, Throttled("x")), (TAKEN, RETRY, RETRY), id="throttled on the way"),
        pytest.param(
            (ServiceRefused("x"), Throttled("x")), (UNKNOWN, RETRY, RETRY), id="throttled second"
        ),
    ],
)
def test_one_account_a_call(errors: tuple[Error, ...], verdicts: tuple[Verdict, ...]) -> None:
    accounts = [TWO, ONE, THREE]
    called, call = failing(*errors)

    given = one_by_one(DETECTIVE, accounts, call)

    assert called == accounts[: len(errors)]
    assert list(given) == accounts
    assert tuple(answer.verdict for answer in given.values()) == verdicts
    texts = [str(error or "") for error in errors]
    assert [answer.text for answer in given.values()] == texts + texts[-1:] * (3 - len(texts))


@pytest.mark.parametrize("error", [Throttled, ServiceUnavailable, AccessDenied, CredentialsRefused])
def test_an_error_that_no_account_could_escape_is_raised_at_the_first(
    error: type[RollcallError],
) -> None:
    called, call = failing(error("words"))

    with pytest.raises(error, match=r"^words$"):
        one_by_one(DETECTIVE, [ONE, TWO], call)
    assert called == [ONE]


def test_a_call_carries_up_to_50_accounts() -> None:
    for number in (1, 50):
        check_size([ONE] * number)


@pytest.mark.parametrize("count", [0, 51])
def test_one_by_one_there_are_1_to_50_accounts_too(count: int) -> None:
    called, call = failing()

    with pytest.raises(ValueError, match=f"1 to 50 accounts, not {count}"):
        one_by_one(DETECTIVE, [AccountId(f"{number:012}") for number in range(count)], call)
    assert called == []


@pytest.mark.parametrize(
    ("text", "status", "detail"),
    [
        ("Internal error", Status.UNKNOWN, "Internal error"),
        ("", Status.UNKNOWN, ""),
        ("ask two@example.com", Status.UNKNOWN, "ask (e-mail)"),
        ("no such member: two@example.com", Status.ABSENT, "no such member: (e-mail)"),
    ],
)
def test_only_words_that_say_so_make_an_account_absent(
    text: str, status: Status, detail: str
) -> None:
    seen = observations(GUARDDUTY, [ONE], (), {ONE: text})

    assert seen == (Observation(ONE, status, str(status), detail),)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("Ask two@example.com\r\n\x1b[2J", "Ask (e-mail) ?[2J"),
        ("x" * 100_000, "x" * 499 + "…"),
        ("\ud800", "?"),
    ],
    ids=["an address", "a long text", "a surrogate"],
)
def test_a_status_and_a_detail_that_nobody_knows_are_one_short_line(
    service: ServiceRecord, raw: str, shown: str
) -> None:
    assert observation(service, ONE, raw, raw) == Observation(ONE, Status.UNKNOWN, shown, shown)


@pytest.mark.parametrize(
    ("email", "complaint"),
    [
        (f"{'a' * 52}@example.com", None),
        (f"{'a' * 53}@example.com", "the e-mail address is not one it takes"),
        ("nobody", "the e-mail address is not one it takes"),
        ("a@example.com\n", "the e-mail address is not one it takes"),
        ("", "no e-mail address is known"),
        (None, "no e-mail address is known"),
    ],
)
def test_an_account_without_a_usable_e_mail_fails_alone(
    email: str | None, complaint: str | None
) -> None:
    found = without_usable_email(GUARDDUTY, {ONE: "a@example.com", TWO: email}, is_email)

    text = f"GuardDuty needs the e-mail address of the account's root user: {complaint}"
    failed = Answer(Verdict.PERMANENT, text, ReasonCode.EMAIL_UNUSABLE)
    assert found == ({TWO: failed} if complaint else {})
