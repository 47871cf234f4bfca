"""Surveys an organisation: its accounts, and what the services say of them in every target."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.automation import unreadable
from functions.enrolment.coverage import Listing
from functions.enrolment.errors import Permanent, Retryable
from functions.enrolment.explain import explain, reason_code_of
from functions.enrolment.membership import Membership, Status
from functions.enrolment.plan import Facts
from functions.enrolment.reason import ReasonCode
from functions.enrolment.regions import is_opt_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from functions.aws.directory import Directory
    from functions.enrolment.account import OrganizationAccount
    from functions.enrolment.configuration import Configuration
    from functions.enrolment.membership import Observation
    from functions.enrolment.target import Target
    from functions.services.protocol import SecurityService
    from functions.services.record import ServiceRecord

# Each target is read by one call after the other, so that none comes near its service's rate.
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Survey:
    """What was read: ``listings`` in the order of the targets."""

    facts: Facts
    listings: tuple[Listing, ...]


def make_survey(
    targets: Sequence[Target],
    configuration: Configuration,
    services: Sequence[ServiceRecord],
    directory: Directory,
    administrator_id: AccountId,
    adapter_of: Callable[[Target], SecurityService],
    *,
    now: float,
) -> Survey:
    """Read the organisation's accounts, and list the members of every target.

    A target that cannot be read has its ``problem`` in its listing. Enabled Regions are looked up
    for accounts that lack a membership in an opt-in Region, and tags where the scope has tags.

    Raises:
        Throttled, ServiceUnavailable, AccessDenied, ServiceRefused: of Organizations.
    """
    accounts = {account.id: account for account in directory.accounts()}
    with ThreadPoolExecutor(_AT_ONCE) as pool:

        def read(target: Target, service: SecurityService) -> Listing:
            return list_target(target, service, accounts, now)

        listings = tuple(pool.map(read, targets, map(adapter_of, targets)))
        unknown = _without_membership(listings, accounts)
        regions = dict(zip(unknown, pool.map(directory.enabled_regions, unknown), strict=True))
        tagged = list(accounts) if configuration.scope.uses_tags else []
        tags = dict(zip(tagged, pool.map(directory.tags, tagged), strict=True))
    organization = directory.organization()
    management = organization.management_account_id if organization else None
    asked = [each for each in services if each in {target.service for target in targets}]
    facts = Facts(
        administrator_id=administrator_id,
        management_id=management,
        directory=accounts,
        delegated={
            record: directory.is_delegated(record.principal, administrator_id)
            for record in (asked if management != administrator_id else ())
        },
        regions=regions,
        tags=tags,
    )
    return Survey(facts, listings)


def list_target(
    target: Target,
    service: SecurityService,
    accounts: Mapping[AccountId, OrganizationAccount],
    now: float,
) -> Listing:
    """What one target lists; what it does by itself is read if accounts are not Enabled there."""
    try:
        resource = service.administrator_resource()
        members = {seen.account_id: seen for seen in service.members(resource)}
    except Permanent as error:
        return _unread(target, reason_code_of(error, target.region), error, now)
    except Retryable as error:
        return _unread(target, ReasonCode.UNAVAILABLE, error, now)
    missing = [account for account in accounts if not _is_enabled(members.get(account))]
    try:
        automations = service.automation(resource, missing) if missing else {}
    except (Permanent, Retryable) as error:
        automations = dict.fromkeys(missing, unreadable(error))
    return Listing(target, members, automations)


def _without_membership(
    listings: Sequence[Listing], accounts: Collection[AccountId]
) -> list[AccountId]:
    """The accounts that are not Enabled in an opt-in Region: they may not have opted in."""
    read = [each for each in listings if is_opt_in(each.target.region) and each.problem is None]
    return [
        account
        for account in accounts
        if any(not _is_enabled(listing.members.get(account)) for listing in read)
    ]


def _is_enabled(seen: Observation | None) -> bool:
    return seen is not None and seen.status is Status.ENABLED


def _unread(target: Target, code: ReasonCode, error: Exception, now: float) -> Listing:
    nobody = Membership(AccountId(""), target, Mode.ORGANIZATION)
    return Listing(target, problem=explain(code, nobody, now, str(error)))
