"""Security Hub (CSPM): hubs, members, invitations, and the organisation's administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.api import Caller, Operation, ServiceError, Wording
from infra.local.facts.membership import ASSOCIATED, Change, LocalMembership, LocalStatus, Why
from infra.local.facts.organization import AutoEnable, Designation, LocalOrganization
from infra.local.facts.rates import Rate
from infra.local.facts.state import Installation
from infra.local.facts.switches import CUT, OFF
from infra.local.services.securityhub import standards
from infra.local.services.securityhub.aggregators import Aggregators
from infra.local.services.securityhub.central import CentralOperations
from infra.local.services.shared import refusals
from infra.local.services.shared.members import Members
from infra.local.services.shared.relationship import Relationship, Shape
from infra.local.services.shared.tags import TagOperations
from infra.local.wire.constraints import Constraint
from infra.local.wire.errors import described
from infra.local.wire.paging import iso, when

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.local.facts.state import State
    from infra.local.wire.constraints import Violation

_INVALID = "InvalidInputException"
# In an account and Region, for all operations but some (BC).
_RATE = Rate(10, 30)
_RATES = {"BatchEnableStandards": Rate(1, 1), "GetFindings": Rate(3, 6)}
# What accounts with a configuration policy may not do (central-configuration-intro).
_SELF_MANAGED_ONLY = (
    "EnableSecurityHub",
    "DisableSecurityHub",
    "BatchEnableStandards",
    "BatchDisableStandards",
)


class SecurityHub(Members):
    name = "securityhub"
    label = "Security Hub CSPM"
    principal = "securityhub.amazonaws.com"
    # User guide, "securityhub-data-retention".
    when_left = LocalStatus.DELETED
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
        # From UpdateOrganizationConfiguration until central configuration is ENABLED.
        "securityhub_central_configuration": 1.0,
        # How long a policy association is PENDING: on AWS up to 24 hours.
        "securityhub_policy_association": 1.0,
    }
    limits: ClassVar = {
        # Members per administrator and Region (aws-facts 1.5).
        "securityhub_organization": 10_000,
        "securityhub_invitation": 1_000,
        "securityhub_policies": 20,
    }
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
        self._relationship = Relationship(
            self,
            Shape(
                reason="ProcessingResult",
                status="MemberStatus",
                admin_id="AccountId",
                admin_status="Status",
                timestamp=when,
                # "Associated" means the status Enabled here (BC).
                not_associated=frozenset(LocalStatus) - {LocalStatus.ENABLED},
                too_many=lambda: "Maximum number of results exceeded" if self._cuts() else None,
            ),
        )
        self._central = CentralOperations(self)
        self.aggregators = Aggregators(
            state,
            self.paged,
            is_member=lambda who: self.association(who.account_id, who.region) is not None,
            linked=self._central.linked,
            kept=self._central.is_run_by,
        )

    @property
    def operations(self) -> Mapping[str, Operation]:
        open_to_all: dict[str, Operation] = {
            "EnableSecurityHub": self.enable_security_hub,
            **self._relationship.organization_operations(),
            "EnableOrganizationAdminAccount": self.enable_organization_admin_account,
            "DisableOrganizationAdminAccount": self.disable_organization_admin_account,
            "ListOrganizationAdminAccounts": self.list_organization_admin_accounts,
            **TagOperations(self, _INVALID).operations,
        }
        with_hub: dict[str, Operation] = {
            "DescribeHub": self.describe_hub,
            "UpdateSecurityHubConfiguration": self.update_security_hub_configuration,
            "DisableSecurityHub": self.disable_security_hub,
            "GetFindings": self.get_findings,
            **self.aggregators.operations,
            **self._central.operations,
            **self._relationship.member_operations(),
            "DisassociateMembers": self.disassociate_members,
            **self._relationship.invitation_operations(),
            **self._relationship.administrator_operations(),
            "DescribeOrganizationConfiguration": self.describe_organization_configuration,
            "UpdateOrganizationConfiguration": self.update_organization_configuration,
            **standards.operations(self.hub, self.paged),
        }
        every = open_to_all | {name: self._subscribed(call) for name, call in with_hub.items()}
        return every | {name: self._self_managed(every[name]) for name in _SELF_MANAGED_ONLY}

    def refused(self, broken: Sequence[Violation]) -> Sequence[Violation]:
        if not self._cuts():
            return broken
        too_many = (Constraint.MAX_LENGTH, ("AccountDetails",))
        return [one for one in broken if (one.constraint, one.path) != too_many]

    def rates(self, who: Caller, operation: str) -> Mapping[tuple[str, ...], Rate]:
        if self.state.switches["securityhub_rate_limits"] == OFF:
            return {}
        own = (operation,) if operation in _RATES else ()
        key = (self.name, who.account_id, who.region, *own)
        return {key: _RATES.get(operation, _RATE)}

    def enable_delay(self) -> float:
        return self.state.timings["securityhub_enable"]

    def capacity(self, *, organization: bool) -> float:
        kind = "organization" if organization else "invitation"
        return self.state.limits[f"securityhub_{kind}"]

    def switch_on(self, account_id: str, region: str) -> None:
        if self.state.installation(self.name, account_id, region) is None:
            self._enable(Caller(account_id, region), {})

    def admission(self, membership: LocalMembership) -> tuple[LocalStatus, str | None]:
        account_id, region = membership.account_id, membership.region
        before = self.state.installation(self.name, account_id, region)
        status, reason = super().admission(membership)
        hub = self.state.installation(self.name, account_id, region)
        if hub is not before and hub is not None and self._without_standards(membership):
            hub.settings["standards"] = []
        # Security Hub has no status for it: nothing happens before the account has the Region.
        return (LocalStatus.CREATED if status is LocalStatus.REGION_DISABLED else status), reason

    def _without_standards(self, membership: LocalMembership) -> bool:
        """Whether the organisation has turned the default standards off (user guide,
        "orgs-accounts-enable": it also counts for accounts that are added by hand).
        """
        found = self.state.designation(self.name, membership.region, membership.administrator)
        settings = found[1].settings if found and membership.current.organization else {}
        return bool(settings.get("AutoEnableStandards") == "NONE")

    def delete(self, who: Caller, account_id: str) -> str | None:
        membership = self.find(who.account_id, who.region, account_id)
        if membership is not None and membership.current.organization:
            return self.texts.organization_account
        return super().delete(who, account_id)

    def administrator_ended(self, account_id: str, region: str) -> None:
        self._central.abandon(account_id, region)

    def configure(self, who: Caller, standard_arns: Sequence[str]) -> None:
        """Switch the hub on where it is off, with just these standards, as a policy does."""
        if self.state.installation(self.name, who.account_id, who.region) is None:
            self._enable(who, {})
        self.hub(who).settings["standards"] = [
            standards.in_region(arn, who.region) for arn in standard_arns
        ]

    def associate(self, administrator: str, region: str, account_id: str) -> None:
        """Make an account of the organisation a member, as central configuration does."""
        if account_id == administrator:
            return
        membership = self.membership(administrator, region, account_id)
        known = membership.current if membership.changes else None
        if known is None or not known.organization or known.status is not LocalStatus.ENABLED:
            email = self.state.account(account_id).email
            change = Change(self.state.now(), LocalStatus.ENABLED, email, organization=True)
            self.record(membership, change)

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
        members = self.members_of(who.account_id, who.region)
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
        shown, token = self.paged(list[dict[str, Any]](), params, 100)
        return {"Findings": shown, **token}

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

    def disable_organization_admin_account(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        organization = self.delegation.managed(who)
        if self._central.of_region(organization, who.region) is not None:
            # That it is refused is documented (start-central-configuration), the code is not.
            raise ServiceError(
                _INVALID, "Central configuration does not let the administrator be removed"
            )
        return self._relationship.disable_organization_admin_account(who, params)

    def describe_organization_configuration(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        organization, designation = self._administered(who)
        central = self._central.of_region(organization, who.region)
        configuration = {"ConfigurationType": "LOCAL", "Status": "ENABLED"}
        if central is not None:
            configuration = {"ConfigurationType": "CENTRAL", "Status": central.status.value}
            if central.message is not None:
                configuration["StatusMessage"] = central.message
        standards_by_default = designation.settings.get("AutoEnableStandards", "DEFAULT")
        return {
            "AutoEnable": designation.auto_enable is not AutoEnable.NONE,
            "MemberAccountLimitReached": self.full(who.account_id, who.region, organization=True),
            # Central configuration leaves it to its policies (BC).
            "AutoEnableStandards": standards_by_default if central is None else "NONE",
            "OrganizationConfiguration": configuration,
        }

    def update_organization_configuration(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        organization, designation = self._administered(who)
        match params.get("OrganizationConfiguration", {}).get("ConfigurationType"):
            case "CENTRAL":
                self._central.start(organization, who)
            case "LOCAL":
                self._central.stop(organization, who)
        central = self._central.of_region(organization, who.region) is not None
        if "AutoEnableStandards" in params and not central:
            designation.settings["AutoEnableStandards"] = params["AutoEnableStandards"]
        # Under central configuration it is off, whatever the request says (BC).
        auto_enable = params["AutoEnable"] and not central
        self.delegation.set_auto_enable(who, AutoEnable.NEW if auto_enable else AutoEnable.NONE)
        return {}

    def full(self, administrator: str, region: str, *, organization: bool) -> bool:
        if organization:
            return super().full(administrator, region, organization=True)
        tally = self.state.memberships.tally(self.name, region, administrator)
        return tally.invited >= self.capacity(organization=False)

    def _cuts(self) -> bool:
        """Whether more than 50 accounts are taken, and the rest left unprocessed."""
        return self.state.switches["securityhub_over_fifty"] == CUT

    def _administered(self, who: Caller) -> tuple[LocalOrganization, Designation]:
        found = self.state.designation(self.name, who.region, who.account_id)
        if found is None:
            raise self.error(Why.NOT_ADMINISTRATOR, account=who.account_id)
        return found

    def _self_managed(self, call: Operation) -> Operation:
        def checked(who: Caller, params: dict[str, Any]) -> dict[str, Any]:
            if self._central.manages(who):
                # Observed (terraform-provider-aws 39687).
                raise ServiceError(
                    "AccessDeniedException",
                    "This account is currently associated with a central configuration policy, "
                    "so only the administrator can access this operation.",
                )
            return call(who, params)

        return checked

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
