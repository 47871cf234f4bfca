"""The coverage of an organisation: every account at every target, and what a run would do there.

It uses the rules of the runs: ``not_enrolled`` says which memberships are not to be, ``decide``
what a run that starts now would do next.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from functions.enrolment.account import Account, AccountId, Mode
from functions.enrolment.automation import Automatic
from functions.enrolment.decide import RECENT_SECONDS, Circumstances, decide
from functions.enrolment.explain import as_found, explain
from functions.enrolment.membership import (
    ENABLED,
    Action,
    Membership,
    Observation,
    Outcome,
    Status,
)
from functions.enrolment.plan import not_enrolled
from functions.enrolment.reason import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from functions.enrolment.automation import Automation
    from functions.enrolment.configuration import Configuration
    from functions.enrolment.membership import MembershipKey
    from functions.enrolment.plan import Facts
    from functions.enrolment.reason import Reason
    from functions.enrolment.target import Target


class State(StrEnum):
    """Where an account stands at a target.

    ``ENABLED``: it is a member, and is to be. ``LEFT_OUT``: it is not to be enrolled, its service
    leaves it out, or a run has skipped it and nothing has changed since. ``GAP``: it is to be a
    member and is not Enabled. ``UNREAD``: the target could not be read.
    """

    ENABLED = "enabled"
    LEFT_OUT = "left out"
    GAP = "gap"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class Listing:
    """What a target's service lists: the members by account.

    An account that is not listed is no member. ``automations`` are what the service does by itself
    about accounts that are not Enabled, as far as it was read. ``resource`` is the administrator's
    (``SecurityService``), None if unknown. ``problem`` says why the target could not be read, and
    nothing else is known of accounts of the organisation then. ``read_at`` (epoch seconds) is when
    reading it began: what has changed since may be missing. It is None in documents of earlier
    versions.
    """

    target: Target
    members: Mapping[AccountId, Observation] = field(default_factory=lambda: MappingProxyType({}))
    automations: Mapping[AccountId, Automation] = field(
        default_factory=lambda: MappingProxyType({})
    )
    problem: Reason | None = None
    resource: str | None = None
    read_at: float | None = None

    def is_read_since(self, time: float) -> bool:
        """Whether it is known to have been read at that time or later."""
        return self.read_at is not None and self.read_at >= time

    def observation(self, account_id: AccountId) -> Observation:
        """What the target says of an account."""
        absent = Observation(account_id, Status.ABSENT, Status.ABSENT)
        return self.members.get(account_id, absent)


@dataclass(frozen=True, slots=True)
class Survey:
    """What was read of the organisation: ``listings`` are in the order of the targets.

    ``notes`` say for people what else decides about memberships, and what could not be read.
    ``finished``: every target was read, and every account looked up as needed. What is missing
    otherwise is not known yet.
    """

    facts: Facts
    listings: tuple[Listing, ...]
    notes: tuple[str, ...] = ()
    finished: bool = True

    def read_since(self, began: float) -> float:
        """From when on changes may be missing in its listings; ``began`` is when it began."""
        times = (one.read_at for one in self.listings)
        return min((began if at is None else at for at in times), default=began)


@dataclass(frozen=True, slots=True)
class Cell:
    """One account at one target.

    ``raw`` is the status in the service's own words, "" if unread. ``action`` is what a run that
    starts now would do first: ``STOP`` if it would end the membership at once, None if there is
    nothing to do. ``reason`` is why it would end it or why a run has skipped it, or why the target
    is unread. ``automation``: what the service does about the account by itself, if it was read.
    """

    account_id: AccountId
    target: Target
    state: State
    raw: str
    action: Action | None = None
    reason: Reason | None = None
    automation: Automation | None = None


def cells(
    facts: Facts,
    listings: Iterable[Listing],
    configuration: Configuration,
    now: float,
    accounts: Iterable[Account] | None = None,
    rows: Mapping[MembershipKey, Membership] | None = None,
) -> Iterator[Cell]:
    """Every account at every listed target, by target and account.

    ``accounts`` are those of the organisation unless given. ``rows`` are the table's rows of
    memberships: a run takes over from them what was created and invited before, and what a run has
    skipped is left out while nothing has changed.
    """
    accounts = of_organization(facts) if accounts is None else tuple(accounts)
    recent = frozenset(a.id for a in accounts if a.joined_since(now - RECENT_SECONDS))
    by_target = {listing.target: listing for listing in listings}
    for target in by_target:
        circumstances = Circumstances(
            now=now,
            timing=configuration.timing,
            accepts=configuration.invitation.member_role is not None,
            opted_in=frozenset(a.id for a in accounts if a.has_enabled(target.region)),
            recent=recent,
        )
        basis = _Basis(facts, by_target, configuration, circumstances, rows or {})
        for account in accounts:
            yield _cell(account, target, basis)


def of_organization(facts: Facts) -> tuple[Account, ...]:
    """The accounts of the organisation by id, as a run enrols them."""
    return tuple(
        Account(
            known.id,
            known.email,
            Mode.ORGANIZATION,
            facts.regions.get(known.id) is not None,
            known.joined_at,
        )
        for known in sorted(facts.directory.values(), key=lambda known: known.id)
    )


def strangers(facts: Facts, listings: Iterable[Listing]) -> Iterator[tuple[Target, Observation]]:
    """Members that the services list and that are not accounts of the organisation.

    They were invited, or have left the organisation.
    """
    for listing in listings:
        for account_id, observation in listing.members.items():
            if account_id not in facts.directory:
                yield listing.target, observation


@dataclass(frozen=True, slots=True)
class Coverage:
    """Counts of the cells: by target and state, and of those left out or in a gap by reason."""

    states: Mapping[Target, Mapping[State, int]]
    reasons: Mapping[Target, Mapping[str, int]]


def coverage(found: Iterable[Cell]) -> Coverage:
    """Count the cells; an empty gap's reason is what a run would do, such as ``create``."""
    states: dict[Target, Counter[State]] = {}
    reasons: dict[Target, Counter[str]] = {}
    for cell in found:
        states.setdefault(cell.target, Counter())[cell.state] += 1
        why = reasons.setdefault(cell.target, Counter())
        if cell.reason is not None:
            why[cell.reason.code] += 1
        elif cell.action is not None:
            why[cell.action] += 1
    return Coverage(states, reasons)


def state_after(outcome: Outcome | None) -> State:
    """Where a membership stands that a run would end, or has ended, with this outcome.

    What is skipped is not to be enrolled; what fails, or has no outcome yet, is a gap.
    """
    if outcome in ENABLED:
        return State.ENABLED
    return State.LEFT_OUT if outcome is Outcome.SKIPPED else State.GAP


def is_unchanged(row: Membership, cell: Cell, joined_at: float | None) -> bool:
    """Whether nothing has changed since a run ended the membership."""
    if row.settled_at is None:
        return False
    same_status = row.status is None or row.raw == cell.raw
    joined_since = joined_at is not None and joined_at > row.settled_at
    return same_status and _same_automation(row, cell) and not joined_since


def _same_automation(row: Membership, cell: Cell) -> bool:
    """Whether the service does the same by itself, as far as both readings say."""
    kinds = {each.kind for each in (row.automation, cell.automation) if each is not None}
    return len(kinds - {Automatic.UNKNOWN}) <= 1


@dataclass(frozen=True, slots=True)
class _Basis:
    """What the cells of a target are made from."""

    facts: Facts
    listings: Mapping[Target, Listing]
    configuration: Configuration
    circumstances: Circumstances
    rows: Mapping[MembershipKey, Membership]


def _cell(account: Account, target: Target, basis: _Basis) -> Cell:
    listing, circumstances = basis.listings[target], basis.circumstances
    now, seen = circumstances.now, listing.observation(account.id)
    excluded = not_enrolled(account, target, basis.facts, basis.configuration)
    unread = listing.problem is not None
    if excluded is not None and not (unread and excluded[0] is Outcome.FAILED):
        outcome, code, said = excluded
        why = explain(code, Membership(account.id, target, account.mode), said)
        return Cell(account.id, target, state_after(outcome), seen.raw, Action.STOP, why)
    if listing.problem is not None:
        return Cell(account.id, target, State.UNREAD, "", reason=listing.problem)
    if seen.status is Status.ENABLED:
        return Cell(account.id, target, State.ENABLED, seen.raw)
    row = basis.rows.get((account.id, target))
    fresh = row or Membership(account.id, target, account.mode)
    membership = replace(
        fresh.taken("", account.mode, now).seen(seen, now),
        automation=listing.automations.get(account.id),
    )
    first = _first(account, target, basis)
    if first is not None and first.state is State.LEFT_OUT:
        return _after(first, membership, circumstances)
    cell = _decided(membership, circumstances)
    if cell.state is State.GAP and row is not None and _is_skipped(row, cell, account, first):
        return replace(cell, state=State.LEFT_OUT, reason=row.reason)
    return cell


def _first(account: Account, target: Target, basis: _Basis) -> Cell | None:
    """The account's cell at the target that comes first, if there is one and it could be read."""
    first = target.comes_after
    if first is None or first not in basis.listings:
        return None
    cell = _cell(account, first, basis)
    return None if cell.state is State.UNREAD else cell


def _decided(membership: Membership, circumstances: Circumstances) -> Cell:
    decision = decide(membership, circumstances)
    awaited = circumstances.awaited.get(membership.account_id)
    return Cell(
        membership.account_id,
        membership.target,
        state_after(decision.outcome),
        membership.raw,
        decision.action,
        as_found(decision.reason.code, membership, awaited) if decision.reason else None,
        membership.automation,
    )


def _after(first: Cell, membership: Membership, circumstances: Circumstances) -> Cell:
    """The cell of a membership that follows one that is left out.

    If a run would try the first one again, it would go on with this one.
    """
    skipped = Membership(first.account_id, first.target, membership.mode).settled(
        Outcome.SKIPPED, first.reason, circumstances.now
    )
    cell = _decided(membership, replace(circumstances, awaited={first.account_id: skipped}))
    if first.action is Action.STOP:
        return cell
    return replace(cell, action=decide(membership, circumstances).action)


def _is_skipped(row: Membership, cell: Cell, account: Account, first: Cell | None) -> bool:
    """Whether a run has skipped the membership, and nothing has changed since.

    ``first`` is the cell at the target that comes first, which is not left out.
    """
    followed = row.reason is not None and row.reason.code is ReasonCode.PREREQUISITE
    if row.outcome is not Outcome.SKIPPED or (followed and first is not None):
        return False
    return is_unchanged(row, cell, account.joined_at)
