"""The meaning of the services' texts about one account (``UnprocessedAccounts``, refused calls).

AWS does not document these texts today; they are taken from older copies of the GuardDuty API
reference and from users' reports. They are matched as parts of a text, the most specific first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from functions.aws.calls import redacted_line
from functions.enrolment.errors import AccessDenied, Retryable
from functions.enrolment.membership import Answer, Verdict
from functions.enrolment.reason import ReasonCode

if TYPE_CHECKING:
    from functions.enrolment.errors import RollcallError
    from functions.services.record import ServiceRecord

Texts = tuple[tuple[str, Answer], ...]

RETRY = Answer(Verdict.RETRY)
DONE = Answer(Verdict.BENIGN)
_REFUSED = Answer(Verdict.PERMANENT, code=ReasonCode.REFUSED)
_OTHER_ADMINISTRATOR = Answer(Verdict.PERMANENT, code=ReasonCode.OTHER_ADMINISTRATOR)
_ADMINISTRATOR = Answer(Verdict.PERMANENT, code=ReasonCode.ADMINISTRATOR)
_ACCOUNT_SUSPENDED = Answer(Verdict.PERMANENT, code=ReasonCode.ACCOUNT_SUSPENDED)
MEMBER_LIMIT = Answer(Verdict.PERMANENT, code=ReasonCode.MEMBER_LIMIT)
_EMAIL_UNUSABLE = Answer(Verdict.PERMANENT, code=ReasonCode.EMAIL_UNUSABLE)
_MANAGEMENT_ACCOUNT = Answer(Verdict.OUT_OF_REACH, code=ReasonCode.MANAGEMENT_ACCOUNT)

# Services use "master" and "administrator" side by side: both are matched by "administrator".
MANAGEMENT: Texts = (
    ("your organization administrator must first enable", _MANAGEMENT_ACCOUNT),
    ("organization management account must first enable", _MANAGEMENT_ACCOUNT),
)

# "Already" means success for our administrator and failure for another one, so these come first.
ANOTHER_ADMINISTRATOR: Texts = (
    # For an invitation that does not exist (yet), although the text also mentions another one.
    ("has no pending invitation from", RETRY),
    ("does not have an invitation from", RETRY),
    # For the administrator account: a member cannot fix it.
    ("the current account cannot create members since it is already", _REFUSED),
    ("since the latter is an associated member of", _REFUSED),
    # The text does not say which administrator: it may be ours.
    ("associated member of some administrator", _REFUSED),
    ("associated member of another administrator", _OTHER_ADMINISTRATOR),
    ("associated with another administrator", _OTHER_ADMINISTRATOR),
    ("member of another", _OTHER_ADMINISTRATOR),
)

ITSELF: Texts = (
    ("cannot become a member of itself", _ADMINISTRATOR),
    ("cannot invite itself", _ADMINISTRATOR),
)

# Text inferred from the status AccountSuspended.
SUSPENDED: Texts = (("account is suspended", _ACCOUNT_SUSPENDED),)

FAILING: Texts = (
    ("internal error", RETRY),
    ("internal server error", RETRY),
    ("internal_error", RETRY),
    ("rate exceeded", RETRY),
    ("throttl", RETRY),
    ("too many requests", RETRY),
    ("timed out", RETRY),
    ("try again", RETRY),
    ("temporarily", RETRY),
    ("service unavailable", RETRY),
)

# Security Hub and GuardDuty use the same texts, each with its own name.
HUB_AND_DETECTOR: Texts = (
    *MANAGEMENT,
    *ANOTHER_ADMINISTRATOR,
    *ITSELF,
    *SUSPENDED,
    ("is not an associated member of", _REFUSED),
    ("cannot exceed the maximum number of allowed members", MEMBER_LIMIT),
    ("email address is missing", _EMAIL_UNUSABLE),
    ("still has created, invited or associated members", _REFUSED),
    ("already a member or associated member of the current account", DONE),
    ("has already invited or is already the", DONE),
    *FAILING,
)

# Documented for other operations, or different words for the same; inferred: GetMembers returns
# them for an account that is not a member.
_NO_MEMBER = (
    "is not an associated member",
    "not a member",
    "not associated with",
    "no such member",
    "no such resource found",
    "not found",
    "does not exist",
)


def read_text(service: ServiceRecord, text: str) -> Answer:
    """The meaning of a service's text about one account, with the text without e-mail addresses."""
    normalised = _normalise(text)
    for part, answer in service.texts:
        if part in normalised:
            return replace(answer, text=redacted_line(text))
    return Answer(Verdict.UNKNOWN, redacted_line(text))


def read_error(service: ServiceRecord, error: RollcallError) -> Answer:
    """The meaning of an error of a call about one account.

    A refusal with an unknown text is not final: the member may have changed since it was read.
    """
    match error:
        case Retryable():
            return Answer(Verdict.RETRY, str(error))
        case AccessDenied():
            return Answer(Verdict.PERMANENT, str(error), ReasonCode.ACCESS_DENIED)
        case _:
            return read_text(service, str(error))


def says_no_member(service: ServiceRecord, text: str) -> bool:
    """Whether a text of GetMembers means that an account is not a member of the administrator."""
    normalised = _normalise(text)
    if "already" in normalised or read_text(service, text).verdict is Verdict.RETRY:
        return False
    return any(part in normalised for part in _NO_MEMBER)


def _normalise(text: str) -> str:
    words = " ".join(text.split()).casefold()
    return words.replace("master account", "administrator account").replace(
        "organization master", "organization administrator"
    )
