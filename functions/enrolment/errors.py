"""Every error Rollcall raises. Class names are the names the state machine retries and catches.

RollcallError
├── InvalidInput             the input of an onboarding is refused
├── Retryable                a transient error: the state machine retries the step
│   ├── Throttled            the service asks for fewer calls
│   ├── ServiceUnavailable   the service failed (5xx) or did not answer
│   ├── Conflict             another change is under way at the service
│   └── AccountNotReady      Organizations does not report the account, or not as active, yet
└── Permanent                not transient: the memberships concerned end as failed
    ├── AdministratorNotReady  the administrator has no hub, detector or behavior graph there
    ├── Unreadable             what is stored cannot be read by this version
    ├── AccessDenied           the call is not allowed
    │   └── CredentialsRefused   the Region does not know the caller's credentials
    └── ServiceRefused         the service refused the call for any other reason
"""

from __future__ import annotations

from functions.enrolment.text import one_line, redact

# Enough for a list of 40 Regions; a path is much shorter.
_LONGEST_MESSAGE = 1000


class RollcallError(Exception):
    """Base class; ``str(error)`` is one line that can be published."""


class InvalidInput(RollcallError):
    """A field of the input is refused. ``field`` is its path, ``takes`` says what is allowed."""

    def __init__(self, field: str, takes: str) -> None:
        super().__init__(one_line(f"{field}: {takes}", _LONGEST_MESSAGE))
        self.field = field
        self.takes = takes


class Retryable(RollcallError):
    """A transient error."""


class Throttled(Retryable):
    """The service asks for fewer calls."""


class ServiceUnavailable(Retryable):
    """The service failed or did not answer; whether the call took effect is not known."""


class Conflict(Retryable):
    """Another change is under way at the service."""


class AccountNotReady(Retryable):
    """Organizations does not report the account, or not as active, yet."""


class Permanent(RollcallError):
    """An error that is not transient."""


class AdministratorNotReady(Permanent):
    """The administrator has not set up the service there; the message names the call to make."""


class Unreadable(Permanent):
    """A stored row or document cannot be read: a later version wrote it, or somebody else.

    ``field`` is the path of the field, ``takes`` says what this version reads there, ``place`` is
    the row or document.
    """

    def __init__(self, field: str, takes: str, place: str = "") -> None:
        text = ": ".join(filter(None, (place, field, takes)))
        super().__init__(one_line(redact(text), _LONGEST_MESSAGE))
        self.field = field
        self.takes = takes
        self.place = place

    def within(self, field: str) -> Unreadable:
        """The same of a field of an object or a list that is this field."""
        dot = "." if self.field and not self.field.startswith("[") else ""
        return Unreadable(f"{field}{dot}{self.field}", self.takes, self.place)

    def in_place(self, place: str) -> Unreadable:
        """The same with its row or document."""
        return Unreadable(self.field, self.takes, place)


class AccessDenied(Permanent):
    """The call is not allowed."""


class CredentialsRefused(AccessDenied):
    """The Region does not know the caller's credentials.

    In an opt-in Region, usually because the caller's account has not opted in (AWS Account
    Management reference; inferred for services other than STS).
    """


class ServiceRefused(Permanent):
    """The service refused the call."""
