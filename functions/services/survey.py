"""Surveys an organisation: its accounts, and what the services say of them in every target."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from functions.enrolment.account import MOST_ACCOUNTS, AccountId, AccountState, Mode
from functions.enrolment.automation import Automatic, unreadable, without_auto_enable
from functions.enrolment.coverage import Listing, Survey
from functions.enrolment.errors import Permanent, Retryable
from functions.enrolment.explain import explain, reason_code_of
from functions.enrolment.membership import Membership, Status
from functions.enrolment.plan import Facts
from functions.enrolment.reason import ReasonCode
from functions.enrolment.regions import is_opt_in
from functions.enrolment.service import find_service

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from functions.aws.directory import Directory
    from functions.enrolment.account import OrganizationAccount
    from functions.enrolment.configuration import Configuration
    from functions.enrolment.membership import Observation
    from functions.enrolment.reason import Reason
    from functions.enrolment.target import Target
    from functions.services.protocol import SecurityService
    from functions.services.record import ServiceRecord

# What is older when all accounts are looked up is listed again, so that runs have most of the time
# in which they may act on it (``handover.VALID_SECONDS``).
FRESH_SECONDS = 600
# Each target is read by one call after the other.
_TARGETS_AT_ONCE = 16
# Enough to use the rates of both lookups in full while a call takes half a second.
_LOOKUPS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Chosen:
    """The accounts of a survey that is not one of the whole organisation.

    ``inside`` are accounts of the organisation, ``outside`` others.
    """

    inside: Mapping[AccountId, OrganizationAccount]
    outside: tuple[AccountId, ...] = ()


def make_survey(
    targets: Sequence[Target],
    configuration: Configuration,
    services: Sequence[ServiceRecord],
    directory: Directory,
    administrator_id: AccountId,
    adapter_of: Callable[[Target], SecurityService],
    *,
    until: float | None = None,
    known: Survey | None = None,
    clock: Callable[[], float] = time.time,
    chosen: Chosen | None = None,
) -> Survey:
    """Read the organisation's accounts, and list the members of every target.

    Of ``chosen`` accounts, if given, only their own memberships are read.

    A target that cannot be read has its ``problem`` in its listing, and in a survey of the whole
    organisation also one at which another account administers it. Enabled Regions are looked up for
    ACTIVE accounts that lack a membership in an opt-in Region, and tags where the scope has tags.
    Both take one call for each account, which is most of a large survey. So they come before
    what ages sooner: after them the other targets are listed, and those once more that were listed
    over ``FRESH_SECONDS`` before.

    By the time ``until`` (epoch seconds, by ``clock``) no further target or account is begun: the
    survey is not ``finished``, and a later call goes on from it as ``known``. That call lists the
    accounts of the organisation again, as documents have no e-mail addresses.

    Raises:
        Throttled, ServiceUnavailable, AccessDenied, ServiceRefused: of Organizations.
    """

    def in_time() -> bool:
        return until is None or clock() < until

    asked = [each for each in services if each in {target.service for target in targets}]
    types = directory.policy_types() if any(each.policy_type for each in asked) else {}
    accounts, named = _accounts(directory, chosen)
    tagged = accounts if configuration.scope.uses_tags else ()
    listed = {listing.target: listing for listing in known.listings} if known else {}
    regions = dict(known.facts.regions) if known else {}
    tags = dict(known.facts.tags) if known else {}

    def read(target: Target, service: SecurityService) -> Listing | None:
        now = clock()
        if until is not None and now >= until:
            return None
        listing = list_target(target, service, accounts, now, named)
        return _as_policies_leave_it(listing, asked, types)

    def list_missing(wanted: Collection[Target]) -> bool:
        """Whether all are listed then."""
        unread = [target for target in wanted if target not in listed]
        with ThreadPoolExecutor(_TARGETS_AT_ONCE) as pool:
            found = pool.map(read, unread, map(adapter_of, unread))
            listed.update({listing.target: listing for listing in found if listing is not None})
        return all(target in listed for target in wanted)

    def look_up_missing() -> bool:
        """Whether all are looked up then."""
        untold = _without_membership(listed.values(), accounts)
        _look_up(untold, tagged, directory, regions, tags, in_time)
        return regions.keys() >= set(untold) and tags.keys() >= set(tagged)

    before = len(regions) + len(tags)
    finished = list_missing([target for target in targets if is_opt_in(target.region)])
    finished = finished and look_up_missing()
    if finished:
        # Only in the call that looked up the last account, so that the survey comes to an end.
        if len(regions) + len(tags) > before:
            oldest = clock() - FRESH_SECONDS
            listed = {target: one for target, one in listed.items() if one.is_read_since(oldest)}
        finished = list_missing(targets) and look_up_missing()
    organization = directory.organization()
    management = organization.management_account_id if organization else None
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
    listings = tuple(listed[target] for target in targets if target in listed)
    if chosen is None:
        listings = tuple(_as_delegated(listing, facts) for listing in listings)
    return Survey(facts, listings, tuple(_policy_notes(asked, types)), finished)


def list_target(
    target: Target,
    service: SecurityService,
    accounts: Mapping[AccountId, OrganizationAccount],
    now: float,
    named: Sequence[AccountId] | None = None,
) -> Listing:
    """What one target lists, or says of the ``named`` accounts only.

    What it does by itself is read if accounts of the organisation are not Enabled there. Reading
    begins at ``now`` (epoch seconds).
    """
    try:
        resource = service.administrator_resource()
        found = service.members(resource) if named is None else _named(service, resource, named)
        members = {seen.account_id: seen for seen in found}
    except Permanent as error:
        return _unread(target, reason_code_of(error, target.region), error, now)
    except Retryable as error:
        return _unread(target, ReasonCode.UNAVAILABLE, error, now)
    missing = [account for account in accounts if not _is_enabled(members.get(account))]
    try:
        automations = service.automation(resource, missing) if missing else {}
    except (Permanent, Retryable) as error:
        automations = dict.fromkeys(missing, unreadable(error))
    return Listing(target, members, automations, resource=resource, read_at=now)


def _accounts(
    directory: Directory, chosen: Chosen | None
) -> tuple[Mapping[AccountId, OrganizationAccount], tuple[AccountId, ...] | None]:
    """The accounts of the organisation that a survey covers, and the ids to ask for by name."""
    if chosen is None:
        return {account.id: account for account in directory.accounts()}, None
    return chosen.inside, (*chosen.inside, *chosen.outside)


def _as_delegated(listing: Listing, facts: Facts) -> Listing:
    """The listing; with a problem if another account administers the organisation there.

    What accounts of the organisation are there is known to that account only. Of others, the
    members of this one are known.
    """
    target = listing.target
    said = "" if facts.delegated.get(target.service, True) else facts.administrator_id
    for automation in listing.automations.values():
        if automation.kind is Automatic.NOT_DELEGATED:
            said = automation.said
    if not said or listing.problem is not None:
        return listing
    outsiders = {a: seen for a, seen in listing.members.items() if a not in facts.directory}
    problem = _problem(target, ReasonCode.NOT_DELEGATED, said)
    return replace(listing, members=outsiders, automations={}, problem=problem)


def _named(
    service: SecurityService, resource: str, named: Sequence[AccountId]
) -> Iterator[Observation]:
    for first in range(0, len(named), MOST_ACCOUNTS):
        yield from service.observe(resource, named[first : first + MOST_ACCOUNTS])


def _without_membership(
    listings: Iterable[Listing], accounts: Mapping[AccountId, OrganizationAccount]
) -> tuple[AccountId, ...]:
    """The accounts that are not Enabled in an opt-in Region: they may not have opted in.

    Those that are not ACTIVE are left out: they are not enrolled, whatever they have opted in to.
    """
    read = [each for each in listings if is_opt_in(each.target.region) and each.problem is None]
    return tuple(
        account
        for account, known in accounts.items()
        if known.state == AccountState.ACTIVE
        and any(not _is_enabled(listing.members.get(account)) for listing in read)
    )


def _look_up(
    of_regions: Collection[AccountId],
    of_tags: Collection[AccountId],
    directory: Directory,
    regions: dict[AccountId, frozenset[str] | None],
    tags: dict[AccountId, Mapping[str, str]],
    in_time: Callable[[], bool],
) -> None:
    """Add enabled Regions and tags of those accounts that lack them, as far as there is time."""
    missing_regions = {account for account in of_regions if account not in regions}
    missing_tags = {account for account in of_tags if account not in tags}

    def look_up(account: AccountId) -> None:
        if account in missing_regions and in_time():
            regions[account] = directory.enabled_regions(account)
        if account in missing_tags and in_time():
            tags[account] = directory.tags(account)

    with ThreadPoolExecutor(_LOOKUPS_AT_ONCE) as pool:
        # Account by account, so that lookups of both kinds are under way at the same time.
        list(pool.map(look_up, sorted(missing_regions | missing_tags)))


def _as_policies_leave_it(
    listing: Listing, services: Collection[ServiceRecord], types: Mapping[str, str] | None
) -> Listing:
    """The listing; where policies stop auto-enable, it makes no account a member."""
    record = find_service(services, listing.target.service.name)
    if record is None or not record.policy_stops_auto_enable or not _is_on(record, types):
        return listing
    # Inferred: the service still reports the setting. Where it does not, nothing changes here.
    automations = {
        account: without_auto_enable(automation, record.policy_type)
        for account, automation in listing.automations.items()
    }
    return replace(listing, automations=automations)


def _policy_notes(
    services: Collection[ServiceRecord], types: Mapping[str, str] | None
) -> Iterator[str]:
    for record in services:
        if record.policy_type and types is None:
            yield (
                f"{record.label}: whether the organisation has the policy type"
                f" {record.policy_type} enabled is not known (organizations:ListRoots was refused)"
            )
        elif _is_on(record, types):
            stopped = ", and its auto-enable does nothing"
            yield (
                f"{record.label}: the organisation has the policy type {record.policy_type}"
                " enabled: policies decide in which accounts and Regions it is enabled"
                f"{stopped if record.policy_stops_auto_enable else ''}"
            )


def _is_on(record: ServiceRecord, types: Mapping[str, str] | None) -> bool:
    return (types or {}).get(record.policy_type) == "ENABLED"


def _is_enabled(seen: Observation | None) -> bool:
    return seen is not None and seen.status is Status.ENABLED


def _unread(target: Target, code: ReasonCode, error: Exception, now: float) -> Listing:
    return Listing(target, problem=_problem(target, code, str(error)), read_at=now)


def _problem(target: Target, code: ReasonCode, said: str) -> Reason:
    """Why no account's membership is known at a target."""
    return explain(code, Membership(AccountId(""), target, Mode.ORGANIZATION), said)
