"""The member and invitation operations that Security Hub and GuardDuty have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local.facts.membership import ASSOCIATED, Change, LocalStatus, Why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from infra.local.api import Caller, Operation
    from infra.local.services.shared.members import Members

PAGE = 50


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the answers of the two differ: names of members, and more."""

    reason: str
    status: str
    admin_id: str
    admin_status: str
    timestamp: Callable[[float], Any]
    # Whom ListMembers leaves out unless told not to.
    not_associated: frozenset[LocalStatus]
    # What is said of accounts beyond the first 50; None where so many are refused.
    too_many: Callable[[], str | None] = lambda: None
    # What a member has besides.
    besides: Callable[[Caller, str, Change], dict[str, Any]] = lambda *_: {}


class Relationship:
    """The operations by group, for the service to choose from."""

    def __init__(self, members: Members, shape: Shape) -> None:
        self._members = members
        self._shape = shape

    def member_operations(self) -> dict[str, Operation]:
        """What the administrator does."""
        return {
            "CreateMembers": self.create_members,
            "InviteMembers": self.invite_members,
            "GetMembers": self.get_members,
            "ListMembers": self.list_members,
            "DisassociateMembers": self.disassociate_members,
            "DeleteMembers": self.delete_members,
        }

    def administrator_operations(self) -> dict[str, Operation]:
        """What a member does about its administrator."""
        return {
            "AcceptAdministratorInvitation": self.accept_administrator_invitation,
            "AcceptInvitation": self.accept_administrator_invitation,
            "GetAdministratorAccount": self.get_administrator_account,
            "GetMasterAccount": self.get_master_account,
            "DisassociateFromAdministratorAccount": self.disassociate_from_administrator_account,
            "DisassociateFromMasterAccount": self.disassociate_from_administrator_account,
        }

    def invitation_operations(self) -> dict[str, Operation]:
        """What an invited account does about its invitations."""
        return {
            "ListInvitations": self.list_invitations,
            "GetInvitationsCount": self.get_invitations_count,
            "DeclineInvitations": self.decline_invitations,
            "DeleteInvitations": self.delete_invitations,
        }

    def organization_operations(self) -> dict[str, Operation]:
        """What the management account does."""
        return {
            "EnableOrganizationAdminAccount": self.enable_organization_admin_account,
            "DisableOrganizationAdminAccount": self.disable_organization_admin_account,
            "ListOrganizationAdminAccounts": self.list_organization_admin_accounts,
        }

    def create_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        emails = {one["AccountId"]: one.get("Email") for one in params["AccountDetails"]}

        def create(_: Caller, account_id: str) -> str | None:
            return self._members.create(who, account_id, emails[account_id])

        return self.each(who, "CreateMembers", emails, create)

    def invite_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self.each(who, "InviteMembers", params["AccountIds"], self._members.invite)

    def disassociate_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self.each(
            who, "DisassociateMembers", params["AccountIds"], self._members.disassociate
        )

    def delete_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self.each(who, "DeleteMembers", params["AccountIds"], self._members.delete)

    def get_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        # No documentation lists a per-account error for GetMembers, as it does for others, and
        # Terraform's provider takes empty Members for a stranger: it is absent from both lists.
        answer = self.each(who, "GetMembers", params["AccountIds"], lambda *_: None)
        failed = {entry["AccountId"] for entry in answer["UnprocessedAccounts"]}
        return {
            "Members": [
                self._member(who, account_id, change)
                for account_id in dict.fromkeys(params["AccountIds"])
                if account_id not in failed and (change := self._members.shown(who, account_id))
            ],
            **answer,
        }

    def list_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        # A string for GuardDuty, a boolean for Security Hub, true for both when left out.
        everyone = str(params.get("OnlyAssociated", True)).casefold() == "false"

        def describe(account_id: str, change: Change) -> dict[str, Any] | None:
            left_out = not everyone and change.status in self._shape.not_associated
            return None if left_out else self._member(who, account_id, change)

        members, token = self._members.listed(who, params, PAGE, describe)
        return {"Members": members, **token}

    def list_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        invitations = [self._invitation(*entry) for entry in self._members.invitations(who)]
        shown, token = self._members.paged(invitations, params, PAGE)
        return {"Invitations": shown, **token}

    def get_invitations_count(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        """All but the one that is accepted (BC)."""
        others = [c for _, c in self._members.invitations(who) if c.status not in ASSOCIATED]
        return {"InvitationsCount": len(others)}

    def accept_administrator_invitation(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        # GuardDuty's model allows an empty id: nobody's, and so no invitation's.
        administrator = params["AdministratorId" if "AdministratorId" in params else "MasterId"]
        self._members.accept(who, administrator, params["InvitationId"])
        return {}

    def decline_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self.each(who, "DeclineInvitations", params["AccountIds"], self._members.decline)

    def delete_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self.each(
            who, "DeleteInvitations", params["AccountIds"], self._members.delete_invitation
        )

    def get_administrator_account(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        """GuardDuty documents success without content for an account that has none."""
        membership = self._members.association(who.account_id, who.region)
        if membership is None:
            return {}
        return {"Administrator": self._invitation(membership.administrator, membership.current)}

    def get_master_account(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        answer = self.get_administrator_account(who, params)
        return {"Master": answer["Administrator"]} if answer else {}

    def disassociate_from_administrator_account(
        self, who: Caller, _: dict[str, Any]
    ) -> dict[str, Any]:
        self._members.resign(who)
        return {}

    def enable_organization_admin_account(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        self._members.delegation.designate(who, params["AdminAccountId"])
        return {}

    def disable_organization_admin_account(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        self._members.delegation.undesignate(who, params["AdminAccountId"])
        return {}

    def list_organization_admin_accounts(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        delegation = self._members.delegation
        accounts = [
            {
                self._shape.admin_id: one.account_id,
                self._shape.admin_status: "DISABLE_IN_PROGRESS" if one.removing else "ENABLED",
            }
            for one in delegation.designations(delegation.managed(who), who.region)
        ]
        shown, token = self._members.paged(accounts, params, PAGE)
        return {"AdminAccounts": shown, **token}

    def each(
        self,
        who: Caller,
        operation: str,
        account_ids: Iterable[str],
        act: Callable[[Caller, str], str | None],
    ) -> dict[str, Any]:
        """Act on each account once; the answer's UnprocessedAccounts."""
        asked, beyond = list(dict.fromkeys(account_ids)), list[str]()
        too_many = self._shape.too_many()
        if too_many is not None:
            asked, beyond = asked[:PAGE], asked[PAGE:]
        elif len(asked) > PAGE:
            raise self._members.error(Why.BAD_INPUT)
        refused = self._members.refusals(who, operation, asked, lambda one: act(who, one))
        refused += [(account_id, too_many or "") for account_id in beyond]
        return {
            "UnprocessedAccounts": [
                {"AccountId": account_id, self._shape.reason: text} for account_id, text in refused
            ]
        }

    def _member(self, who: Caller, account_id: str, change: Change) -> dict[str, Any]:
        member: dict[str, Any] = {
            "AccountId": account_id,
            "MasterId": who.account_id,
            "AdministratorId": who.account_id,
            self._shape.status: self._members.spelled(change),
            "UpdatedAt": self._shape.timestamp(change.at),
        }
        if change.email is not None:
            member["Email"] = change.email
        if change.invited_at is not None:
            member["InvitedAt"] = self._shape.timestamp(change.invited_at)
        return member | self._shape.besides(who, account_id, change)

    def _invitation(self, administrator: str, change: Change) -> dict[str, Any]:
        invitation: dict[str, Any] = {
            "AccountId": administrator,
            self._shape.status: self._members.spelled(change),
        }
        if change.invitation_id is not None:
            invitation["InvitationId"] = change.invitation_id
        if change.invited_at is not None:
            invitation["InvitedAt"] = self._shape.timestamp(change.invited_at)
        return invitation
