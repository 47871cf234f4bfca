"""The interface of the services' adapters. Only the adapter knows its service's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from functions.enrolment.account import AccountId
    from functions.enrolment.automation import Automation
    from functions.enrolment.membership import Answer, Observation


class SecurityService(Protocol):
    """One service in one Region, called as its administrator.

    Methods with accounts take 1 to 50 of them and return exactly one entry for each. ``resource``
    is what :meth:`administrator_resource` returned. All methods raise ``Throttled``,
    ``ServiceUnavailable``, ``Conflict``, ``AccessDenied``, ``AdministratorNotReady`` or
    ``ServiceRefused``.
    """

    def administrator_resource(self) -> str:
        """The detector id or behavior graph ARN of the administrator; "" if the service has none.

        Raises:
            AdministratorNotReady: the service is not set up here; the message names the call that
                sets it up. Security Hub raises it only from the other methods.
        """
        ...

    def observe(self, resource: str, accounts: Sequence[AccountId]) -> tuple[Observation, ...]:
        """One GetMembers call; an account that the service does not return is ``ABSENT``.

        If the service's text does not say whether the account is a member, the status is
        ``UNKNOWN`` with the text as detail.
        """
        ...

    def members(self, resource: str) -> Iterator[Observation]:
        """All accounts that ListMembers returns, associated or not; a page is read when needed.

        An account that is not listed is not a member. Security Hub, GuardDuty and Macie list those
        that are or were members, also if they were never invited or are disassociated by now;
        Detective lists those that its administrator has invited or enabled, or tried to, and none
        that was removed (botocore, ListMembers; Macie user guide).

        Raises the errors of the call while iterating; a list that ended with an error is not
        complete. Inferred: an account may be yielded twice if members change between two pages.
        """
        ...

    def automation(
        self, resource: str, accounts: Sequence[AccountId]
    ) -> Mapping[AccountId, Automation]:
        """What the service does by itself about accounts of the organisation, of any number.

        DescribeOrganizationConfiguration; where Security Hub is configured centrally, also the
        configuration policies that apply to the accounts.
        """
        ...

    def create(
        self, resource: str, emails: Mapping[AccountId, str | None]
    ) -> Mapping[AccountId, Answer]:
        """Create members. Detective also invites those outside the organisation."""
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
        """Accept the invitation from this administrator and from no other.

        ``RETRY`` if there is no such invitation (yet). ``OTHER_ADMINISTRATOR`` if the account
        belongs to another administrator; the text names that one if known.

        Raises:
            CredentialsRefused: in an opt-in Region, usually because the account has not opted in.
            Throttled, ServiceUnavailable, Conflict, AccessDenied, ServiceRefused: from any call
                except the acceptance itself.
        """
        ...
