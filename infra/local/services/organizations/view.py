"""Who may see what of an organisation, and how its parts look in answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.api import Caller, ServiceError
from infra.local.facts.organization import AccountState
from infra.local.facts.switches import ABSENT
from infra.local.wire.paging import page, when

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.local.facts.organization import LocalOrganization, Seat, Unit
    from infra.local.facts.state import State

# The legacy Account.Status has fewer values than State; CLOSED accounts were SUSPENDED in it.
_LEGACY = {
    AccountState.PENDING_ACTIVATION: "ACTIVE",
    AccountState.ACTIVE: "ACTIVE",
    AccountState.SUSPENDED: "SUSPENDED",
    AccountState.PENDING_CLOSURE: "PENDING_CLOSURE",
    AccountState.CLOSED: "SUSPENDED",
}


class View:
    def __init__(self, state: State) -> None:
        self._state = state

    def joined(self, who: Caller) -> LocalOrganization:
        organization = self._state.organization_of(who.account_id)
        if organization is None:
            raise ServiceError(
                "AWSOrganizationsNotInUseException",
                "Your account is not a member of an organization.",
            )
        return organization

    def readable(self, who: Caller) -> LocalOrganization:
        """For the management account and any service's delegated administrator."""
        organization = self.joined(who)
        if who.account_id != organization.management and not organization.is_delegate(
            who.account_id
        ):
            raise denied()
        return organization

    def managed(self, who: Caller) -> LocalOrganization:
        organization = self.joined(who)
        if who.account_id != organization.management:
            raise denied()
        return organization

    def seat(self, organization: LocalOrganization, account_id: str) -> Seat:
        if account_id not in organization.seats:
            raise ServiceError(
                "AccountNotFoundException", "You specified an account that doesn't exist."
            )
        return organization.seats[account_id]

    def parent(self, organization: LocalOrganization, parent_id: str) -> None:
        if not organization.has_parent(parent_id):
            raise ServiceError(
                "ParentNotFoundException",
                "You specified a root or organizational unit that doesn't exist.",
            )

    def page(
        self, member: str, items: Sequence[Any], params: Mapping[str, Any], *, size: int = 20
    ) -> dict[str, Any]:
        try:
            shown, token = page(items, params.get("NextToken"), params.get("MaxResults") or size)
        except ValueError as error:
            raise ServiceError(
                "InvalidInputException",
                "You specified an invalid value.",
                Reason="INVALID_NEXT_TOKEN",
            ) from error
        return {member: shown} | ({} if token is None else {"NextToken": token})

    def arn(self, organization: LocalOrganization, kind: str, name: str) -> str:
        return f"arn:aws:organizations::{organization.management}:{kind}/{organization.id}/{name}"

    def organization(self, organization: LocalOrganization) -> dict[str, Any]:
        management = organization.management
        return {
            "Id": organization.id,
            "Arn": f"arn:aws:organizations::{management}:organization/{organization.id}",
            "FeatureSet": organization.feature_set,
            "MasterAccountArn": self.arn(organization, "account", management),
            "MasterAccountId": management,
            "MasterAccountEmail": self._state.account(management).email,
            "AvailablePolicyTypes": [],
        }

    def root(self, organization: LocalOrganization) -> dict[str, Any]:
        return {
            "Id": organization.root_id,
            "Arn": self.arn(organization, "root", organization.root_id),
            "Name": "Root",
            "PolicyTypes": [
                {"Type": one, "Status": "ENABLED"} for one in sorted(organization.policy_types)
            ],
        }

    def account(self, organization: LocalOrganization, account_id: str) -> dict[str, Any]:
        account, seat = self._state.account(account_id), organization.seats[account_id]
        retired = self._state.switches["organizations_account_status"] == ABSENT
        return {
            "Id": account_id,
            "Arn": self.arn(organization, "account", account_id),
            "Email": account.email,
            "Name": account.name,
            **({} if retired else {"Status": self.status(account_id)}),
            "State": account.state.value,
            "Paths": [organization.path(account_id, seat.parent_id)],
            "JoinedMethod": seat.joined_method,
            "JoinedTimestamp": when(seat.joined_at),
        }

    def status(self, account_id: str) -> str:
        """The older ``Status``, which DelegatedAdministrator keeps (BC)."""
        return _LEGACY[self._state.account(account_id).state]

    def unit(self, organization: LocalOrganization, unit: Unit) -> dict[str, Any]:
        return {
            "Id": unit.id,
            "Arn": self.arn(organization, "ou", unit.id),
            "Name": unit.name,
            "Path": organization.path(unit.id, unit.parent_id),
        }


def denied() -> ServiceError:
    return ServiceError(
        "AccessDeniedException", "You don't have permissions to access this resource."
    )
