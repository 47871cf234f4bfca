"""Organizations: creating, finding, moving, removing and closing accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.api import Caller, Operation, ServiceError
from infra.local.facts.organization import AccountState, Creation, LocalOrganization
from infra.local.facts.state import ORGANIZATION_ROLE, LocalAccount, NewRole
from infra.local.services.organizations import events
from infra.local.wire.paging import when

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.local.facts.state import State
    from infra.local.services.organizations.view import View


class OrganizationAccounts:
    def __init__(self, state: State, view: View) -> None:
        self._state = state
        self._view = view

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            "DescribeAccount": self.describe_account,
            "ListAccounts": self.list_accounts,
            "ListAccountsForParent": self.list_accounts_for_parent,
            "CreateAccount": self.create_account,
            "DescribeCreateAccountStatus": self.describe_create_account_status,
            "ListCreateAccountStatus": self.list_create_account_status,
            "MoveAccount": self.move_account,
            "RemoveAccountFromOrganization": self.remove_account_from_organization,
            "LeaveOrganization": self.leave_organization,
            "CloseAccount": self.close_account,
        }

    def describe_account(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.readable(who)
        self._view.seat(organization, params["AccountId"])
        return {"Account": self._view.account(organization, params["AccountId"])}

    def list_accounts(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.readable(who)
        return self._page(organization, list(organization.seats), params)

    def list_accounts_for_parent(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.readable(who)
        self._view.parent(organization, params["ParentId"])
        return self._page(organization, organization.accounts_in(params["ParentId"]), params)

    def create_account(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.managed(who)
        creation = Creation(
            f"car-{self._state.hex_id()}",
            organization.management,
            params["AccountName"],
            params.get("RoleName", ORGANIZATION_ROLE),
            self._state.now(),
        )
        self._state.creations[creation.id] = creation
        tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        self._state.agenda.after(
            self._state.timings["account_creation"],
            lambda: self._complete(organization, creation, params["Email"], tags),
        )
        return {"CreateAccountStatus": _status(creation)}

    def describe_create_account_status(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.readable(who)
        creation = self._state.creations.get(params["CreateAccountRequestId"])
        if creation is None or creation.management != organization.management:
            raise ServiceError(
                "CreateAccountStatusNotFoundException",
                "You specified a create account request ID that doesn't exist.",
            )
        return {"CreateAccountStatus": _status(creation)}

    def list_create_account_status(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.readable(who)
        states = params.get("States")
        statuses = [
            _status(creation)
            for creation in self._state.creations.values()
            if creation.management == organization.management
            and (not states or creation.state in states)
        ]
        return self._view.page("CreateAccountStatuses", statuses, params)

    def move_account(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.managed(who)
        seat = self._view.seat(organization, params["AccountId"])
        source, destination = params["SourceParentId"], params["DestinationParentId"]
        if not organization.has_parent(source) or seat.parent_id != source:
            raise ServiceError(
                "SourceParentNotFoundException",
                "You specified a source root or OU that doesn't exist or hold the account.",
            )
        if not organization.has_parent(destination):
            raise ServiceError(
                "DestinationParentNotFoundException",
                "You specified a destination root or OU that doesn't exist.",
            )
        if source == destination:
            raise ServiceError(
                "DuplicateAccountException", "The account is already in the destination."
            )
        self._state.move(organization, seat, destination)
        return {}

    def remove_account_from_organization(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        organization = self._view.managed(who)
        self._view.seat(organization, params["AccountId"])
        self._depart(organization, params["AccountId"], "REMOVED")
        return {}

    def leave_organization(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        self._depart(self._view.joined(who), who.account_id, "LEFT")
        return {}

    def close_account(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.managed(who)
        account_id = params["AccountId"]
        self._view.seat(organization, account_id)
        if account_id == organization.management:
            raise ServiceError(
                "ConstraintViolationException",
                "You can't close the management account with this operation.",
                Reason="CANNOT_CLOSE_MANAGEMENT_ACCOUNT",
            )
        account, requested_at = self._state.account(account_id), self._state.now()
        if account.state in (AccountState.SUSPENDED, AccountState.CLOSED):
            raise ServiceError("AccountAlreadyClosedException", "The account is already closed.")
        if account.state is AccountState.PENDING_CLOSURE:
            raise ServiceError("ConflictException", "The account is being closed already.")
        account.state = AccountState.PENDING_CLOSURE

        def close() -> None:
            account.state = AccountState.CLOSED
            management = organization.management
            events.close_account_result(self._state, management, account_id, requested_at)

        self._state.agenda.after(self._state.timings["account_closure"], close)
        return {}

    def _page(
        self, organization: LocalOrganization, account_ids: Sequence[str], params: dict[str, Any]
    ) -> dict[str, Any]:
        answer = self._view.page("Accounts", account_ids, params)
        accounts = [self._view.account(organization, one) for one in answer["Accounts"]]
        return answer | {"Accounts": accounts}

    def _complete(
        self, organization: LocalOrganization, creation: Creation, email: str, tags: dict[str, str]
    ) -> None:
        creation.completed_at = self._state.now()
        if self._state.account_with_email(email) is not None:
            creation.failure = "EMAIL_ALREADY_EXISTS"
        elif len(organization.seats) >= self._state.limits["organization_accounts"]:
            creation.failure = "ACCOUNT_LIMIT_EXCEEDED"
        else:
            creation.account_id = self._state.new_account_id()
            account = LocalAccount(creation.account_id, email, creation.name)
            self._state.describe(account)
            self._state.make_role(
                NewRole.of_organization(account.id, creation.management, creation.role)
            )
            self._state.join(organization, account.id, "CREATED")
            organization.tags[account.id] = tags
        events.create_account_result(self._state, creation)
        if creation.account_id is not None:
            events.account_joined(
                self._state, organization.management, creation.account_id, "CREATED"
            )

    def _depart(self, organization: LocalOrganization, account_id: str, method: str) -> None:
        if account_id == organization.management:
            raise ServiceError(
                "MasterCannotLeaveOrganizationException",
                "You can't remove a management account from an organization.",
            )
        if organization.is_delegate(account_id):
            raise ServiceError(
                "ConstraintViolationException",
                "The account is a delegated administrator: deregister it first.",
                Reason="CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG",
            )
        self._state.leave(organization, account_id)
        events.account_departed(self._state, organization.management, account_id, method)


def _status(creation: Creation) -> dict[str, Any]:
    status: dict[str, Any] = {
        "Id": creation.id,
        "AccountName": creation.name,
        "State": creation.state,
        "RequestedTimestamp": when(creation.requested_at),
    }
    if creation.completed_at is not None:
        status["CompletedTimestamp"] = when(creation.completed_at)
    if creation.account_id is not None:
        status["AccountId"] = creation.account_id
    if creation.failure is not None:
        status["FailureReason"] = creation.failure
    return status
