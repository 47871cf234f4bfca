"""AWS Organizations as the management account, its delegates and plain members see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.api import Caller, Operation, ServiceError, Wording
from infra.local.facts.switches import OFF
from infra.local.services.organizations.accounts import OrganizationAccounts
from infra.local.services.organizations.handshakes import Handshakes
from infra.local.services.organizations.rates import ACCOUNT, BOTH
from infra.local.services.organizations.view import View
from infra.local.services.service import LocalService
from infra.local.wire.constraints import Constraint
from infra.local.wire.errors import described
from infra.local.wire.paging import when

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.local.facts.organization import LocalOrganization
    from infra.local.facts.rates import Rate
    from infra.local.facts.state import State
    from infra.local.wire.constraints import Violation


_REASONS = {
    Constraint.REQUIRED: "INPUT_REQUIRED",
    Constraint.ENUM: "INVALID_ENUM",
    Constraint.PATTERN: "INVALID_PATTERN",
    Constraint.MIN_LENGTH: "MIN_LENGTH_EXCEEDED",
    Constraint.MAX_LENGTH: "MAX_LENGTH_EXCEEDED",
    Constraint.MIN_VALUE: "MIN_VALUE_EXCEEDED",
    Constraint.MAX_VALUE: "MAX_VALUE_EXCEEDED",
}


def _invalid_input(broken: Sequence[Violation]) -> ServiceError:
    reason = _REASONS[broken[0].constraint]
    return ServiceError("InvalidInputException", described(broken), Reason=reason)


class Organizations(LocalService):
    name = "organizations"
    label = "Organizations"
    wording = Wording(
        throttling="TooManyRequestsException",
        server_error="ServiceException",
        invalid_input=_invalid_input,
        # As json 1.1 services do.
        malformed=lambda message: ServiceError("SerializationException", message),
    )
    timings: ClassVar = {"account_creation": 1.0, "account_closure": 1.0}
    limits: ClassVar = {"organization_accounts": 10_000}
    regional = False

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._view = View(state)
        self._accounts = OrganizationAccounts(state, self._view)
        self._handshakes = Handshakes(state, self._view)

    def rates(self, who: Caller, operation: str) -> Mapping[tuple[str, ...], Rate]:
        if self.state.switches["organizations_rate_limits"] == OFF:
            return {}
        of_account, of_organization = BOTH.get(operation, (ACCOUNT.get(operation), None))
        limiting = {(self.name, operation, who.account_id): of_account}
        organization = self.state.organization_of(who.account_id)
        if organization is not None:
            limiting[self.name, operation, organization.id] = of_organization
        return {key: rate for key, rate in limiting.items() if rate is not None}

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            "CreateOrganization": self.create_organization,
            "DescribeOrganization": self.describe_organization,
            "ListRoots": self.list_roots,
            "EnablePolicyType": self.enable_policy_type,
            "DisablePolicyType": self.disable_policy_type,
            "ListOrganizationalUnitsForParent": self.list_organizational_units_for_parent,
            "DescribeOrganizationalUnit": self.describe_organizational_unit,
            "CreateOrganizationalUnit": self.create_organizational_unit,
            "ListParents": self.list_parents,
            "ListChildren": self.list_children,
            "RegisterDelegatedAdministrator": self.register_delegated_administrator,
            "DeregisterDelegatedAdministrator": self.deregister_delegated_administrator,
            "ListDelegatedAdministrators": self.list_delegated_administrators,
            "ListDelegatedServicesForAccount": self.list_delegated_services_for_account,
            "EnableAWSServiceAccess": self.enable_aws_service_access,
            "DisableAWSServiceAccess": self.disable_aws_service_access,
            "ListAWSServiceAccessForOrganization": self.list_aws_service_access,
            "TagResource": self.tag_resource,
            "UntagResource": self.untag_resource,
            "ListTagsForResource": self.list_tags_for_resource,
            **self._accounts.operations,
            **self._handshakes.operations,
        }

    def create_organization(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        if self.state.organization_of(who.account_id):
            raise ServiceError(
                "AlreadyInOrganizationException",
                "The AWS account is already a member of an organization.",
            )
        organization = self.state.found_organization(who.account_id)
        organization.feature_set = params.get("FeatureSet", "ALL")
        return {"Organization": self._view.organization(organization)}

    def describe_organization(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        return {"Organization": self._view.organization(self._view.joined(who))}

    def list_roots(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._view.page("Roots", [self._view.root(self._view.readable(who))], params)

    def enable_policy_type(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization, policy_type = self._of_root(who, params), params["PolicyType"]
        if organization.feature_set != "ALL":
            raise ServiceError(
                "PolicyTypeNotAvailableForOrganizationException",
                "You can't use the specified policy type with the feature set currently enabled "
                "for this organization.",
            )
        if policy_type in organization.policy_types:
            raise ServiceError(
                "PolicyTypeAlreadyEnabledException",
                "The specified policy type is already enabled.",
            )
        organization.policy_types.add(policy_type)
        self.state.policy_types_changed(organization)
        return {"Root": self._view.root(organization)}

    def disable_policy_type(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization, policy_type = self._of_root(who, params), params["PolicyType"]
        if policy_type not in organization.policy_types:
            raise ServiceError(
                "PolicyTypeNotEnabledException", "The specified policy type is not enabled."
            )
        organization.policy_types.remove(policy_type)
        self.state.policy_types_changed(organization)
        return {"Root": self._view.root(organization)}

    def _of_root(self, who: Caller, params: dict[str, Any]) -> LocalOrganization:
        organization = self._view.managed(who)
        if params["RootId"] != organization.root_id:
            raise ServiceError("RootNotFoundException", "You specified a root that doesn't exist.")
        return organization

    def list_organizational_units_for_parent(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        organization = self._view.readable(who)
        self._view.parent(organization, params["ParentId"])
        answer = self._view.page(
            "OrganizationalUnits", organization.units_in(params["ParentId"]), params
        )
        units = [organization.units[one] for one in answer["OrganizationalUnits"]]
        shown = [self._view.unit(organization, unit) for unit in units]
        return answer | {"OrganizationalUnits": shown}

    def describe_organizational_unit(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.readable(who)
        unit = organization.units.get(params["OrganizationalUnitId"])
        if unit is None:
            raise ServiceError(
                "OrganizationalUnitNotFoundException",
                "You specified an organizational unit that doesn't exist.",
            )
        return {"OrganizationalUnit": self._view.unit(organization, unit)}

    def create_organizational_unit(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.managed(who)
        self._view.parent(organization, params["ParentId"])
        siblings = map(organization.units.__getitem__, organization.units_in(params["ParentId"]))
        if any(unit.name == params["Name"] for unit in siblings):
            raise ServiceError(
                "DuplicateOrganizationalUnitException",
                "An OU with the same name already exists.",
            )
        unit = self.state.add_unit(organization, params["Name"], params["ParentId"])
        organization.tags[unit.id] = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        return {"OrganizationalUnit": self._view.unit(organization, unit)}

    def list_parents(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.readable(who)
        child = params["ChildId"]
        if child in organization.seats:
            parent_id = organization.seats[child].parent_id
        elif child in organization.units:
            parent_id = organization.units[child].parent_id
        else:
            raise ServiceError(
                "ChildNotFoundException", "You specified a child that doesn't exist."
            )
        kind = "ROOT" if parent_id == organization.root_id else "ORGANIZATIONAL_UNIT"
        return self._view.page("Parents", [{"Id": parent_id, "Type": kind}], params)

    def list_children(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.readable(who)
        parent_id, kind = params["ParentId"], params["ChildType"]
        self._view.parent(organization, parent_id)
        below = organization.accounts_in if kind == "ACCOUNT" else organization.units_in
        answer = self._view.page("Children", below(parent_id), params)
        children = [{"Id": child_id, "Type": kind} for child_id in answer["Children"]]
        return answer | {"Children": children}

    # Delegated administrators and trusted access

    def register_delegated_administrator(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        organization = self._view.managed(who)
        account_id, principal = params["AccountId"], params["ServicePrincipal"]
        self._view.seat(organization, account_id)
        if account_id == organization.management:
            raise ServiceError(
                "ConstraintViolationException",
                "You cannot register the management account as a delegated administrator.",
                Reason="CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR",
            )
        if organization.is_delegate(account_id, principal):
            raise ServiceError(
                "AccountAlreadyRegisteredException",
                "The provided account is already a delegated administrator for your organization.",
            )
        if principal not in organization.service_access:
            raise ServiceError(
                "ConstraintViolationException",
                "You must enable service access before you register a delegated administrator.",
                Reason="SERVICE_ACCESS_NOT_ENABLED",
            )
        organization.delegates.setdefault(principal, {})[account_id] = self.state.now()
        return {}

    def deregister_delegated_administrator(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        organization = self._view.managed(who)
        account_id, principal = params["AccountId"], params["ServicePrincipal"]
        self._view.seat(organization, account_id)
        if not organization.is_delegate(account_id, principal):
            raise _not_registered()
        del organization.delegates[principal][account_id]
        for listener in self.state.listeners:
            listener.administrator_deregistered(organization, principal, account_id)
        return {}

    def list_delegated_administrators(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.readable(who)
        asked = params.get("ServicePrincipal")
        since: dict[str, float] = {}
        for principal, accounts in organization.delegates.items():
            if asked in (None, principal):
                for account_id, at in accounts.items():
                    since[account_id] = min(at, since.get(account_id, at))
        administrators = []
        for account_id, at in sorted(since.items()):
            account = self._view.account(organization, account_id)
            del account["Paths"]
            status = self._view.status(account_id)
            administrators.append(account | {"Status": status, "DelegationEnabledDate": when(at)})
        return self._view.page("DelegatedAdministrators", administrators, params)

    def list_delegated_services_for_account(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        organization = self._view.readable(who)
        account_id = params["AccountId"]
        self._view.seat(organization, account_id)
        services = [
            {"ServicePrincipal": principal, "DelegationEnabledDate": when(accounts[account_id])}
            for principal, accounts in sorted(organization.delegates.items())
            if account_id in accounts
        ]
        if not services:
            raise _not_registered()
        return self._view.page("DelegatedServices", services, params)

    def enable_aws_service_access(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        access = self._view.managed(who).service_access
        access.setdefault(params["ServicePrincipal"], self.state.now())
        return {}

    def disable_aws_service_access(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.managed(who)
        if organization.delegates.get(params["ServicePrincipal"]):
            raise ServiceError(
                "ConstraintViolationException",
                "Deregister the delegated administrators of the service first.",
                Reason="DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE",
            )
        organization.service_access.pop(params["ServicePrincipal"], None)
        return {}

    def list_aws_service_access(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        principals = [
            {"ServicePrincipal": principal, "DateEnabled": when(at)}
            for principal, at in sorted(self._view.readable(who).service_access.items())
        ]
        return self._view.page("EnabledServicePrincipals", principals, params)

    # Tags

    def tag_resource(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        tags = self._tags(self._view.readable(who), params["ResourceId"])
        tags.update({tag["Key"]: tag["Value"] for tag in params["Tags"]})
        return {}

    def untag_resource(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        tags = self._tags(self._view.readable(who), params["ResourceId"])
        for key in params["TagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        tags = self._tags(self._view.readable(who), params["ResourceId"])
        listed = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
        return self._view.page("Tags", listed, params, size=50)

    def _tags(self, organization: LocalOrganization, resource_id: str) -> dict[str, str]:
        if resource_id not in organization.seats and not organization.has_parent(resource_id):
            raise ServiceError(
                "TargetNotFoundException", "You specified a target that doesn't exist."
            )
        return organization.tags.setdefault(resource_id, {})


def _not_registered() -> ServiceError:
    return ServiceError(
        "AccountNotRegisteredException",
        "The provided account is not a registered delegated administrator for your organization.",
    )
