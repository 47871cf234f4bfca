"""Takes memberships for a run: reads their owners, decides, writes conditionally, repeats."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from functions.aws.rows import MOST_TRANSACTED
from functions.enrolment.errors import Conflict
from functions.enrolment.ownership import Claim, Standing, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from functions.aws.ledger import Ledger
    from functions.enrolment.account import AccountId
    from functions.enrolment.membership import Membership, MembershipKey
    from functions.enrolment.records import OnboardingRecord

MOST_ROUNDS = 10

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "take": ("dynamodb:BatchGetItem", "dynamodb:PutItem"),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """The memberships a run owns now, and those it leaves to other runs, as these recorded them.

    ``ending`` are the other runs that were stopped and may still finish what they had begun.
    """

    own: dict[MembershipKey, Membership] = field(default_factory=dict)
    left: dict[MembershipKey, Membership] = field(default_factory=dict)
    ending: set[str] = field(default_factory=set)


def take(
    ledger: Ledger,
    covered: Iterable[Membership],
    claims: Mapping[AccountId, Claim],
    now: float,
    *,
    look: Callable[[OnboardingRecord], OnboardingRecord] = lambda record: record,
    inform: Callable[[Membership, Membership], Membership] = lambda _, taken: taken,
) -> Taken:
    """Take every membership that is free; those of one account in one transaction, up to 100.

    ``covered`` are memberships without a status. ``look`` takes the record of another run and
    returns it, closed if the run's execution has ended. ``inform`` takes a membership as it was and
    as it is taken, and returns the latter with what is known of it already.

    Raises:
        Conflict: other runs changed memberships in each of ``MOST_ROUNDS`` rounds.
    """
    taken = Taken()
    remaining = {membership.key: membership for membership in covered}
    lookup = _Holders(look)
    for _ in range(MOST_ROUNDS):
        rows = ledger.read(remaining)
        holders = ledger.onboardings({row.onboarding_id for row in rows.values()})
        free: list[Membership] = []
        for key, fresh in list(remaining.items()):
            row, claim = rows.get(key), claims[key[0]]
            holder = holders.get(row.onboarding_id) if row else None
            found, ending = lookup.standing(row, holder, claim, now)
            if row is None or found is Standing.FREE:
                free.append(row or fresh)
                continue
            del remaining[key]
            (taken.own if found is Standing.OWN else taken.left)[key] = row
            if ending:
                taken.ending.add(row.onboarding_id)
        for group in _groups(free, holders):
            own = _taken(group.taken, claims, now, inform)
            if not ledger.write(own, now, group.apart):
                for membership in own:
                    written = replace(membership, revision=membership.revision + 1)
                    taken.own[membership.key] = written
                    del remaining[membership.key]
        if not remaining:
            return taken
    raise Conflict("other runs keep changing these memberships")


class _Holders:
    """The runs that own memberships, each looked up once."""

    def __init__(self, look: Callable[[OnboardingRecord], OnboardingRecord]) -> None:
        self._look = look
        self._seen: dict[str, OnboardingRecord] = {}

    def standing(
        self, row: Membership | None, holder: OnboardingRecord | None, claim: Claim, now: float
    ) -> tuple[Standing, bool]:
        """The ownership that a claim finds, and whether the owner was stopped but may still act."""
        found = standing(row, holder, claim, now)
        if found is not Standing.IN_PROGRESS or holder is None:
            return found, False
        if holder.id not in self._seen:
            self._seen[holder.id] = self._look(holder)
        holder = self._seen[holder.id]
        found = standing(row, holder, claim, now)
        return found, found is Standing.IN_PROGRESS and holder.closed_at is not None


@dataclass(frozen=True, slots=True)
class _Group:
    """The memberships to take, and those to store under their previous run, in one transaction."""

    taken: list[Membership] = field(default_factory=list)
    apart: list[Membership] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.taken) + len(self.apart)


def _taken(
    memberships: Iterable[Membership],
    claims: Mapping[AccountId, Claim],
    now: float,
    inform: Callable[[Membership, Membership], Membership],
) -> list[Membership]:
    taken = []
    for membership in memberships:
        claim = claims[membership.account_id]
        # Lambda's clock may be behind that of Step Functions.
        taken_at = max(now, claim.started_at)
        own = membership.taken(claim.onboarding_id, claim.mode, taken_at)
        taken.append(inform(membership, own))
    return taken


def _groups(
    memberships: Iterable[Membership], holders: Mapping[str, OnboardingRecord]
) -> Iterator[_Group]:
    """The memberships of one account are in one group, if they fit in a transaction."""
    by_account: dict[AccountId, _Group] = {}
    for membership in memberships:
        of_account = by_account.setdefault(membership.account_id, _Group())
        of_account.taken.append(membership)
        if _is_ended_by(membership, holders.get(membership.onboarding_id)):
            of_account.apart.append(membership)
    group = _Group()
    for of_account in by_account.values():
        if len(group) and len(group) + len(of_account) > MOST_TRANSACTED:
            yield group
            group = _Group()
        group = _Group(group.taken + of_account.taken, group.apart + of_account.apart)
        while len(group) > MOST_TRANSACTED:
            first = group.taken[: MOST_TRANSACTED // 2]
            yield _Group(first, [m for m in group.apart if m in first])
            group = _Group(
                group.taken[MOST_TRANSACTED // 2 :], [m for m in group.apart if m not in first]
            )
    if len(group):
        yield group


def _is_ended_by(membership: Membership, holder: OnboardingRecord | None) -> bool:
    """Whether a run whose record is kept has ended it: only the row contains all of that."""
    return (
        membership.outcome is not None
        and holder is not None
        and membership.belongs_to(holder.id, holder.started_at)
    )
