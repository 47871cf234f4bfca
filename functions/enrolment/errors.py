"""Every error Rollcall raises. Class names are the names the state machine retries and catches.

RollcallError
├── InvalidInput             the input of an onboarding is refused
├── Retryable                may heal by itself: the state machine retries the step
│   ├── Throttled            the service asks for fewer calls
│   ├── ServiceUnavailable   the service failed (5xx) or did not answer
│   ├── Conflict             another change is under way at the service
│   └── AccountNotReady      Organizations does not know the account, or not as active, yet
└── Permanent                will not heal by itself: the memberships concerned end as failed
    ├── AdministratorNotReady  the administrator has no hub, detector or behavior graph there
    ├── AccessDenied           the call is not allowed
    │   └── CredentialsRefused   the Region does not know the caller's credentials
    └── ServiceRefused         the service refused the call for any other reason
"""

from __future__ import annotations

from functions.enrolment.text import one_line

# Room for a list of 40 Regions; a path is far shorter.
_MOST_OF_A_REFUSAL = 1000


class RollcallError(Exception):
    """Base of all; ``str(error)`` is one line fit to be published."""


class InvalidInput(RollcallError):
    """A field of the input is refused. ``field`` is its path, ``takes`` what it takes."""

    def __init__(self, field: str, takes: str) -> None:
        super().__init__(one_line(f"{field}: {takes}", _MOST_OF_A_REFUSAL))
        self.field = field
        self.takes = takes


class Retryable(RollcallError):
    """May heal by itself."""


class Throttled(Retryable):
    """The service asks for fewer calls."""


class ServiceUnavailable(Retryable):
    """The service failed or did not answer; whether the call took effect is not known."""


class Conflict(Retryable):
    """Another change is under way at the service."""


class AccountNotReady(Retryable):
    """Organizations does not know the account, or not as active, yet."""


class Permanent(RollcallError):
    """Will not heal by itself."""


class AdministratorNotReady(Permanent):
    """The administrator has not set the service up there; the message names the call that would."""


class AccessDenied(Permanent):
    """The call is not allowed."""


class CredentialsRefused(AccessDenied):
    """The caller's credentials are not known there: where a Region needs opting in, usually
    because the caller's account has not (AWS Account Management reference, inferred for others
    than STS)."""


class ServiceRefused(Permanent):
    """The service refused the call."""
