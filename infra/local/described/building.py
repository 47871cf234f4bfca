"""Makes a described world true, through the commands and operations that anybody can use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import InvalidInput
from infra.local.api import Caller, ServiceError
from infra.local.facts.state import NewRole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.described.description import (
        DescribedAccount,
        DescribedAdministrator,
        DescribedOrganization,
        Description,
    )
    from infra.local.world import World


def build(world: World, description: Description) -> None:
    """Make the description true in an empty world. Every membership has its status at once.

    Raises:
        InvalidInput: a service refuses what is described; the message names its path.
    """
    building = _Building(world, description)
    with world.at_once():
        building.roles()
        if description.organization is not None:
            building.organization(description.organization)
        building.accounts()
        if description.organization is not None:
            building.delegate(description.organization)
        building.administrators()
    building.command("timings", "set_timings", **description.timings)
    building.command("limits", "set_limits", **description.limits)


class _Building:
    def __init__(self, world: World, description: Description) -> None:
        self._world = world
        self._description = description
        self._management: str | None = None
        # Ids of units by their paths.
        self._units: dict[str, str] = {}

    def command(self, path: str, command: str, **arguments: object) -> dict[str, Any]:
        try:
            return self._world.apply({"do": command, **arguments})
        except ValueError as error:
            raise InvalidInput(path, str(error).removeprefix("account_id: ")) from error

    def roles(self) -> None:
        """Before the accounts, so that they take precedence over the one Organizations makes."""
        for account in self._description.accounts:
            for role in account.roles:
                self._world.make_role(
                    NewRole(account.id, role.name, role.trusts, role.external_id, role.policies)
                )

    def organization(self, organization: DescribedOrganization) -> None:
        self._management = organization.management
        created = self.command(
            "organization", "create_organization", management=organization.management
        )
        self._units[""] = created["root"]
        for number, unit in enumerate(organization.units):
            parent, _, name = unit.rpartition("/")
            added = self.command(
                f"organization.units[{number}]",
                "add_unit",
                management=organization.management,
                name=name,
                parent=self._units[parent],
            )
            self._units[unit] = added["unit"]

    def accounts(self) -> None:
        for number, account in enumerate(self._description.accounts):
            path = f"accounts[{number}]"
            facts = {
                "account_id": account.id,
                **account.facts,
                "regions": list(account.regions),
            }
            if account.id == self._management:
                self.command(path, "set_account", **facts)
                self._place(path, account)
            else:
                self.command(path, "add_account", **facts, **self._membership(account))
            for service, regions in account.enabled.items():
                self.command(
                    f"{path}.enabled.{service}",
                    "enable",
                    service=service,
                    account_id=account.id,
                    regions=list(regions),
                )

    def delegate(self, organization: DescribedOrganization) -> None:
        for number, principal in enumerate(organization.trusted_access):
            self.command(
                f"organization.trusted_access[{number}]",
                "trust",
                management=organization.management,
                principal=principal,
            )
        for principal, account_id in organization.delegated_administrators.items():
            self._organizations(
                f"organization.delegated_administrators.{principal}",
                "RegisterDelegatedAdministrator",
                AccountId=account_id,
                ServicePrincipal=principal,
            )

    def administrators(self) -> None:
        # In the order of the services: Detective looks at what GuardDuty has.
        for service in self._world.services:
            for number, one in enumerate(self._description.administrators):
                if service in one.services:
                    self._administrator(f"administrators[{number}]", service, one)

    def _administrator(self, path: str, service: str, one: DescribedAdministrator) -> None:
        target = {"service": service, "regions": list(one.regions)}
        self.command(f"{path}.account", "enable", account_id=one.account, **target)
        if self._world.organization_of(one.account) is not None:
            setting = {} if one.auto_enable is None else {"auto_enable": one.auto_enable.value}
            self.command(
                f"{path}.account", "designate", account_id=one.account, **target, **setting
            )
        for index, account_id in enumerate(one.members):
            self.command(
                f"{path}.members[{index}]",
                "invite",
                administrator=one.account,
                account_id=account_id,
                **target,
            )

    def _membership(self, account: DescribedAccount) -> Mapping[str, object]:
        if self._management is None or not account.in_organization:
            return {}
        placed: dict[str, object] = {
            "organization": self._management,
            "parent": self._units[account.unit or ""],
        }
        if account.joined is not None:
            placed["joined"] = account.joined.value
        return placed

    def _place(self, path: str, account: DescribedAccount) -> None:
        """The management account begins in the root."""
        if account.unit is not None:
            self._organizations(
                f"{path}.unit",
                "MoveAccount",
                AccountId=account.id,
                SourceParentId=self._units[""],
                DestinationParentId=self._units[account.unit],
            )

    def _organizations(self, path: str, operation: str, **params: str) -> None:
        assert self._management is not None  # noqa: S101  # asked only in an organisation
        call = self._world.services["organizations"].operations[operation]
        try:
            call(Caller(self._management, "us-east-1"), params)
        except ServiceError as error:
            raise InvalidInput(path, error.message) from error
