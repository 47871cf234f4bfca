"""The organisation's side of a member service: its administrator per Region, and auto-enable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.facts.membership import (
    ASSOCIATED,
    OPEN_TO_CREATION,
    LocalMembership,
    LocalStatus,
    Why,
)
from infra.local.facts.organization import AutoEnable, Designation, LocalOrganization

if TYPE_CHECKING:
    from infra.local.api import Caller
    from infra.local.services.shared.members import Members


class Delegation:
    """How organisations hand a service to one of their accounts, and what it then does unasked."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._state = members.state
        self._state.listeners.append(self)

    def managed(self, who: Caller) -> LocalOrganization:
        """The organisation whose management account calls."""
        organization = self._state.organization_of(who.account_id)
        if organization is None:
            raise self._members.error(Why.NOT_IN_ORGANIZATION, account=who.account_id)
        if organization.management != who.account_id:
            raise self._members.error(Why.NOT_MANAGEMENT, account=who.account_id)
        return organization

    def administered(self, who: Caller) -> Designation:
        """The settings of the organisation that the caller administers in this Region."""
        found = self._state.designation(self._members.name, who.region, who.account_id)
        if found is None:
            raise self._members.error(Why.NOT_ADMINISTRATOR, account=who.account_id)
        return found[1]

    def designate(self, who: Caller, account_id: str) -> None:
        """Make the account administrator here; the service registers it in Organizations itself."""
        organization = self.managed(who)
        if account_id not in organization.seats:
            raise self._members.error(Why.UNKNOWN_ADMINISTRATOR, account=account_id)
        principal = self._members.principal
        registered = organization.delegates.get(principal, {})
        present = organization.designations.get((self._members.name, who.region))
        if present is not None and not present.removing and present.account_id == account_id:
            return
        outsider = account_id not in registered and account_id != organization.management
        if present is not None or (registered and outsider):
            raise self._members.error(Why.OTHER_ADMINISTRATOR, account=account_id)
        now = self._state.now()
        organization.service_access.setdefault(principal, now)
        # Organizations does not take the management account as a delegated administrator.
        if outsider:
            organization.delegates[principal] = {account_id: now}
        organization.designations[self._members.name, who.region] = Designation(account_id, now)
        self._members.switch_on(account_id, who.region)

    def undesignate(self, who: Caller, account_id: str | None = None) -> None:
        """End the administrator here; its registration in Organizations stays (BC: Detective)."""
        organization = self.managed(who)
        present = organization.designations.get((self._members.name, who.region))
        if present is None or account_id not in (None, present.account_id):
            raise self._members.error(Why.UNKNOWN_ADMINISTRATOR, account=account_id)
        self._end(organization, who.region, present)

    def designations(self, organization: LocalOrganization, region: str) -> list[Designation]:
        present = organization.designations.get((self._members.name, region))
        return [] if present is None else [present]

    def set_auto_enable(self, who: Caller, auto_enable: AutoEnable) -> None:
        designation = self.administered(who)
        designation.auto_enable = auto_enable
        organization = self._state.organization_of(who.account_id)
        if organization is not None:
            self._enrol_all_later(organization, who.region, designation)

    def administrator_deregistered(
        self, organization: LocalOrganization, principal: str, account_id: str
    ) -> None:
        if principal == self._members.principal:
            for (service, region), designation in list(organization.designations.items()):
                if service == self._members.name and designation.account_id == account_id:
                    self._end(organization, region, designation)

    def account_joined(self, organization: LocalOrganization, account_id: str) -> None:
        for (service, region), designation in organization.designations.items():
            if service == self._members.name and designation.auto_enable is not AutoEnable.NONE:
                self._enrol_later(organization, region, designation, account_id)

    def account_changed(self, account_id: str) -> None:
        self._members.account_changed(account_id)

    def policy_types_changed(self, organization: LocalOrganization) -> None:
        """Without its policy type a service enables accounts again (GuardDuty User Guide)."""
        for (service, region), designation in organization.designations.items():
            if service == self._members.name:
                self._enrol_all_later(organization, region, designation)

    def account_left(self, organization: LocalOrganization, account_id: str) -> None:
        for membership in self._state.memberships.of_account(account_id):
            if (
                membership.service == self._members.name
                and membership.administrator in organization.seats
                and membership.current.organization
                and membership.current.status is not LocalStatus.GONE
            ):
                left = self._members.when_left or self._members.when_removed
                self._members.become(membership, left)

    def _end(self, organization: LocalOrganization, region: str, designation: Designation) -> None:
        if designation.removing:
            return
        designation.removing = True
        for membership in self._members.members_of(designation.account_id, region):
            if membership.current.organization:
                self._members.become(membership, self._members.when_removed)
        self._members.administrator_ended(designation.account_id, region)

        def forget() -> None:
            organization.designations.pop((self._members.name, region), None)

        self._state.agenda.after(self._state.timings["administrator_removal"], forget)

    def _enrol_all_later(
        self, organization: LocalOrganization, region: str, designation: Designation
    ) -> None:
        if designation.auto_enable is AutoEnable.ALL:
            for account_id in organization.seats:
                self._enrol_later(organization, region, designation, account_id)

    def _enrol_later(
        self,
        organization: LocalOrganization,
        region: str,
        designation: Designation,
        account_id: str,
    ) -> None:
        self._state.agenda.after(
            self._state.timings["organization_auto_enable"],
            lambda: self._auto_enrol(organization, region, designation, account_id),
        )

    def _auto_enrol(
        self,
        organization: LocalOrganization,
        region: str,
        designation: Designation,
        account_id: str,
    ) -> None:
        administrator = designation.account_id
        if (
            designation.removing
            or designation.auto_enable is AutoEnable.NONE
            or self._members.policy_type in organization.policy_types
            or account_id == administrator
            or account_id not in organization.seats
            or self._members.full(administrator, region, organization=True)
            or (self._members.exclusive and self._members.association(account_id, region))
        ):
            return
        unready = self._members.management_not_ready(organization, account_id, region)
        if unready and LocalStatus.MANAGEMENT_NOT_READY not in self._members.spelling:
            return
        membership = self._members.membership(administrator, region, account_id)
        if not self._may_enrol(membership):
            return
        self._members.enrol(membership, self._state.account(account_id).email)
        if unready:
            self._members.become(membership, LocalStatus.MANAGEMENT_NOT_READY)

    def _may_enrol(self, membership: LocalMembership) -> bool:
        if not membership.changes:
            return True
        current = membership.current
        if current.status in ASSOCIATED:
            return False
        return not current.organization or current.status in OPEN_TO_CREATION | {LocalStatus.GONE}
