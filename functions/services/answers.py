"""What the services' free texts about one account mean (``UnprocessedAccounts``, refused calls).

The texts are documented nowhere today; these were read in older copies of the GuardDuty API
reference and in reports of users. They are matched as parts of the text, the most telling first.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from functions.aws.calls import publishable
from functions.enrolment.errors import AccessDenied, Retryable
from functions.enrolment.membership import Answer, Verdict
from functions.enrolment.reason import ReasonCode
from functions.enrolment.target import ServiceName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.errors import RollcallError

Texts = tuple[tuple[str, Answer], ...]

_RETRY = Answer(Verdict.RETRY)
_DONE = Answer(Verdict.BENIGN)
_REFUSED = Answer(Verdict.PERMANENT, code=ReasonCode.REFUSED)
_OTHER_ADMINISTRATOR = Answer(Verdict.PERMANENT, code=ReasonCode.OTHER_ADMINISTRATOR)
_ADMINISTRATOR = Answer(Verdict.PERMANENT, code=ReasonCode.ADMINISTRATOR)
_ACCOUNT_SUSPENDED = Answer(Verdict.PERMANENT, code=ReasonCode.ACCOUNT_SUSPENDED)
_MEMBER_LIMIT = Answer(Verdict.PERMANENT, code=ReasonCode.MEMBER_LIMIT)
_EMAIL_UNUSABLE = Answer(Verdict.PERMANENT, code=ReasonCode.EMAIL_UNUSABLE)
_MANAGEMENT_ACCOUNT = Answer(Verdict.OUT_OF_REACH, code=ReasonCode.MANAGEMENT_ACCOUNT)

# Services use "master" and "administrator" side by side: both are matched by "administrator".
_MANAGEMENT: Texts = (
    ("your organization administrator must first enable", _MANAGEMENT_ACCOUNT),
    ("organization management account must first enable", _MANAGEMENT_ACCOUNT),
)

# "Already" is good news about our own account and bad news about another one, so these come first.
_ANOTHER_ADMINISTRATOR: Texts = (
    # Said of an invitation that is not there (yet), though it goes on to speak of another.
    ("has no pending invitation from", _RETRY),
    ("does not have an invitation from", _RETRY),
    # Said of the administrator's account: no member can mend it.
    ("the current account cannot create members since it is already", _REFUSED),
    ("since the latter is an associated member of", _REFUSED),
    # Which one it does not say: it may be ours.
    ("associated member of some administrator", _REFUSED),
    ("associated member of another administrator", _OTHER_ADMINISTRATOR),
    ("associated with another administrator", _OTHER_ADMINISTRATOR),
    ("member of another", _OTHER_ADMINISTRATOR),
)

_ITSELF: Texts = (
    ("cannot become a member of itself", _ADMINISTRATOR),
    ("cannot invite itself", _ADMINISTRATOR),
)

# Words inferred from the status AccountSuspended.
_SUSPENDED: Texts = (("account is suspended", _ACCOUNT_SUSPENDED),)

_FAILING: Texts = (
    ("internal error", _RETRY),
    ("internal server error", _RETRY),
    ("internal_error", _RETRY),
    ("rate exceeded", _RETRY),
    ("throttl", _RETRY),
    ("too many requests", _RETRY),
    ("timed out", _RETRY),
    ("try again", _RETRY),
    ("temporarily", _RETRY),
    ("service unavailable", _RETRY),
)

# Security Hub and GuardDuty say the same words, each with its own name in them.
_HUB_AND_DETECTOR: Texts = (
    *_MANAGEMENT,
    *_ANOTHER_ADMINISTRATOR,
    *_ITSELF,
    *_SUSPENDED,
    ("is not an associated member of", _REFUSED),
    ("cannot exceed the maximum number of allowed members", _MEMBER_LIMIT),
    ("email address is missing", _EMAIL_UNUSABLE),
    ("still has created, invited or associated members", _REFUSED),
    ("already a member or associated member of the current account", _DONE),
    ("has already invited or is already the", _DONE),
    *_FAILING,
)

BY_SERVICE: Mapping[ServiceName, Texts] = MappingProxyType(
    {
        ServiceName.SECURITYHUB: (
            *_HUB_AND_DETECTOR,
            # More than 50 accounts were asked about: we never do, and asking again is harmless.
            ("maximum number of results exceeded", _RETRY),
        ),
        ServiceName.GUARDDUTY: _HUB_AND_DETECTOR,
        ServiceName.DETECTIVE: (
            *_MANAGEMENT,
            *_ANOTHER_ADMINISTRATOR,
            *_ITSELF,
            *_SUSPENDED,
            ("servicequotaexceeded", _MEMBER_LIMIT),
            ("account is already a member", _DONE),
            # CreateMembers leaves out "accounts that were already invited" (botocore); the words
            # themselves are inferred.
            ("already invited", _DONE),
            ("already been invited", _DONE),
            *_FAILING,
        ),
    }
)

# Documented of other operations, or plain words for the same; that GetMembers says them of an
# account that is no member is inferred.
_NO_MEMBER = (
    "is not an associated member",
    "not a member",
    "not associated with",
    "no such member",
    "no such resource found",
    "not found",
    "does not exist",
)


def read_text(service: ServiceName, text: str) -> Answer:
    """What a service's text about one account means; the text is kept, without e-mail addresses."""
    normalised = _normalise(text)
    for part, answer in BY_SERVICE[service]:
        if part in normalised:
            return replace(answer, text=publishable(text))
    return Answer(Verdict.UNKNOWN, publishable(text))


def read_error(service: ServiceName, error: RollcallError) -> Answer:
    """What an error on a call about one account means for that account.

    A refusal in unknown words is left open: the member may have changed since it was read.
    """
    match error:
        case Retryable():
            return Answer(Verdict.RETRY, str(error))
        case AccessDenied():
            return Answer(Verdict.PERMANENT, str(error), ReasonCode.ACCESS_DENIED)
        case _:
            return read_text(service, str(error))


def says_no_member(service: ServiceName, text: str) -> bool:
    """Whether GetMembers says with a text that an account is no member of the administrator."""
    normalised = _normalise(text)
    if "already" in normalised or read_text(service, text).verdict is Verdict.RETRY:
        return False
    return any(part in normalised for part in _NO_MEMBER)


def _normalise(text: str) -> str:
    words = " ".join(text.split()).casefold()
    return words.replace("master account", "administrator account").replace(
        "organization master", "organization administrator"
    )
