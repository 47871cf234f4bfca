"""Security Hub (CSPM): hubs, members, invitations, and the organisation's administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.api import Caller, Operation, ServiceError, Wording
from infra.local.facts.membership import ASSOCIATED, LocalMembership, LocalStatus, Why
from infra.local.facts.organization import AutoEnable
from infra.local.facts.state import Installation
from infra.local.services.securityhub import standards
from infra.local.services.shared import refusals
from infra.local.services.shared.members import Members
from infra.local.services.shared.relationship import Relationship, Shape
from infra.local.services.shared.tags import TagOperations
from infra.local.wire.errors import described
from infra.local.wire.paging import iso, when

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.facts.state import State

_INVALID = "InvalidInputException"
_SHAPE = Shape(
    reason="ProcessingResult",
    status="MemberStatus",
    admin_id="AccountId",
    admin_status="Status",
    timestamp=when,
    # "Associated" means the status Enabled here (BC).
    not_associated=frozenset(LocalStatus) - {LocalStatus.ENABLED},
    # Security Hub takes more than 50 accounts and leaves the rest unprocessed (SEA 814).
    too_many="Maximum number of results exceeded",
)


class SecurityHub(Members):
    name = "securityhub"
    label = "Security Hub"
    principal = "securityhub.amazonaws.com"
    wording = Wording(
        throttling="LimitExceededException",
        server_error="InternalException",
        # Inferred to be AWS's common request validation, as for the others but GuardDuty.
        invalid_input=lambda broken: ServiceError(_INVALID, described(broken)),
        malformed=lambda message: ServiceError(_INVALID, message),
    )
    timings: ClassVar = {
        # From CreateMembers on an organisation account to Enabled.
        "securityhub_enable": 1.0,
    }
    # Members per administrator and Region (aws-facts 1.5).
    limits: ClassVar = {"securityhub_organization": 10_000, "securityhub_invitation": 1_000}
    spelling: ClassVar = {
        LocalStatus.CREATED: "Created",
        LocalStatus.INVITED: "Invited",
        LocalStatus.ENABLED: "Enabled",
        LocalStatus.REMOVED: "Removed",
        LocalStatus.RESIGNED: "Resigned",
        LocalStatus.DELETED: "Deleted",
        LocalStatus.SUSPENDED: "AccountSuspended",
    }
    texts = refusals.relationship_texts("SecurityHub", not_created=refusals.NOT_MEMBER)
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
            _INVALID,
            "Another account is already the Security Hub administrator of this organization",
        ),
        Why.UNKNOWN_ADMINISTRATOR: (
            _INVALID,
            "Account {account} cannot be, or is not, the administrator of this organization",
        ),
        Why.NO_INVITATION: (_INVALID, refusals.NO_INVITATION),
        Why.ALREADY_ASSOCIATED: (_INVALID, refusals.ALREADY_ASSOCIATED),
        Why.HAS_MEMBERS: (_INVALID, refusals.HAS_MEMBERS),
        Why.NOT_ASSOCIATED: ("ResourceNotFoundException", refusals.NOT_ASSOCIATED),
        Why.ORGANIZATION_MEMBER: (_INVALID, refusals.ORGANIZATION_MEMBER),
        Why.BAD_INPUT: (_INVALID, refusals.OUT_OF_RANGE),
    }

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._relationship = Relationship(self, _SHAPE)

    @property
    def operations(self) -> Mapping[str, Operation]:
        open_to_all: dict[str, Operation] = {
            "EnableSecurityHub": self.enable_security_hub,
            **self._relationship.organization_operations(),
            "EnableOrganizationAdminAccount": self.enable_organization_admin_account,
            "ListOrganizationAdminAccounts": self.list_organization_admin_accounts,
            **TagOperations(self, _INVALID).operations,
        }
        with_hub: dict[str, Operation] = {
            "DescribeHub": self.describe_hub,
            "UpdateSecurityHubConfiguration": self.update_security_hub_configuration,
            "DisableSecurityHub": self.disable_security_hub,
            "GetFindings": self.get_findings,
            "ListFindingAggregators": self.list_finding_aggregators,
            **self._relationship.member_operations(),
            "DisassociateMembers": self.disassociate_members,
            **self._relationship.invitation_operations(),
            **self._relationship.administrator_operations(),
            "DescribeOrganizationConfiguration": self.describe_organization_configuration,
            "UpdateOrganizationConfiguration": self.update_organization_configuration,
            **standards.operations(self.hub, self.paged),
        }
        return open_to_all | {name: self._subscribed(call) for name, call in with_hub.items()}

    def enable_delay(self) -> float:
        return self.state.timings["securityhub_enable"]

    def capacity(self, *, organization: bool) -> float:
        kind = "organization" if organization else "invitation"
        return self.state.limits[f"securityhub_{kind}"]

    def switch_on(self, account_id: str, region: str) -> None:
        if self.state.installation(self.name, account_id, region) is None:
            self._enable(Caller(account_id, region), {})

    def admission(self, membership: LocalMembership) -> tuple[LocalStatus, str | None]:
        # Security Hub has no status for it: nothing happens before the account has the Region.
        status, reason = super().admission(membership)
        return (LocalStatus.CREATED if status is LocalStatus.REGION_DISABLED else status), reason

    def delete(self, who: Caller, account_id: str) -> str | None:
        membership = self.find(who.account_id, who.region, account_id)
        if membership is not None and membership.current.organization:
            return self.texts.organization_account
        return super().delete(who, account_id)

    def disassociate_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._relationship.disassociate_members(who, params)
        return {}

    # Hubs

    def enable_security_hub(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        if self.state.installation(self.name, who.account_id, who.region):
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
        has_members = any(member.current.status in ASSOCIATED for member in members)
        if has_members or self.state.designation(self.name, who.region, who.account_id):
            raise ServiceError(
                "InvalidAccessException",
                f"Account {who.account_id} is a Security Hub administrator and cannot disable it",
            )
        del self.state.installations[self.name, who.account_id, who.region]
        membership = self.association(who.account_id, who.region)
        if membership is not None:
            self.become(membership, LocalStatus.RESIGNED)
        return {}

    def get_findings(self, _: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Clients ask for findings to see whether the hub is on; no hub here has any."""
        return self._none("Findings", params)

    def list_finding_aggregators(self, _: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._none("FindingAggregators", params)

    def hub(self, who: Caller) -> Installation:
        hub = self.state.installation(self.name, who.account_id, who.region)
        if hub is None:
            raise self.error(Why.NOT_ENABLED, account=who.account_id)
        return hub

    # The organisation

    def enable_organization_admin_account(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        self.delegation.designate(who, params["AdminAccountId"])
        return {
            "AdminAccountId": params["AdminAccountId"],
            "Feature": params.get("Feature", "SecurityHub"),
        }

    def list_organization_admin_accounts(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        answer = self._relationship.list_organization_admin_accounts(who, params)
        return answer | {"Feature": params.get("Feature", "SecurityHub")}

    def describe_organization_configuration(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        designation = self.delegation.administered(who)
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
        settings = self.delegation.administered(who).settings
        organization = params.get("OrganizationConfiguration", {})
        if "ConfigurationType" in organization:
            settings["ConfigurationType"] = organization["ConfigurationType"]
        # Central configuration leaves both to its policies, whatever the request says (BC).
        central = settings.get("ConfigurationType") == "CENTRAL"
        if "AutoEnableStandards" in params or central:
            settings["AutoEnableStandards"] = "NONE" if central else params["AutoEnableStandards"]
        auto_enable = params["AutoEnable"] and not central
        self.delegation.set_auto_enable(who, AutoEnable.NEW if auto_enable else AutoEnable.NONE)
        return {}

    def full(self, administrator: str, region: str, *, organization: bool) -> bool:
        if organization:
            return super().full(administrator, region, organization=True)
        invited = sum(
            not membership.current.organization
            for membership in self.memberships(region, administrator=administrator)
        )
        return invited >= self.capacity(organization=False)

    def _none(self, member: str, params: dict[str, Any]) -> dict[str, Any]:
        shown, token = self.paged(list[dict[str, Any]](), params, 100)
        return {member: shown, **token}

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
        self.state.install(self.name, who.account_id, who.region, hub)
