"""An organisation in the local world, with its administrator set up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.enrolment.regions import is_opt_in
from infra.local.api import Caller
from tests.support.builders import ADMINISTRATOR, MANAGEMENT

if TYPE_CHECKING:
    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Configuration
    from infra.local.world import World


def found_organization(
    world: World, configuration: Configuration, regions: tuple[str, ...] | None = None
) -> None:
    """The administrator as delegated administrator of all services, and set up everywhere."""
    everywhere = list(regions or configuration.regions)
    world.apply({"do": "create_organization", "management": MANAGEMENT})
    add_account(world, ADMINISTRATOR, regions=[r for r in everywhere if is_opt_in(r)])
    access = {"management": MANAGEMENT, "principal": "account.amazonaws.com"}
    world.apply({"do": "trust", **access})
    world.services["organizations"].operations["RegisterDelegatedAdministrator"](
        Caller(MANAGEMENT, "us-east-1"),
        {"AccountId": ADMINISTRATOR, "ServicePrincipal": access["principal"]},
    )
    for service in configuration.services:
        place = {"service": service.name, "account_id": ADMINISTRATOR, "regions": everywhere}
        world.apply({"do": "enable", **place})
        world.apply({"do": "designate", **place})


def add_account(world: World, account_id: AccountId, **facts: object) -> None:
    """An account of the organisation."""
    facts = {"account_id": account_id, "organization": MANAGEMENT, **facts}
    world.apply({"do": "add_account", **facts})
