"""The member and invitation operations that Security Hub and GuardDuty have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.delegation import OrganizationMembers
from infra.local.membership import ASSOCIATED, Change, Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from infra.local.api import Caller, Operation

PAGE = 50


class Relationship(OrganizationMembers):
    """Answers in the shape of both; the member names and timestamps that differ are hooks."""

    reason_member: ClassVar[str]
    status_member: ClassVar[str]
    admin_id_member: ClassVar[str] = "AccountId"
    admin_status_member: ClassVar[str] = "Status"
    not_associated: ClassVar[frozenset[Standing]]

    def timestamp(self, at: float) -> Any:
        raise NotImplementedError

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

    def create_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        emails = {one["AccountId"]: one.get("Email") for one in params["AccountDetails"]}

        def create(_: Caller, account_id: str) -> str | None:
            return self.create(who, account_id, emails[account_id])

        return self.each(who, "CreateMembers", emails, create)

    def invite_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self.each(who, "InviteMembers", params["AccountIds"], self.invite)

    def disassociate_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self.each(who, "DisassociateMembers", params["AccountIds"], self.disassociate)

    def delete_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self.each(who, "DeleteMembers", params["AccountIds"], self.delete)

    def get_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        # No documentation lists a per-account error for GetMembers, as it does for others, and
        # Terraform's provider takes empty Members for a stranger: it is absent from both lists.
        listed = dict(self.listed(who))
        answer = self.each(who, "GetMembers", params["AccountIds"], lambda *_: None)
        failed = {entry["AccountId"] for entry in answer["UnprocessedAccounts"]}
        return {
            "Members": [
                self.shown_member(who, account_id, listed[account_id])
                for account_id in dict.fromkeys(params["AccountIds"])
                if account_id in listed and account_id not in failed
            ],
            **answer,
        }

    def list_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        # A string for GuardDuty, a boolean for Security Hub, true for both when left out.
        everyone = str(params.get("OnlyAssociated", True)).casefold() == "false"
        members = [
            self.shown_member(who, account_id, change)
            for account_id, change in self.listed(who)
            if everyone or change.standing not in self.not_associated
        ]
        shown, token = self.paged(members, params, PAGE)
        return {"Members": shown, **token}

    def list_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        invitations = [self._invitation(*entry) for entry in self.invitations(who)]
        shown, token = self.paged(invitations, params, PAGE)
        return {"Invitations": shown, **token}

    def get_invitations_count(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        """All but the one that is accepted (BC)."""
        others = [c for _, c in self.invitations(who) if c.standing not in ASSOCIATED]
        return {"InvitationsCount": len(others)}

    def accept_administrator_invitation(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        administrator = params.get("AdministratorId") or params["MasterId"]
        self.accept(who, administrator, params["InvitationId"])
        return {}

    def decline_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self.each(who, "DeclineInvitations", params["AccountIds"], self.decline)

    def delete_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self.each(who, "DeleteInvitations", params["AccountIds"], self.delete_invitation)

    def get_administrator_account(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        """GuardDuty documents success without content for an account that has none."""
        membership = self.association(who.account_id, who.region)
        if membership is None:
            return {}
        return {"Administrator": self._invitation(membership.administrator, membership.current)}

    def get_master_account(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        answer = self.get_administrator_account(who, params)
        return {"Master": answer["Administrator"]} if answer else {}

    def disassociate_from_administrator_account(
        self, who: Caller, _: dict[str, Any]
    ) -> dict[str, Any]:
        self.resign(who)
        return {}

    def list_organization_admin_accounts(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        accounts = [
            {
                self.admin_id_member: one.account_id,
                self.admin_status_member: "DISABLE_IN_PROGRESS" if one.removing else "ENABLED",
            }
            for one in self.designations(self.managed(who), who.region)
        ]
        shown, token = self.paged(accounts, params, PAGE)
        return {"AdminAccounts": shown, **token}

    def each(
        self,
        who: Caller,
        operation: str,
        account_ids: Iterable[str],
        act: Callable[[Caller, str], str | None],
    ) -> dict[str, Any]:
        """Act on each account once; the answer's UnprocessedAccounts."""
        refused = self.refusals(
            who, operation, dict.fromkeys(account_ids), lambda one: act(who, one)
        )
        return self.unprocessed(refused)

    def unprocessed(self, refused: list[tuple[str, str]]) -> dict[str, Any]:
        return {
            "UnprocessedAccounts": [
                {"AccountId": account_id, self.reason_member: text} for account_id, text in refused
            ]
        }

    def shown_member(self, who: Caller, account_id: str, change: Change) -> dict[str, Any]:
        member: dict[str, Any] = {
            "AccountId": account_id,
            "MasterId": who.account_id,
            "AdministratorId": who.account_id,
            self.status_member: self.spelled(change),
            "UpdatedAt": self.timestamp(change.at),
        }
        if change.email is not None:
            member["Email"] = change.email
        if change.invited_at is not None:
            member["InvitedAt"] = self.timestamp(change.invited_at)
        return member

    def _invitation(self, administrator: str, change: Change) -> dict[str, Any]:
        invitation: dict[str, Any] = {
            "AccountId": administrator,
            self.status_member: self.spelled(change),
        }
        if change.invitation_id is not None:
            invitation["InvitationId"] = change.invitation_id
        if change.invited_at is not None:
            invitation["InvitedAt"] = self.timestamp(change.invited_at)
        return invitation
