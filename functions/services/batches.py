"""Shared by the adapters: one answer or observation for every account of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.aws.calls import redacted_line
from functions.enrolment.account import MOST_ACCOUNTS, AccountId
from functions.enrolment.errors import AccessDenied, RollcallError, ServiceUnavailable, Throttled
from functions.enrolment.membership import Answer, Observation, Status, Verdict
from functions.enrolment.reason import ReasonCode
from functions.enrolment.text import MOST_OF_AN_EMAIL
from functions.services.answers import read_error, read_text, says_no_member
from functions.services.statuses import read_status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from functions.services.record import ServiceRecord


def check_size(accounts: Collection[AccountId]) -> None:
    """Raises ValueError unless there are 1 to 50 accounts, the limit of one call."""
    if not 1 <= len(accounts) <= MOST_ACCOUNTS:
        raise ValueError(f"a call carries 1 to {MOST_ACCOUNTS} accounts, not {len(accounts)}")


def answers(
    service: ServiceRecord, accounts: Iterable[AccountId], unprocessed: Mapping[str, str]
) -> dict[AccountId, Answer]:
    """An answer for each account: the meaning of its text if unprocessed, else ``TAKEN``."""
    return {
        account: read_text(service, unprocessed[account])
        if account in unprocessed
        else Answer(Verdict.TAKEN)
        for account in accounts
    }


def one_by_one(
    service: ServiceRecord, accounts: Sequence[AccountId], call: Callable[[AccountId], None]
) -> dict[AccountId, Answer]:
    """An answer for each account of an operation that takes one account per call.

    An error that would affect every account is raised if the first call fails with it. If a later
    call is throttled, the remaining accounts are left for a retry.

    Raises:
        Throttled, ServiceUnavailable, AccessDenied: of the first account's call.
    """
    check_size(accounts)
    given: dict[AccountId, Answer] = {}
    for account in accounts:
        try:
            call(account)
        except RollcallError as error:
            if not given and isinstance(error, Throttled | ServiceUnavailable | AccessDenied):
                raise
            if isinstance(error, Throttled):
                rest = Answer(Verdict.RETRY, str(error))
                return given | {left: rest for left in accounts if left not in given}
            given[account] = read_error(service, error)
        else:
            given[account] = Answer(Verdict.TAKEN)
    return given


def observation(
    service: ServiceRecord, account: str, raw: str, detail: str | None = None
) -> Observation:
    """What a service says of a member, in its own spelling, in the one vocabulary.

    A word that is not known here may be any text.
    """
    status = read_status(service, raw)
    word = redacted_line(raw) if status is Status.UNKNOWN else raw
    said = None if detail is None else redacted_line(detail)
    return Observation(AccountId(account), status, word, said)


def observations(
    service: ServiceRecord,
    accounts: Sequence[AccountId],
    members: Iterable[Observation],
    unprocessed: Mapping[str, str],
) -> tuple[Observation, ...]:
    """An observation for each account, of the ``members`` that the service returned or without."""
    returned = {member.account_id: member for member in members}
    return tuple(
        returned.get(account) or _not_returned(service, account, unprocessed.get(account))
        for account in accounts
    )


def _not_returned(service: ServiceRecord, account: AccountId, text: str | None) -> Observation:
    """ABSENT only if there is no text about the account, or one that it is not a member.

    Any other text means UNKNOWN, with the text as detail: an account that may be a member must not
    be created again.
    """
    if text is None:
        return Observation(account, Status.ABSENT, Status.ABSENT)
    status = Status.ABSENT if says_no_member(service, text) else Status.UNKNOWN
    return Observation(account, status, status, redacted_line(text))


def without_usable_email(
    service: ServiceRecord,
    emails: Mapping[AccountId, str | None],
    is_usable: Callable[[str], bool] = str.isprintable,
) -> dict[AccountId, Answer]:
    """An answer for each account whose e-mail address would make the service refuse the whole call.

    GuardDuty and Detective require one (botocore), although they do not use it for accounts of the
    organisation.
    """
    return {
        account: Answer(
            Verdict.PERMANENT, _email_problem(service, email), ReasonCode.EMAIL_UNUSABLE
        )
        for account, email in emails.items()
        if not email or len(email) > MOST_OF_AN_EMAIL or not is_usable(email)
    }


def _email_problem(service: ServiceRecord, email: str | None) -> str:
    what = "the e-mail address is not one it takes" if email else "no e-mail address is known"
    return f"{service.label} needs the e-mail address of the account's root user: {what}"
