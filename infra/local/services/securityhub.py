"""Security Hub (CSPM): hubs, members, invitations, and the organisation's administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.api import Caller, Operation, ServiceError
from infra.local.delegation import OrganizationMembers
from infra.local.membership import ASSOCIATED, Change, Membership, Standing, Why
from infra.local.organization import AutoEnable, MemberService
from infra.local.paging import iso, when
from infra.local.services import standards, wording
from infra.local.services.tags import TagOperations
from infra.local.state import Installation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.members import Refusals

_BATCH = 50
_TOO_MANY = "Maximum number of results exceeded"


class SecurityHub(OrganizationMembers):
    service = MemberService.SECURITYHUB
    spelling: ClassVar = {
        Standing.CREATED: "Created",
        Standing.INVITED: "Invited",
        Standing.ENABLED: "Enabled",
        Standing.REMOVED: "Removed",
        Standing.RESIGNED: "Resigned",
        Standing.DELETED: "Deleted",
        Standing.SUSPENDED: "AccountSuspended",
    }
    texts = wording.relationship_texts("SecurityHub", not_created=wording.NOT_MEMBER)
    errors: ClassVar = {
        Why.NOT_ENABLED: (
            "InvalidAccessException",
            "Account {account} is not subscribed to AWS Security Hub",
        ),
        Why.NOT_ADMINISTRATOR: (
            "InvalidAccessException",
            "Account {account} is not an administrator for this organization",
        ),
        # Terraform's provider takes this code with "not a member of an organization" as absent.
        Why.NOT_IN_ORGANIZATION: (
            "AccessDeniedException",
            "Account {account} is not a member of an organization",
        ),
        # Codes from here on, and the three texts, are inferred.
        Why.NOT_MANAGEMENT: (
            "AccessDeniedException",
            "Account {account} is not the management account of its organization",
        ),
        Why.OTHER_ADMINISTRATOR: (
            "InvalidInputException",
            "Another account is already the Security Hub administrator of this organization",
        ),
        Why.UNKNOWN_ADMINISTRATOR: (
            "InvalidInputException",
            "Account {account} cannot be, or is not, the administrator of this organization",
        ),
        Why.NO_INVITATION: ("InvalidInputException", wording.NO_INVITATION),
        Why.ALREADY_ASSOCIATED: ("InvalidInputException", wording.ALREADY_ASSOCIATED),
        Why.HAS_MEMBERS: ("InvalidInputException", wording.HAS_MEMBERS),
        Why.NOT_ASSOCIATED: ("ResourceNotFoundException", wording.NOT_ASSOCIATED),
        Why.ORGANIZATION_MEMBER: ("InvalidInputException", wording.ORGANIZATION_MEMBER),
        Why.BAD_INPUT: ("InvalidInputException", wording.OUT_OF_RANGE),
    }

    @property
    def operations(self) -> Mapping[str, Operation]:
        open_to_all: dict[str, Operation] = {
            "EnableSecurityHub": self.enable_security_hub,
            "EnableOrganizationAdminAccount": self.enable_organization_admin_account,
            "DisableOrganizationAdminAccount": self.disable_organization_admin_account,
            "ListOrganizationAdminAccounts": self.list_organization_admin_accounts,
            **TagOperations(self, "InvalidInputException").operations,
        }
        with_hub: dict[str, Operation] = {
            "DescribeHub": self.describe_hub,
            "UpdateSecurityHubConfiguration": self.update_security_hub_configuration,
            "DisableSecurityHub": self.disable_security_hub,
            "CreateMembers": self.create_members,
            "InviteMembers": self.invite_members,
            "GetMembers": self.get_members,
            "ListMembers": self.list_members,
            "DisassociateMembers": self.disassociate_members,
            "DeleteMembers": self.delete_members,
            "ListInvitations": self.list_invitations,
            "GetInvitationsCount": self.get_invitations_count,
            "AcceptAdministratorInvitation": self.accept_administrator_invitation,
            "AcceptInvitation": self.accept_administrator_invitation,
            "DeclineInvitations": self.decline_invitations,
            "DeleteInvitations": self.delete_invitations,
            "GetAdministratorAccount": self.get_administrator_account,
            "GetMasterAccount": self.get_master_account,
            "DisassociateFromAdministratorAccount": self.disassociate_from_administrator_account,
            "DisassociateFromMasterAccount": self.disassociate_from_administrator_account,
            "DescribeOrganizationConfiguration": self.describe_organization_configuration,
            "UpdateOrganizationConfiguration": self.update_organization_configuration,
            **standards.operations(self.hub, self.paged),
        }
        return open_to_all | {name: self._subscribed(call) for name, call in with_hub.items()}

    def enable_delay(self) -> float:
        return self.state.timings.securityhub_enable

    def capacity(self, *, organization: bool) -> int:
        limits = self.state.limits
        return limits.securityhub_organization if organization else limits.securityhub_invitation

    def switch_on(self, account_id: str, region: str) -> None:
        if self.state.installation(self.service, account_id, region) is None:
            self._enable(Caller(account_id, region), {})

    def admission(self, membership: Membership) -> tuple[Standing, str | None]:
        # Security Hub has no status for it: nothing happens before the account has the Region.
        standing, reason = super().admission(membership)
        return (Standing.CREATED if standing is Standing.REGION_DISABLED else standing), reason

    def delete(self, who: Caller, account_id: str) -> str | None:
        membership = self.find(who.account_id, who.region, account_id)
        if membership is not None and membership.current.organization:
            return self.texts.organization_account
        return super().delete(who, account_id)

    # Hubs

    def enable_security_hub(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        if self.state.installation(self.service, who.account_id, who.region):
            raise ServiceError(
                "ResourceConflictException", "Account is already subscribed to Security Hub"
            )
        self._enable(who, params)
        return {}

    def describe_hub(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        hub = self.hub(who)
        if params.get("HubArn", hub.arn) != hub.arn:
            raise ServiceError(
                "ResourceNotFoundException", f"Hub {params['HubArn']} does not exist"
            )
        return {
            "HubArn": hub.arn,
            "SubscribedAt": iso(hub.since),
            "AutoEnableControls": hub.settings["AutoEnableControls"],
            "ControlFindingGenerator": hub.settings["ControlFindingGenerator"],
        }

    def update_security_hub_configuration(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        self.hub(who).settings.update(params)
        return {}

    def disable_security_hub(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        members = self.memberships(who.region, administrator=who.account_id)
        has_members = any(member.current.standing in ASSOCIATED for member in members)
        if has_members or self.state.designation(self.service, who.region, who.account_id):
            raise ServiceError(
                "InvalidAccessException",
                f"Account {who.account_id} is a Security Hub administrator and cannot disable it",
            )
        del self.state.installations[self.service, who.account_id, who.region]
        membership = self.association(who.account_id, who.region)
        if membership is not None:
            self.become(membership, Standing.RESIGNED)
        return {}

    def hub(self, who: Caller) -> Installation:
        hub = self.state.installation(self.service, who.account_id, who.region)
        if hub is None:
            raise self.error(Why.NOT_ENABLED, account=who.account_id)
        return hub

    # The administrator's members

    def create_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        emails = {one["AccountId"]: one.get("Email") for one in params["AccountDetails"]}
        return self._batch(
            who, "CreateMembers", list(emails), lambda one: self.create(who, one, emails[one])
        )

    def invite_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._batch(
            who, "InviteMembers", params["AccountIds"], lambda one: self.invite(who, one)
        )

    def delete_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._batch(
            who, "DeleteMembers", params["AccountIds"], lambda one: self.delete(who, one)
        )

    def disassociate_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        for account_id in params["AccountIds"]:
            self.disassociate(who, account_id)
        return {}

    def get_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        # No source shows an entry for an account that is no member, and Terraform's provider
        # takes an empty Members for it: absent from both lists.
        listed = dict(self.listed(who))
        asked = dict.fromkeys(params["AccountIds"])
        unprocessed = self._batch(who, "GetMembers", list(asked), lambda _: None)
        failed = {entry["AccountId"] for entry in unprocessed["UnprocessedAccounts"]}
        return {
            "Members": [
                self._member(who, account_id, listed[account_id])
                for account_id in asked
                if account_id in listed and account_id not in failed
            ],
            **unprocessed,
        }

    def list_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        only_enabled = params.get("OnlyAssociated", True)
        members = [
            self._member(who, account_id, change)
            for account_id, change in self.listed(who)
            if not only_enabled or change.standing is Standing.ENABLED
        ]
        shown, token = self.paged(members, params, _BATCH)
        return {"Members": shown, **token}

    # The member's administrator

    def list_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        invitations = [self._invitation(*entry) for entry in self.invitations(who)]
        shown, token = self.paged(invitations, params, _BATCH)
        return {"Invitations": shown, **token}

    def get_invitations_count(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        open_ones = [c for _, c in self.invitations(who) if c.standing not in ASSOCIATED]
        return {"InvitationsCount": len(open_ones)}

    def accept_administrator_invitation(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        administrator = params.get("AdministratorId") or params["MasterId"]
        self.accept(who, administrator, params["InvitationId"])
        return {}

    def decline_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._batch(
            who, "DeclineInvitations", params["AccountIds"], lambda one: self.decline(who, one)
        )

    def delete_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._batch(
            who,
            "DeleteInvitations",
            params["AccountIds"],
            lambda one: self.delete_invitation(who, one),
        )

    def get_administrator_account(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
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

    # The organisation

    def enable_organization_admin_account(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        self.designate(who, params["AdminAccountId"])
        return {
            "AdminAccountId": params["AdminAccountId"],
            "Feature": params.get("Feature", "SecurityHub"),
        }

    def disable_organization_admin_account(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        self.undesignate(who, params["AdminAccountId"])
        return {}

    def list_organization_admin_accounts(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        accounts = [
            {
                "AccountId": one.account_id,
                "Status": "DISABLE_IN_PROGRESS" if one.removing else "ENABLED",
            }
            for one in self.designations(self.managed(who), who.region)
        ]
        shown, token = self.paged(accounts, params, 10)
        return {
            "AdminAccounts": shown,
            "Feature": params.get("Feature", "SecurityHub"),
            **token,
        }

    def describe_organization_configuration(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        designation = self.administered(who)
        return {
            "AutoEnable": designation.auto_enable is not AutoEnable.NONE,
            "MemberAccountLimitReached": self.full(who.account_id, who.region, organization=True),
            "AutoEnableStandards": designation.settings.get("AutoEnableStandards", "DEFAULT"),
            "OrganizationConfiguration": {
                "ConfigurationType": designation.settings.get("ConfigurationType", "LOCAL"),
                "Status": "ENABLED",
            },
        }

    def update_organization_configuration(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        settings = self.administered(who).settings
        organization = params.get("OrganizationConfiguration", {})
        if "ConfigurationType" in organization:
            settings["ConfigurationType"] = organization["ConfigurationType"]
        # Central configuration leaves both to its policies, whatever the request says (BC).
        central = settings.get("ConfigurationType") == "CENTRAL"
        if "AutoEnableStandards" in params or central:
            settings["AutoEnableStandards"] = "NONE" if central else params["AutoEnableStandards"]
        auto_enable = params["AutoEnable"] and not central
        self.set_auto_enable(who, AutoEnable.NEW if auto_enable else AutoEnable.NONE)
        return {}

    def full(self, administrator: str, region: str, *, organization: bool) -> bool:
        if organization:
            return super().full(administrator, region, organization=True)
        invited = sum(
            not membership.current.organization
            for membership in self.memberships(region, administrator=administrator)
        )
        return invited >= self.capacity(organization=False)

    def _subscribed(self, call: Operation) -> Operation:
        def checked(who: Caller, params: dict[str, Any]) -> dict[str, Any]:
            self.hub(who)
            return call(who, params)

        return checked

    def _batch(
        self,
        who: Caller,
        operation: str,
        account_ids: list[str],
        act: Callable[[str], str | None],
    ) -> dict[str, Any]:
        """Security Hub takes more than 50 accounts and leaves the rest unprocessed (SEA 814)."""
        refused: Refusals = self.refusals(who, operation, account_ids[:_BATCH], act)
        refused += [(account_id, _TOO_MANY) for account_id in account_ids[_BATCH:]]
        return {
            "UnprocessedAccounts": [
                {"AccountId": account_id, "ProcessingResult": text} for account_id, text in refused
            ]
        }

    def _member(self, who: Caller, account_id: str, change: Change) -> dict[str, Any]:
        member: dict[str, Any] = {
            "AccountId": account_id,
            "MasterId": who.account_id,
            "AdministratorId": who.account_id,
            "MemberStatus": self.spelled(change),
            "UpdatedAt": when(change.at),
        }
        if change.email is not None:
            member["Email"] = change.email
        if change.invited_at is not None:
            member["InvitedAt"] = when(change.invited_at)
        return member

    def _invitation(self, administrator: str, change: Change) -> dict[str, Any]:
        invitation: dict[str, Any] = {
            "AccountId": administrator,
            "MemberStatus": self.spelled(change),
        }
        if change.invitation_id is not None:
            invitation["InvitationId"] = change.invitation_id
        if change.invited_at is not None:
            invitation["InvitedAt"] = when(change.invited_at)
        return invitation

    def _enable(self, who: Caller, params: dict[str, Any]) -> None:
        now = self.state.now()
        arn = f"arn:aws:securityhub:{who.region}:{who.account_id}:hub/default"
        hub = Installation("default", arn, now, now, tags=dict(params.get("Tags", {})))
        hub.settings = {
            "AutoEnableControls": True,
            "ControlFindingGenerator": params.get("ControlFindingGenerator", "SECURITY_CONTROL"),
            "standards": (
                standards.defaults(who.region) if params.get("EnableDefaultStandards", True) else []
            ),
        }
        self.state.install(self.service, who.account_id, who.region, hub)
