"""What the adapters have in common: one answer and one observation for every account asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.aws.calls import publishable
from functions.enrolment.account import MOST_ACCOUNTS
from functions.enrolment.membership import Answer, Observation, Status, Verdict
from functions.enrolment.reason import ReasonCode
from functions.services.answers import read_text, says_no_member
from functions.services.statuses import read_status

if TYPE_CHECKING:
    import re
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from functions.enrolment.account import AccountId
    from functions.enrolment.target import ServiceName

_LONGEST_EMAIL = 64


def check_size(accounts: Collection[AccountId]) -> None:
    """Raises ValueError unless there are 1 to 50 accounts, as many as one call carries."""
    if not 1 <= len(accounts) <= MOST_ACCOUNTS:
        raise ValueError(f"a call carries 1 to {MOST_ACCOUNTS} accounts, not {len(accounts)}")


def answers(
    service: ServiceName, accounts: Iterable[AccountId], unprocessed: Mapping[str, str]
) -> dict[AccountId, Answer]:
    """An answer for each account: what the service says of it, or that it was done."""
    return {
        account: read_text(service, unprocessed[account])
        if account in unprocessed
        else Answer(Verdict.TAKEN)
        for account in accounts
    }


def observations(
    service: ServiceName,
    accounts: Sequence[AccountId],
    members: Mapping[str, tuple[str, str | None]],
    unprocessed: Mapping[str, str],
) -> tuple[Observation, ...]:
    """An observation for each account; ``members`` holds (status, detail) by account."""
    return tuple(
        Observation(account, read_status(service, members[account][0]), *members[account])
        if account in members
        else _not_returned(service, account, unprocessed.get(account))
        for account in accounts
    )


def _not_returned(service: ServiceName, account: AccountId, text: str | None) -> Observation:
    """ABSENT only if the service says nothing of the account, or that it is no member.

    Other words are kept and mean that nothing is known: an account that is a member after all must
    not be created again.
    """
    if text is None:
        return Observation(account, Status.ABSENT, Status.ABSENT)
    status = Status.ABSENT if says_no_member(service, text) else Status.UNKNOWN
    return Observation(account, status, status, publishable(text))


def without_usable_email(
    service: ServiceName, emails: Mapping[AccountId, str | None], pattern: re.Pattern[str]
) -> dict[AccountId, Answer]:
    """The accounts whose e-mail address would make the service refuse the whole call.

    GuardDuty and Detective require one (botocore), although they do not use it for accounts of the
    organisation.
    """
    return {
        account: Answer(Verdict.PERMANENT, _complaint(service, email), ReasonCode.EMAIL_UNUSABLE)
        for account, email in emails.items()
        if not email or len(email) > _LONGEST_EMAIL or not pattern.fullmatch(email)
    }


def _complaint(service: ServiceName, email: str | None) -> str:
    what = "the e-mail address is not one it takes" if email else "no e-mail address is known"
    return f"{service.label} needs the e-mail address of the account's root user: {what}"
