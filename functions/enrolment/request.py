"""The request for an onboarding, from an event or a manual input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from functions.enrolment.account import AccountId, Mode
    from functions.enrolment.service import Service


@dataclass(frozen=True, slots=True)
class RequestedAccount:
    """An account to enrol; ``email`` is required only if Organizations does not know the account.

    ``mode`` is the mode that a person expects, if it differs from that of the request.
    """

    id: AccountId
    email: str | None = None
    mode: Mode | None = None


@dataclass(frozen=True, slots=True)
class BatchId:
    """Which document of a reconcile's survey a run is to work on."""

    reconcile_id: str
    number: int


@dataclass(frozen=True, slots=True)
class OnboardingRequest:
    """A validated request. If ``services`` or ``regions`` is None, the configured ones apply.

    ``source`` is ``manual``, ``reconcile`` or the name of the event; ``automatic`` is False for
    ``manual`` only. ``mode`` is the mode that a person expects; it is only compared with the mode
    that the facts give. ``reported_by`` is the account that published the event, None without an
    event. ``batch`` is given if a reconcile started the run: it says the targets.
    """

    accounts: tuple[RequestedAccount, ...]
    source: str
    automatic: bool
    services: tuple[Service, ...] | None = None
    regions: tuple[str, ...] | None = None
    mode: Mode | None = None
    dry_run: bool = False
    reported_by: AccountId | None = None
    batch: BatchId | None = None

    def expected(self, account: RequestedAccount) -> Mode | None:
        """The mode that a person expects for an account."""
        return account.mode or self.mode
