"""What every security service's adapter offers. The adapter is the only code that knows its API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from functions.enrolment.account import AccountId
    from functions.enrolment.membership import Answer, Observation
    from functions.enrolment.target import ServiceName, Traits


class SecurityService(Protocol):
    """One service in one Region, called as its administrator.

    Every method takes 1 to 50 accounts and answers for each of them exactly once. ``resource`` is
    what :meth:`administrator_resource` returned. All raise ``Throttled``, ``ServiceUnavailable``,
    ``Conflict``, ``AccessDenied``, ``AdministratorNotReady`` or ``ServiceRefused``.
    """

    name: ServiceName
    traits: Traits

    def administrator_resource(self) -> str:
        """The detector id or behavior graph ARN of the administrator; "" where there is none.

        Raises:
            AdministratorNotReady: the service is not set up here; the message names the call
                that would set it up. Security Hub says so only in :meth:`observe`.
        """
        ...

    def observe(self, resource: str, accounts: Sequence[AccountId]) -> tuple[Observation, ...]:
        """One GetMembers call; an account the service does not return is ``ABSENT``.

        ``UNKNOWN`` with the service's words as detail where it does not say whether it is a member.
        """
        ...

    def create(
        self, resource: str, emails: Mapping[AccountId, str | None]
    ) -> Mapping[AccountId, Answer]:
        """Create members. Detective invites those outside the organisation with it."""
        ...

    def invite(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        """Send invitations to created members. Detective has no such call."""
        ...

    def restart(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        """Start monitoring members again. Security Hub has no such call."""
        ...


class Invitee(Protocol):
    """One service in one Region, called as a member account through its member role."""

    def accept(self, administrator_id: AccountId) -> Answer:
        """Accept the invitation of exactly this administrator; any other is left alone.

        ``RETRY`` where no such invitation is to be seen (yet). ``OTHER_ADMINISTRATOR`` where the
        account belongs to another administrator; the text names it if it is known.

        Raises:
            CredentialsRefused: in a Region that needs opting in, usually because the account has
                not.
            Throttled, ServiceUnavailable, Conflict, AccessDenied, ServiceRefused: of any call but
                the acceptance itself.
        """
        ...
