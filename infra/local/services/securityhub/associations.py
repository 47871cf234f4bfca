"""What configuration policies do: who inherits which, and what it changes in accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.api import Caller
from infra.local.facts.central_configuration import (
    SELF_MANAGED,
    Association,
    AssociationStatus,
    CentralConfiguration,
    ConfigurationPolicy,
)
from infra.local.facts.membership import ASSOCIATED, LocalStatus
from infra.local.facts.organization import AccountState, LocalOrganization

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from infra.local.services.securityhub.service import SecurityHub


class Associations:
    """Associations by target: an account, a unit or the root.

    What is applied to a target is its own; any other target has what its nearest parent with an
    association has. ``regions`` names those where a policy takes effect.
    """

    def __init__(
        self, hubs: SecurityHub, regions: Callable[[CentralConfiguration], list[str]]
    ) -> None:
        self._hubs = hubs
        self._state = hubs.state
        self._regions = regions
        self._state.listeners.append(self)

    def apply(self, organization: LocalOrganization, target_id: str, policy_id: str) -> None:
        central = _central(organization)
        central.associations[target_id] = Association(policy_id, True, self._state.now())
        self._start(organization, [target_id, *_heirs(organization, target_id)])

    def release(self, organization: LocalOrganization, target_id: str) -> None:
        """Let the target inherit again; without a parent to inherit from it is self-managed."""
        del _central(organization).associations[target_id]
        self._start(organization, [target_id, *_heirs(organization, target_id)])

    def renew(self, organization: LocalOrganization, policy_id: str) -> None:
        """Let a policy that was changed take effect."""
        associations = _central(organization).associations
        self._start(
            organization, [one for one, its in associations.items() if its.policy_id == policy_id]
        )

    def extend(self, organization: LocalOrganization) -> None:
        """Let policies take effect in newly linked Regions: of accounts only (view-policy)."""
        associations = _central(organization).associations
        self._start(organization, [one for one in associations if one in organization.seats])

    def inherit(self, organization: LocalOrganization, target_ids: Iterable[str]) -> None:
        """Start what targets inherit, where that is not what they have."""
        associations = _central(organization).associations
        changed = []
        for target_id in target_ids:
            own = associations.get(target_id)
            if own is None or not own.applied:
                has = None if own is None else own.policy_id
                if has != self._inherited(organization, target_id):
                    changed.append(target_id)
        self._start(organization, changed)

    # As a listener

    def account_joined(self, organization: LocalOrganization, account_id: str) -> None:
        if organization.central is not None:
            self.inherit(organization, [account_id])

    def account_left(self, organization: LocalOrganization, account_id: str) -> None:
        if organization.central is not None:
            organization.central.associations.pop(account_id, None)

    def policy_types_changed(self, organization: LocalOrganization) -> None:
        """What policies of Organizations do to central configuration is not modelled."""

    def account_changed(self, account_id: str) -> None:
        """It may have another parent now, or a further opt-in Region."""
        organization = self._state.organization_of(account_id)
        if organization is None or organization.central is None:
            return
        self.inherit(organization, [account_id])
        own = organization.central.associations.get(account_id)
        if own is None or own.policy_id == SELF_MANAGED:
            return
        if own.status is not AssociationStatus.SUCCESS:
            return
        if not own.regions.issuperset(self._usable(organization.central, account_id)):
            self._start(organization, [account_id])

    def administrator_deregistered(
        self, organization: LocalOrganization, principal: str, account_id: str
    ) -> None:
        pass

    def _inherited(self, organization: LocalOrganization, target_id: str) -> str | None:
        central = _central(organization)
        for parent_id in organization.parents(target_id):
            parent = central.associations.get(parent_id)
            if parent is not None and parent.applied:
                policy = central.policies.get(parent.policy_id)
                # A policy that disables Security Hub skips the administrator.
                skipped = policy is not None and not policy.service_enabled
                if skipped and target_id == central.administrator:
                    return None
                return parent.policy_id
        return None

    def _start(self, organization: LocalOrganization, target_ids: Iterable[str]) -> None:
        central, started = _central(organization), dict[str, Association]()
        for target_id in target_ids:
            own = central.associations.get(target_id)
            applied = own is not None and own.applied
            policy_id = (
                own.policy_id
                if own is not None and applied
                else self._inherited(organization, target_id)
            )
            if policy_id is None:
                central.associations.pop(target_id, None)
                continue
            association = Association(policy_id, applied, self._state.now())
            central.associations[target_id] = started[target_id] = association
        if started:
            self._state.agenda.after(
                self._state.timings["securityhub_policy_association"],
                lambda: self._settle(organization, central, started),
            )

    def _settle(
        self,
        organization: LocalOrganization,
        central: CentralConfiguration,
        started: dict[str, Association],
    ) -> None:
        if organization.central is not central:
            return
        current = {
            target_id: association
            for target_id, association in started.items()
            if central.associations.get(target_id) is association
        }
        for account_id in current.keys() & organization.seats.keys():
            self._settle_account(organization, account_id, current[account_id])
        for target_id in current.keys() - organization.seats.keys():
            heirs = map(central.associations.get, _heirs(organization, target_id))
            failed = any(heir and heir.status is AssociationStatus.FAILED for heir in heirs)
            _end(current[target_id], "The association of a child failed." if failed else None)

    def _settle_account(
        self,
        organization: LocalOrganization,
        account_id: str,
        association: Association,
    ) -> None:
        central = _central(organization)
        message = central.failures.get(account_id)
        policy = central.policies.get(association.policy_id)
        if policy is None:
            _end(association, message)
            return
        regions = self._usable(central, account_id)
        ties = (self._tie(central.administrator, account_id, region) for region in regions)
        message = message or self._hindrance(organization, account_id, regions)
        message = message or next(filter(None, ties), None)
        _end(association, message)
        if message is None:
            association.regions = frozenset(regions)
            for region in regions:
                self._take_effect(central, policy, account_id, region)

    def _hindrance(
        self, organization: LocalOrganization, account_id: str, regions: list[str]
    ) -> str | None:
        """Why a policy cannot take effect: the page view-policy lists it, in other words."""
        central, account = _central(organization), self._state.account(account_id)
        administrator = self._state.account(central.administrator)
        if account.state is not AccountState.ACTIVE:
            return "The account is suspended."
        if account_id == organization.management and any(
            self._state.installation(self._hubs.name, account_id, region) is None
            for region in regions
        ):
            return "The management account has not enabled Security Hub."
        lacking = [one for one in self._regions(central) if not administrator.can_use(one)]
        if lacking:
            return f"The administrator has not enabled the Region {lacking[0]}."
        return None

    def _take_effect(
        self,
        central: CentralConfiguration,
        policy: ConfigurationPolicy,
        account_id: str,
        region: str,
    ) -> None:
        if policy.service_enabled:
            self._hubs.configure(Caller(account_id, region), policy.standards)
            self._hubs.associate(central.administrator, region, account_id)
        elif account_id != central.administrator:
            self._state.installations.pop((self._hubs.name, account_id, region), None)
            membership = self._hubs.find(central.administrator, region, account_id)
            if membership is not None:
                # Inferred: no page says how such a member is listed.
                self._hubs.become(membership, LocalStatus.GONE)

    def _usable(self, central: CentralConfiguration, account_id: str) -> list[str]:
        """A policy takes no effect in an opt-in Region before the account has enabled it."""
        account = self._state.account(account_id)
        return [region for region in self._regions(central) if account.can_use(region)]

    def _tie(self, administrator: str, account_id: str, region: str) -> str | None:
        """What hinders an account that has members of its own or, inferred, another
        administrator."""
        association = self._hubs.association(account_id, region)
        if association is not None and association.administrator != administrator:
            return "The account has another administrator."
        own = self._hubs.members_of(account_id, region) if account_id != administrator else ()
        if any(member.current.status in ASSOCIATED for member in own):
            return "The account has members of its own."
        return None


def _central(organization: LocalOrganization) -> CentralConfiguration:
    assert organization.central is not None  # noqa: S101  # callers have looked
    return organization.central


def _heirs(organization: LocalOrganization, target_id: str) -> Iterator[str]:
    """The units and accounts below whose nearest parent with an association is the target."""
    if target_id in organization.seats:
        return
    associations = _central(organization).associations
    for one in (*organization.units, *organization.seats):
        own = associations.get(one)
        if own is not None and own.applied:
            continue
        for parent_id in organization.parents(one):
            if parent_id == target_id:
                yield one
                break
            parent = associations.get(parent_id)
            if parent is not None and parent.applied:
                break


def _end(association: Association, message: str | None) -> None:
    failed = message is not None
    association.status = AssociationStatus.FAILED if failed else AssociationStatus.SUCCESS
    association.message = message
