"""The member's side: what becomes of an invitation that cannot be accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.membership import Answer, Verdict
from functions.services.reasons import read_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from functions.enrolment.account import AccountId
    from functions.enrolment.errors import RollcallError
    from functions.enrolment.target import ServiceName

NO_INVITATION = Answer(Verdict.RETRY, "the account sees no invitation from the administrator")


def after_refusal(
    service: ServiceName,
    error: RollcallError,
    administrator_id: AccountId,
    administrator_now: str | None,
) -> Answer:
    """What a refused acceptance means, given who administers the account now.

    An acceptance that took effect but was answered with an error is repeated by botocore and then
    refused because the account has an administrator: ours.
    """
    if administrator_now == administrator_id:
        return Answer(Verdict.BENIGN, str(error))
    if administrator_now is not None:
        return Answer(Verdict.PERMANENT, f"{error} (its administrator is {administrator_now})")
    return read_error(service, error)


def newest_invitation(
    invitations: Iterable[Mapping[str, Any]], administrator_id: AccountId
) -> str | None:
    """The id of the newest invitation that one administrator sent; others' are not looked at.

    ``InvitedAt`` is a time at Security Hub and its ISO 8601 text at GuardDuty (botocore).
    """
    ours = [
        i for i in invitations if i.get("AccountId") == administrator_id and "InvitationId" in i
    ]
    if not ours:
        return None
    newest: str = max(ours, key=lambda i: str(i.get("InvitedAt", "")))["InvitationId"]
    return newest
