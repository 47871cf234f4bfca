"""What an onboarding is asked to do, whoever or whatever asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from functions.enrolment.account import AccountId, Mode
    from functions.enrolment.target import ServiceName


@dataclass(frozen=True, slots=True)
class RequestedAccount:
    """An account to enrol; ``email`` is needed only where Organizations does not know it.

    ``mode`` is what a person expects of it, where that is not what the request says of all.
    """

    id: AccountId
    email: str | None = None
    mode: Mode | None = None


@dataclass(frozen=True, slots=True)
class OnboardingRequest:
    """A checked request. Where ``services`` or ``regions`` is None, the configured ones are meant.

    ``source`` is ``manual`` or the name of the event; ``automatic`` is True for events. ``mode``
    is what a person expects; it is checked against the facts, never believed.
    """

    accounts: tuple[RequestedAccount, ...]
    source: str
    automatic: bool
    services: tuple[ServiceName, ...] | None = None
    regions: tuple[str, ...] | None = None
    mode: Mode | None = None
    dry_run: bool = False

    def expected(self, account: RequestedAccount) -> Mode | None:
        """The mode that a person expects of an account."""
        return account.mode or self.mode
