"""Security Hub (CSPM): hubs, members, invitations, and the organisation's administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.api import Caller, Operation, ServiceError
from infra.local.membership import ASSOCIATED, Membership, Standing, Why
from infra.local.organization import AutoEnable, MemberService
from infra.local.paging import iso, when
from infra.local.services import standards, wording
from infra.local.services.relationship import PAGE, Relationship
from infra.local.services.tags import TagOperations
from infra.local.state import Installation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

_TOO_MANY = "Maximum number of results exceeded"


class SecurityHub(Relationship):
    service = MemberService.SECURITYHUB
    reason_member = "ProcessingResult"
    status_member = "MemberStatus"
    # "Associated" means the status Enabled here (BC).
    not_associated = frozenset(Standing) - {Standing.ENABLED}
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
            **self.member_operations(),
            **self.invitation_operations(),
            **self.administrator_operations(),
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

    def disassociate_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        super().disassociate_members(who, params)
        return {}

    def each(
        self,
        who: Caller,
        operation: str,
        account_ids: Iterable[str],
        act: Callable[[Caller, str], str | None],
    ) -> dict[str, Any]:
        """Security Hub takes more than 50 accounts and leaves the rest unprocessed (SEA 814)."""
        asked = list(dict.fromkeys(account_ids))
        answer = super().each(who, operation, asked[:PAGE], act)
        too_many = self.unprocessed([(account_id, _TOO_MANY) for account_id in asked[PAGE:]])
        return {key: answer[key] + too_many[key] for key in answer}

    def timestamp(self, at: float) -> datetime:
        return when(at)

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
        answer = super().list_organization_admin_accounts(who, params)
        return answer | {"Feature": params.get("Feature", "SecurityHub")}

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
