"""The organisation's side of a member service: its administrator per Region, and auto-enable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.members import Members
from infra.local.membership import ASSOCIATED, OPEN_TO_CREATION, Membership, Standing, Why
from infra.local.organization import AutoEnable, Designation, Organization

if TYPE_CHECKING:
    from infra.local.api import Caller
    from infra.local.state import State


class OrganizationMembers(Members):
    """Members of a service that organisations can hand to one of their accounts."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        state.listeners.append(self)

    def managed(self, who: Caller) -> Organization:
        """The organisation whose management account calls."""
        organization = self.state.organization_of(who.account_id)
        if organization is None:
            raise self.error(Why.NOT_IN_ORGANIZATION, account=who.account_id)
        if organization.management != who.account_id:
            raise self.error(Why.NOT_MANAGEMENT, account=who.account_id)
        return organization

    def administered(self, who: Caller) -> Designation:
        """The settings of the organisation that the caller administers in this Region."""
        found = self.state.designation(self.service, who.region, who.account_id)
        if found is None:
            raise self.error(Why.NOT_ADMINISTRATOR, account=who.account_id)
        return found[1]

    def designate(self, who: Caller, account_id: str) -> None:
        """Make the account administrator here; the service registers it in Organizations itself."""
        organization = self.managed(who)
        if account_id not in organization.seats:
            raise self.error(Why.UNKNOWN_ADMINISTRATOR, account=account_id)
        principal = self.service.principal
        registered = organization.delegates.get(principal, {})
        present = organization.designations.get((self.service, who.region))
        if present is not None and not present.removing and present.account_id == account_id:
            return
        outsider = account_id not in registered and account_id != organization.management
        if present is not None or (registered and outsider):
            raise self.error(Why.OTHER_ADMINISTRATOR, account=account_id)
        now = self.state.now()
        organization.service_access.setdefault(principal, now)
        # Organizations does not take the management account as a delegated administrator.
        if outsider:
            organization.delegates[principal] = {account_id: now}
        organization.designations[self.service, who.region] = Designation(account_id, now)
        self.switch_on(account_id, who.region)

    def undesignate(self, who: Caller, account_id: str | None = None) -> None:
        """End the administrator here; its registration in Organizations stays (BC: Detective)."""
        organization = self.managed(who)
        present = organization.designations.get((self.service, who.region))
        if present is None or account_id not in (None, present.account_id):
            raise self.error(Why.UNKNOWN_ADMINISTRATOR, account=account_id)
        self._end(organization, who.region, present)

    def designations(self, organization: Organization, region: str) -> list[Designation]:
        present = organization.designations.get((self.service, region))
        return [] if present is None else [present]

    def set_auto_enable(self, who: Caller, auto_enable: AutoEnable) -> None:
        designation = self.administered(who)
        designation.auto_enable = auto_enable
        organization = self.state.organization_of(who.account_id)
        if auto_enable is AutoEnable.ALL and organization is not None:
            for account_id in organization.seats:
                self._enrol_later(organization, who.region, designation, account_id)

    def administrator_deregistered(
        self, organization: Organization, principal: str, account_id: str
    ) -> None:
        if principal == self.service.principal:
            for (service, region), designation in list(organization.designations.items()):
                if service is self.service and designation.account_id == account_id:
                    self._end(organization, region, designation)

    def account_joined(self, organization: Organization, account_id: str) -> None:
        for (service, region), designation in organization.designations.items():
            if service is self.service and designation.auto_enable is not AutoEnable.NONE:
                self._enrol_later(organization, region, designation, account_id)

    def account_left(self, organization: Organization, account_id: str) -> None:
        for membership in list(self.state.memberships.values()):
            if (
                membership.service is self.service
                and membership.account_id == account_id
                and membership.administrator in organization.seats
                and membership.current.organization
                and membership.current.standing is not Standing.GONE
            ):
                self.become(membership, self.when_removed)

    def administrator_ended(self, account_id: str, region: str) -> None:
        """What else the service does when an account stops being administrator."""

    def _end(self, organization: Organization, region: str, designation: Designation) -> None:
        if designation.removing:
            return
        designation.removing = True
        for membership in self.memberships(region, administrator=designation.account_id):
            if membership.current.organization:
                self.become(membership, self.when_removed)
        self.administrator_ended(designation.account_id, region)

        def forget() -> None:
            organization.designations.pop((self.service, region), None)

        self.state.agenda.after(self.state.timings.administrator_removal, forget)

    def _enrol_later(
        self, organization: Organization, region: str, designation: Designation, account_id: str
    ) -> None:
        self.state.agenda.after(
            self.state.timings.organization_auto_enable,
            lambda: self._auto_enrol(organization, region, designation, account_id),
        )

    def _auto_enrol(
        self, organization: Organization, region: str, designation: Designation, account_id: str
    ) -> None:
        administrator = designation.account_id
        if (
            designation.removing
            or designation.auto_enable is AutoEnable.NONE
            or account_id == administrator
            or account_id not in organization.seats
            or self.full(administrator, region, organization=True)
            or (self.exclusive and self.association(account_id, region))
        ):
            return
        unready = self.management_not_ready(organization, account_id, region)
        if unready and Standing.MANAGEMENT_NOT_READY not in self.spelling:
            return
        membership = self.membership(administrator, region, account_id)
        if not self._may_enrol(membership):
            return
        self.enrol(membership, self.state.account(account_id).email)
        if unready:
            self.become(membership, Standing.MANAGEMENT_NOT_READY)

    def _may_enrol(self, membership: Membership) -> bool:
        if not membership.changes:
            return True
        current = membership.current
        if current.standing in ASSOCIATED:
            return False
        return not current.organization or current.standing in OPEN_TO_CREATION | {Standing.GONE}
