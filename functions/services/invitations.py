"""Invitations in the member account: the newest one, and the meaning of a refused acceptance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import CredentialsRefused, RollcallError
from functions.enrolment.membership import Answer, Status, Verdict
from functions.enrolment.reason import ReasonCode
from functions.services.answers import read_error
from functions.services.statuses import read_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from functions.enrolment.account import AccountId
    from functions.services.record import ServiceRecord

NO_INVITATION = Answer(Verdict.RETRY, "the account sees no invitation from the administrator")

# With these the account belongs to an administrator; with any other it was at most invited.
_ASSOCIATED = frozenset({Status.ENABLED, Status.DISABLED, Status.PAUSED})


def after_refusal(
    service: ServiceRecord,
    refusal: RollcallError,
    administrator_id: AccountId,
    look: Callable[[], tuple[str | None, str]],
) -> Answer:
    """The meaning of a refused acceptance, depending on the account's current administrator.

    ``look`` returns, from the member account, that administrator's id, None if there is none, and
    the status of the relation. If an acceptance takes effect but returns an error, botocore retries
    it, and the service refuses the retry because the account has an administrator: ours.

    Raises:
        CredentialsRefused: the refusal itself is one.
    """
    if isinstance(refusal, CredentialsRefused):
        raise refusal
    try:
        administrator, raw = look()
    except RollcallError:
        return read_error(service, refusal)
    if not administrator or read_status(service, raw) not in _ASSOCIATED:
        return read_error(service, refusal)
    if administrator == administrator_id:
        return Answer(Verdict.BENIGN, str(refusal))
    text = f"{refusal} (its administrator is {administrator})"
    return Answer(Verdict.PERMANENT, text, ReasonCode.OTHER_ADMINISTRATOR)


def newest_invitation(
    invitations: Iterable[Mapping[str, Any]], administrator_id: AccountId
) -> str | None:
    """The id of the newest invitation from one administrator; those from others are ignored.

    ``InvitedAt`` is a time in Security Hub and an ISO 8601 text in GuardDuty (botocore).
    """
    ours = [
        i for i in invitations if i.get("AccountId") == administrator_id and "InvitationId" in i
    ]
    if not ours:
        return None
    newest: str = max(ours, key=lambda i: str(i.get("InvitedAt", "")))["InvitationId"]
    return newest
