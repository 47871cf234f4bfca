"""Where the accounts of recorded events stand today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.aws import directory, ledger
from functions.enrolment.account import MOST_ACCOUNTS
from functions.enrolment.coverage import Listing, State, cells
from functions.enrolment.errors import Permanent
from functions.enrolment.plan import Facts
from functions.enrolment.regions import is_opt_in
from functions.services.registry import SERVICES
from functions.steps.needs import actions_of
from infra.cli.doctor.rehearsal import Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from functions.enrolment.account import AccountId
    from functions.enrolment.membership import Observation
    from functions.enrolment.target import Target
    from functions.steps.wiring import Wiring

ACTIONS = (
    *actions_of(directory.ACTIONS, "find", "enabled_regions", "tags"),
    *actions_of(ledger.ACTIONS, "read"),
    *(each for one in SERVICES for each in actions_of(one.permissions, "observe")),
)


def read_standings(
    wiring: Wiring, accounts: Sequence[AccountId], targets: Sequence[Target], now: float
) -> list[Standing]:
    """Where each account stands that belongs to the organisation still.

    Targets at which the administrator is not set up are left out.

    Raises:
        RollcallError: a call was refused.
    """
    wiring = wiring.paced
    organization, configuration = wiring.directory, wiring.configuration
    found = {account: organization.find(account) for account in accounts}
    members = {account: known for account, known in found.items() if known is not None}
    asked = any(is_opt_in(target.region) for target in targets)
    facts = Facts(
        administrator_id=wiring.settings.administrator_id,
        management_id=None,
        directory=members,
        delegated={},
        regions={account: organization.enabled_regions(account) for account in members if asked},
        tags={
            account: organization.tags(account)
            for account in members
            if configuration.scope.uses_tags
        },
    )
    listings = []
    for target in targets:
        try:
            seen = _observe(wiring, target, list(members))
        except Permanent:
            continue
        listings.append(Listing(target, {one.account_id: one for one in seen}))
    keys = [(account, target) for account in members for target in targets]
    rows = wiring.ledger.read(keys)
    known = {account for account, _ in rows}
    gaps: dict[AccountId, list[str]] = {account: [] for account in members}
    for cell in cells(facts, listings, configuration, now, rows=rows):
        if cell.state is State.GAP:
            gaps[cell.account_id].append(f"{cell.target.service.label} {cell.target.region}")
    return [
        Standing(account, tuple(where), account in known, asked and facts.regions[account] is None)
        for account, where in gaps.items()
    ]


def _observe(wiring: Wiring, target: Target, accounts: Sequence[AccountId]) -> list[Observation]:
    service = wiring.service(target)
    resource = service.administrator_resource()
    return [
        one
        for start in range(0, len(accounts), MOST_ACCOUNTS)
        for one in service.observe(resource, accounts[start : start + MOST_ACCOUNTS])
    ]
