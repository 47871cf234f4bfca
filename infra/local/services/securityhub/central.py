"""Security Hub's central configuration: how it starts and stops, its policies and associations.

Facts: the pages start-central-configuration, stop-central-configuration, view-policy,
delete-policy and configuration-policies-overview of the Security Hub CSPM User Guide.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from infra.local.api import Caller, Operation, ServiceError
from infra.local.facts.central_configuration import (
    SELF_MANAGED,
    Association,
    CentralConfiguration,
    ConfigurationPolicy,
    ConfigurationStatus,
)
from infra.local.facts.organization import AutoEnable, LocalOrganization
from infra.local.services.securityhub import standards
from infra.local.services.securityhub.associations import Associations
from infra.local.wire.paging import when

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.services.securityhub.service import SecurityHub

# The codes of refusals are inferred where no comment names a source.
_INVALID = "InvalidInputException"
_CONFLICT = "ResourceConflictException"
_NOT_FOUND = "ResourceNotFoundException"
_DENIED = "AccessDeniedException"
_NAME = re.compile(r"[A-Za-z0-9.!*/-]{1,128}")
_TARGETS = {"AccountId": "ACCOUNT", "OrganizationalUnitId": "ORGANIZATIONAL_UNIT", "RootId": "ROOT"}

Central = tuple[LocalOrganization, CentralConfiguration]


class CentralOperations:
    def __init__(self, hubs: SecurityHub) -> None:
        self._hubs = hubs
        self._state = hubs.state
        self.associations = Associations(hubs, self.regions)

    @property
    def operations(self) -> Mapping[str, Operation]:
        centrally: dict[str, Callable[[Central, dict[str, Any]], dict[str, Any]]] = {
            "CreateConfigurationPolicy": self.create_configuration_policy,
            "GetConfigurationPolicy": self.get_configuration_policy,
            "ListConfigurationPolicies": self.list_configuration_policies,
            "UpdateConfigurationPolicy": self.update_configuration_policy,
            "DeleteConfigurationPolicy": self.delete_configuration_policy,
            "StartConfigurationPolicyAssociation": self.start_association,
            "StartConfigurationPolicyDisassociation": self.start_disassociation,
            "GetConfigurationPolicyAssociation": self.get_association,
            "BatchGetConfigurationPolicyAssociations": self.batch_get_associations,
            "ListConfigurationPolicyAssociations": self.list_associations,
        }
        return {name: self._administering(call) for name, call in centrally.items()}

    # The configuration itself

    def regions(self, central: CentralConfiguration) -> list[str]:
        """Where policies take effect: the home Region and all linked ones."""
        return [central.home, *self._hubs.aggregators.linked_regions(central.administrator)]

    def of_region(
        self, organization: LocalOrganization, region: str
    ) -> CentralConfiguration | None:
        """The central configuration, where it is on or being started in the Region."""
        central = organization.central
        return central if central is not None and region in self.regions(central) else None

    def manages(self, who: Caller) -> bool:
        """Whether a policy configures the account in the Region, so that it may not do it."""
        organization = self._state.organization_of(who.account_id)
        central = None if organization is None else self.of_region(organization, who.region)
        association = None if central is None else central.associations.get(who.account_id)
        return association is not None and association.policy_id != SELF_MANAGED

    def start(self, organization: LocalOrganization, who: Caller) -> None:
        if organization.central is not None:
            # Only the home Region may change the type; where it is CENTRAL already, nothing does.
            return
        if who.account_id == organization.management:
            raise ServiceError(_INVALID, "The management account cannot use central configuration")
        aggregator = self._state.aggregators.get(who.account_id)
        if aggregator is None:
            raise ServiceError(_INVALID, "Central configuration needs a finding aggregator")
        if who.region != aggregator.home:
            raise _not_at_home()
        central = CentralConfiguration(who.region, who.account_id)
        organization.central = central
        self._state.agenda.after(
            self._state.timings["securityhub_central_configuration"],
            lambda: self._take_over(organization, central),
        )

    def stop(self, organization: LocalOrganization, who: Caller) -> None:
        central = organization.central
        if central is None:
            return
        if who.region != central.home:
            raise _not_at_home()
        if central.policies or central.associations:
            # That it is an error is documented.
            raise ServiceError(
                _CONFLICT, "Delete all configuration policies and associations first"
            )
        organization.central = None

    def is_run_by(self, account_id: str) -> bool:
        return any(
            organization.central is not None and organization.central.administrator == account_id
            for organization in self._state.organizations.values()
        )

    def abandon(self, account_id: str, region: str) -> None:
        """Stop, and forget the policies, as when Organizations deregisters the administrator.

        An administrator that is removed from a Region which is not linked changes nothing.
        """
        for organization in self._state.organizations.values():
            central = self.of_region(organization, region)
            if central is not None and central.administrator == account_id:
                organization.central = None

    def linked(self, account_id: str) -> None:
        """The Regions linked by the account's aggregator have changed."""
        for organization in self._state.organizations.values():
            central = organization.central
            if (
                central is not None
                and central.administrator == account_id
                and central.status is not ConfigurationStatus.PENDING
            ):
                self._take_over(organization, central)
                self.associations.extend(organization)

    def _take_over(self, organization: LocalOrganization, central: CentralConfiguration) -> None:
        """Make the administrator that of every linked Region, and of the accounts with a hub."""
        if organization.central is not central:
            return
        administrator = self._state.account(central.administrator)
        central.status, central.message = ConfigurationStatus.ENABLED, None
        for region in filter(administrator.can_use, self.regions(central)):
            try:
                self._hubs.delegation.designate(
                    Caller(organization.management, region), administrator.id
                )
            except ServiceError as error:
                central.status, central.message = ConfigurationStatus.FAILED, error.message
                continue
            self._hubs.delegation.set_auto_enable(Caller(administrator.id, region), AutoEnable.NONE)
            for account_id in organization.seats:
                if self._state.installation(self._hubs.name, account_id, region) is not None:
                    self._hubs.associate(administrator.id, region, account_id)

    # Policies

    def create_configuration_policy(
        self, central: Central, params: dict[str, Any]
    ) -> dict[str, Any]:
        _, configuration = central
        settings = _settings(params)
        self._check_name(configuration, params["Name"])
        if len(configuration.policies) >= self._state.limits["securityhub_policies"]:
            raise ServiceError(
                "LimitExceededException", "There are too many configuration policies"
            )
        now, policy_id = self._state.now(), self._state.uuid()
        arn = (
            f"arn:aws:securityhub:{configuration.home}:{configuration.administrator}:"
            f"configuration-policy/{policy_id}"
        )
        policy = ConfigurationPolicy(
            policy_id, arn, params["Name"], params.get("Description"), settings, now, now
        )
        configuration.policies[policy_id] = policy
        return _described(policy)

    def get_configuration_policy(self, central: Central, params: dict[str, Any]) -> dict[str, Any]:
        return _described(_policy(central, params["Identifier"]))

    def list_configuration_policies(
        self, central: Central, params: dict[str, Any]
    ) -> dict[str, Any]:
        summaries = []
        for policy in central[1].policies.values():
            described = _described(policy)
            del described["CreatedAt"], described["ConfigurationPolicy"]
            summaries.append(described | {"ServiceEnabled": policy.service_enabled})
        shown, token = self._hubs.paged(summaries, params, 100)
        return {"ConfigurationPolicySummaries": shown, **token}

    def update_configuration_policy(
        self, central: Central, params: dict[str, Any]
    ) -> dict[str, Any]:
        organization, configuration = central
        policy = _policy(central, params["Identifier"])
        if "ConfigurationPolicy" in params:
            policy.settings = _settings(params)
        if params.get("Name", policy.name) != policy.name:
            self._check_name(configuration, params["Name"])
            policy.name = params["Name"]
        policy.description = params.get("Description", policy.description)
        policy.updated_at = self._state.now()
        if "ConfigurationPolicy" in params:
            self.associations.renew(organization, policy.id)
        return _described(policy)

    def delete_configuration_policy(
        self, central: Central, params: dict[str, Any]
    ) -> dict[str, Any]:
        configuration, policy = central[1], _policy(central, params["Identifier"])
        if any(one.policy_id == policy.id for one in configuration.associations.values()):
            # The page delete-policy names a conflict.
            raise ServiceError(_CONFLICT, "The configuration policy is associated with targets")
        del configuration.policies[policy.id]
        return {}

    # Associations

    def start_association(self, central: Central, params: dict[str, Any]) -> dict[str, Any]:
        organization, configuration = central
        target_id = _target(organization, params["Target"])
        policy_id = _policy_id(central, params["ConfigurationPolicyIdentifier"])
        policy = configuration.policies.get(policy_id)
        disables = policy is not None and not policy.service_enabled
        if disables and target_id == configuration.administrator:
            # Documented, but for the code.
            raise ServiceError(
                _INVALID,
                "A configuration policy that disables Security Hub cannot be associated with the "
                "delegated administrator",
            )
        self.associations.apply(organization, target_id, policy_id)
        return _summary(organization, target_id, configuration.associations[target_id])

    def start_disassociation(self, central: Central, params: dict[str, Any]) -> dict[str, Any]:
        organization, configuration = central
        target_id = _target(organization, params.get("Target", {}))
        policy_id = _policy_id(central, params["ConfigurationPolicyIdentifier"])
        association = configuration.associations.get(target_id)
        if association is None or not association.applied or association.policy_id != policy_id:
            raise _no_association(target_id)
        self.associations.release(organization, target_id)
        return {}

    def get_association(self, central: Central, params: dict[str, Any]) -> dict[str, Any]:
        organization, configuration = central
        target_id = _target(organization, params["Target"])
        association = configuration.associations.get(target_id)
        if association is None:
            raise _no_association(target_id)
        return _summary(organization, target_id, association)

    def batch_get_associations(self, central: Central, params: dict[str, Any]) -> dict[str, Any]:
        found, unprocessed = [], []
        for identifier in params["ConfigurationPolicyAssociationIdentifiers"]:
            try:
                found.append(self.get_association(central, {"Target": {}, **identifier}))
            except ServiceError as error:
                unprocessed.append(
                    {
                        "ConfigurationPolicyAssociationIdentifiers": identifier,
                        # An HTTP status (BC).
                        "ErrorCode": "404" if error.code == _NOT_FOUND else "400",
                        "ErrorReason": error.message,
                    }
                )
        return {
            "ConfigurationPolicyAssociations": found,
            "UnprocessedConfigurationPolicyAssociations": unprocessed,
        }

    def list_associations(self, central: Central, params: dict[str, Any]) -> dict[str, Any]:
        organization, configuration = central
        wanted = dict(params.get("Filters", {}))
        if "ConfigurationPolicyId" in wanted:
            # An ARN or an id (BC).
            wanted["ConfigurationPolicyId"] = wanted["ConfigurationPolicyId"].rpartition("/")[2]
        summaries = [
            _summary(organization, target_id, association)
            for target_id, association in configuration.associations.items()
        ]
        chosen = [one for one in summaries if wanted.items() <= one.items()]
        shown, token = self._hubs.paged(chosen, params, 100)
        return {"ConfigurationPolicyAssociationSummaries": shown, **token}

    def _administering(
        self, call: Callable[[Central, dict[str, Any]], dict[str, Any]]
    ) -> Operation:
        def checked(who: Caller, params: dict[str, Any]) -> dict[str, Any]:
            organization = self._state.organization_of(who.account_id)
            central = None if organization is None else organization.central
            if (
                organization is None
                or central is None
                or central.status is not ConfigurationStatus.ENABLED
                or central.administrator != who.account_id
            ):
                # Terraform's provider knows the text, and takes it as "not in use".
                raise ServiceError(
                    _DENIED,
                    "Must be a Security Hub delegated administrator with Central Configuration "
                    "enabled",
                )
            if central.home != who.region:
                raise _not_at_home()
            self.associations.inherit(organization, organization.units)
            return call((organization, central), params)

        return checked

    def _check_name(self, central: CentralConfiguration, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise ServiceError(_INVALID, "Name: alphanumeric characters and - . ! * /, at most 128")
        if any(policy.name == name for policy in central.policies.values()):
            raise ServiceError(_CONFLICT, "A configuration policy of that name exists")


def _not_at_home() -> ServiceError:
    # Observed in 2026 beside the text for callers that are not the administrator.
    return ServiceError(
        _DENIED, "Central Configuration APIs can only be called from the aggregation region"
    )


def _no_association(target_id: str) -> ServiceError:
    return ServiceError(_NOT_FOUND, f"{target_id} has no configuration policy association")


def _settings(params: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = params["ConfigurationPolicy"]
    hub = settings.get("SecurityHub", {})
    if "ServiceEnabled" not in hub:
        raise ServiceError(_INVALID, "ConfigurationPolicy: SecurityHub.ServiceEnabled is required")
    for arn in hub.get("EnabledStandardIdentifiers", []):
        if not standards.is_known(arn):
            raise ServiceError(_INVALID, f"Invalid standards ARN {arn}")
    return settings


def _policy(central: Central, identifier: str) -> ConfigurationPolicy:
    for policy in central[1].policies.values():
        if identifier in (policy.id, policy.arn):
            return policy
    raise ServiceError(_NOT_FOUND, f"Configuration policy {identifier} does not exist")


def _policy_id(central: Central, identifier: str) -> str:
    return SELF_MANAGED if identifier == SELF_MANAGED else _policy(central, identifier).id


def _target(organization: LocalOrganization, target: dict[str, str]) -> str:
    if len(target) != 1:
        raise ServiceError(_INVALID, f"Target: one of {', '.join(_TARGETS)}")
    [(kind, target_id)] = target.items()
    if _kind(organization, target_id) != _TARGETS[kind]:
        raise ServiceError(_NOT_FOUND, f"Target {target_id} is not in the organization")
    return target_id


def _kind(organization: LocalOrganization, target_id: str) -> str | None:
    if target_id == organization.root_id:
        return "ROOT"
    if target_id in organization.units:
        return "ORGANIZATIONAL_UNIT"
    return "ACCOUNT" if target_id in organization.seats else None


def _summary(
    organization: LocalOrganization, target_id: str, association: Association
) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "ConfigurationPolicyId": association.policy_id,
        "TargetId": target_id,
        "TargetType": _kind(organization, target_id),
        "AssociationType": "APPLIED" if association.applied else "INHERITED",
        "UpdatedAt": when(association.updated_at),
        "AssociationStatus": association.status.value,
    }
    if association.message is not None:
        summary["AssociationStatusMessage"] = association.message
    return summary


def _described(policy: ConfigurationPolicy) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "Arn": policy.arn,
        "Id": policy.id,
        "Name": policy.name,
        "UpdatedAt": when(policy.updated_at),
        "CreatedAt": when(policy.created_at),
        "ConfigurationPolicy": policy.settings,
    }
    return answer | ({} if policy.description is None else {"Description": policy.description})
