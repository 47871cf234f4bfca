"""What docs/local-world.schema.json cannot say: that what is named is described."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.enrolment.errors import InvalidInput
from infra.local.facts.regions import OPT_IN_REGIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.local.described.description import (
        DescribedAccount,
        DescribedOrganization,
        Description,
    )


def check_references(description: Description) -> None:
    """
    Raises:
        InvalidInput: a value names what is not there; the message names its path.
    """
    organization, accounts = description.organization, description.accounts
    units = organization.units if organization else ()
    regions = {account.id: set(account.regions) for account in accounts}
    if organization:
        regions.setdefault(organization.management, set())
        _check_units(units)
        for principal, account_id in organization.delegated_administrators.items():
            path = f"organization.delegated_administrators.{principal}"
            inside = {account.id for account in accounts if account.in_organization}
            if account_id not in inside - {organization.management}:
                raise InvalidInput(path, "takes the id of a member account under accounts")
    emails: set[str] = set()
    for number, account in enumerate(accounts):
        path = f"accounts[{number}]"
        _check_place(path, account, organization, units)
        email = account.facts.get("email", "").casefold()
        if email and email in emails:
            raise InvalidInput(f"{path}.email", "repeats that of an earlier account")
        emails.add(email)
        for service, named in account.enabled.items():
            _check_regions(f"{path}.enabled.{service}", named, regions[account.id])
    for number, one in enumerate(description.administrators):
        path = f"administrators[{number}]"
        named_accounts = [("account", one.account)]
        named_accounts += [(f"members[{index}]", id_) for index, id_ in enumerate(one.members)]
        for key, account_id in named_accounts:
            if account_id not in regions:
                raise InvalidInput(f"{path}.{key}", "takes the id of an account under accounts")
        _check_regions(f"{path}.regions", one.regions, regions[one.account])


def _check_units(units: tuple[str, ...]) -> None:
    for number, unit in enumerate(units):
        parent = unit.rpartition("/")[0]
        if parent and parent not in units[:number]:
            raise InvalidInput(f"organization.units[{number}]", f"takes {parent} before it")


def _check_place(
    path: str,
    account: DescribedAccount,
    organization: DescribedOrganization | None,
    units: tuple[str, ...],
) -> None:
    if organization is None or not account.in_organization:
        if account.unit is not None or account.joined is not None:
            key = "joined" if account.unit is None else "unit"
            raise InvalidInput(f"{path}.{key}", "is only for accounts of the organization")
        if organization and account.id == organization.management:
            raise InvalidInput(f"{path}.in_organization", "takes true for the management account")
        return
    if account.id == organization.management and account.joined is not None:
        raise InvalidInput(f"{path}.joined", "is not for the management account")
    if account.unit is not None and account.unit not in units:
        raise InvalidInput(f"{path}.unit", "takes a path listed under organization.units")


def _check_regions(path: str, named: tuple[str, ...], opted_in: Iterable[str]) -> None:
    missing = sorted(OPT_IN_REGIONS.intersection(named).difference(opted_in))
    if missing:
        raise InvalidInput(
            path, f"takes Regions that the account has; {missing[0]} is not in its regions"
        )
