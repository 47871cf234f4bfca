"""What the services' free texts about one account mean (``UnprocessedAccounts``, refused calls).

The texts are documented nowhere today; these were read in older copies of the GuardDuty API
reference and in reports of users. They are matched as parts of the text, the most telling first.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from functions.aws.calls import publishable
from functions.enrolment.errors import AccessDenied, Retryable
from functions.enrolment.membership import Answer, Verdict
from functions.enrolment.target import ServiceName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.errors import RollcallError

Reasons = tuple[tuple[str, Verdict], ...]

# Services use "master" and "administrator" side by side: both are matched by "administrator".
_MANAGEMENT: Reasons = (
    ("your organization administrator must first enable", Verdict.OUT_OF_REACH),
    ("organization management account must first enable", Verdict.OUT_OF_REACH),
)

# "Already" is good news about our own account and bad news about another one, so these come first.
_ANOTHER_ADMINISTRATOR: Reasons = (
    # Said of an invitation that is not there (yet), though it goes on to speak of another.
    ("has no pending invitation from", Verdict.RETRY),
    ("does not have an invitation from", Verdict.RETRY),
    ("associated member of another administrator", Verdict.PERMANENT),
    ("associated member of some administrator", Verdict.PERMANENT),
    ("associated with another administrator", Verdict.PERMANENT),
    ("member of another", Verdict.PERMANENT),
)

_ITSELF: Reasons = (
    ("cannot become a member of itself", Verdict.PERMANENT),
    ("cannot invite itself", Verdict.PERMANENT),
)

# Words inferred from the status AccountSuspended.
_SUSPENDED: Reasons = (("account is suspended", Verdict.PERMANENT),)

_FAILING: Reasons = (
    ("internal error", Verdict.RETRY),
    ("internal server error", Verdict.RETRY),
    ("internal_error", Verdict.RETRY),
    ("rate exceeded", Verdict.RETRY),
    ("throttl", Verdict.RETRY),
    ("too many requests", Verdict.RETRY),
    ("timed out", Verdict.RETRY),
    ("try again", Verdict.RETRY),
    ("temporarily", Verdict.RETRY),
    ("service unavailable", Verdict.RETRY),
)

# Security Hub and GuardDuty say the same words, each with its own name in them.
_HUB_AND_DETECTOR: Reasons = (
    *_MANAGEMENT,
    *_ANOTHER_ADMINISTRATOR,
    *_ITSELF,
    *_SUSPENDED,
    ("is not an associated member of", Verdict.PERMANENT),
    ("cannot exceed the maximum number of allowed members", Verdict.PERMANENT),
    ("email address is missing", Verdict.PERMANENT),
    ("still has created, invited or associated members", Verdict.PERMANENT),
    ("already a member or associated member of the current account", Verdict.BENIGN),
    ("has already invited or is already the", Verdict.BENIGN),
    *_FAILING,
)

BY_SERVICE: Mapping[ServiceName, Reasons] = MappingProxyType(
    {
        ServiceName.SECURITYHUB: (
            *_HUB_AND_DETECTOR,
            # More than 50 accounts were asked about: we never do, and asking again is harmless.
            ("maximum number of results exceeded", Verdict.RETRY),
        ),
        ServiceName.GUARDDUTY: _HUB_AND_DETECTOR,
        ServiceName.DETECTIVE: (
            *_MANAGEMENT,
            *_ANOTHER_ADMINISTRATOR,
            *_ITSELF,
            *_SUSPENDED,
            ("servicequotaexceeded", Verdict.PERMANENT),
            ("account is already a member", Verdict.BENIGN),
            # CreateMembers leaves out "accounts that were already invited" (botocore); the words
            # themselves are inferred.
            ("already invited", Verdict.BENIGN),
            ("already been invited", Verdict.BENIGN),
            *_FAILING,
        ),
    }
)


def read_reason(service: ServiceName, text: str) -> Answer:
    """What a service's text about one account means; the text is kept, without e-mail addresses."""
    normalised = _normalise(text)
    for part, verdict in BY_SERVICE[service]:
        if part in normalised:
            return Answer(verdict, publishable(text))
    return Answer(Verdict.UNKNOWN, publishable(text))


def read_error(service: ServiceName, error: RollcallError) -> Answer:
    """What an error on a call about one account means for that account.

    A refusal in unknown words is left open: the member may have changed since it was read.
    """
    match error:
        case Retryable():
            return Answer(Verdict.RETRY, str(error))
        case AccessDenied():
            return Answer(Verdict.PERMANENT, str(error))
        case _:
            return read_reason(service, str(error))


def _normalise(text: str) -> str:
    words = " ".join(text.split()).casefold()
    return words.replace("master account", "administrator account").replace(
        "organization master", "organization administrator"
    )
