"""Taking memberships for a run: read whose they are, decide, write on condition, look again."""

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
    """What a run owns now, and what it leaves to other runs, as those last saw it.

    ``ending`` are the runs among them that were stopped and may yet finish what they had begun.
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
) -> Taken:
    """Take every membership that is free; all of one account at once, up to 100.

    ``covered`` are memberships of which nothing is known yet. ``look`` gives the record of another
    run, as closed where its execution has ended.

    Raises:
        Conflict: memberships kept changing hands.
    """
    taken = Taken()
    open_ones = {membership.key: membership for membership in covered}
    lookup = _Holders(look)
    for _ in range(MOST_ROUNDS):
        rows = ledger.read(open_ones)
        holders = ledger.onboardings({row.onboarding_id for row in rows.values()})
        free: list[Membership] = []
        for key, fresh in list(open_ones.items()):
            row, claim = rows.get(key), claims[key[0]]
            holder = holders.get(row.onboarding_id) if row else None
            found, ending = lookup.standing(row, holder, claim, now)
            if row is None or found is Standing.FREE:
                free.append(row or fresh)
                continue
            del open_ones[key]
            (taken.own if found is Standing.OWN else taken.left)[key] = row
            if ending:
                taken.ending.add(row.onboarding_id)
        for group in _groups(free, holders):
            ours = _ours(group.taken, claims, now)
            if not ledger.write(ours, now, group.apart):
                for membership in ours:
                    written = replace(membership, revision=membership.revision + 1)
                    taken.own[membership.key] = written
                    del open_ones[membership.key]
        if not open_ones:
            return taken
    raise Conflict("memberships keep changing hands")


class _Holders:
    """The runs that others' memberships belong to, each looked at once."""

    def __init__(self, look: Callable[[OnboardingRecord], OnboardingRecord]) -> None:
        self._look = look
        self._seen: dict[str, OnboardingRecord] = {}

    def standing(
        self, row: Membership | None, holder: OnboardingRecord | None, claim: Claim, now: float
    ) -> tuple[Standing, bool]:
        """What a claim finds, and whether the run at work was stopped and is about to end."""
        found = standing(row, holder, claim, now)
        if found is not Standing.AT_WORK or holder is None:
            return found, False
        if holder.id not in self._seen:
            self._seen[holder.id] = self._look(holder)
        holder = self._seen[holder.id]
        found = standing(row, holder, claim, now)
        return found, found is Standing.AT_WORK and holder.closed_at is not None


@dataclass(frozen=True, slots=True)
class _Group:
    """What is taken in one transaction, and what is kept beside its run in the same."""

    taken: list[Membership] = field(default_factory=list)
    apart: list[Membership] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.taken) + len(self.apart)


def _ours(
    memberships: Iterable[Membership], claims: Mapping[AccountId, Claim], now: float
) -> list[Membership]:
    ours = []
    for membership in memberships:
        claim = claims[membership.account_id]
        # Lambda's clock may be behind that of Step Functions.
        taken_at = max(now, claim.started_at)
        ours.append(membership.taken(claim.onboarding_id, claim.mode, taken_at))
    return ours


def _groups(
    memberships: Iterable[Membership], holders: Mapping[str, OnboardingRecord]
) -> Iterator[_Group]:
    """The memberships of one account are taken together, as long as they fit a transaction."""
    by_account: dict[AccountId, _Group] = {}
    for membership in memberships:
        mine = by_account.setdefault(membership.account_id, _Group())
        mine.taken.append(membership)
        if _is_still_to_publish(membership, holders.get(membership.onboarding_id)):
            mine.apart.append(membership)
    group = _Group()
    for mine in by_account.values():
        if len(group) and len(group) + len(mine) > MOST_TRANSACTED:
            yield group
            group = _Group()
        group = _Group(group.taken + mine.taken, group.apart + mine.apart)
        while len(group) > MOST_TRANSACTED:
            first = group.taken[: MOST_TRANSACTED // 2]
            yield _Group(first, [m for m in group.apart if m in first])
            group = _Group(
                group.taken[MOST_TRANSACTED // 2 :], [m for m in group.apart if m not in first]
            )
    if len(group):
        yield group


def _is_still_to_publish(membership: Membership, holder: OnboardingRecord | None) -> bool:
    """Whether another run has ended it and has yet to publish that: its row is all there is."""
    return (
        membership.outcome is not None
        and holder is not None
        and holder.closed_at is None
        and membership.belongs_to(holder.id, holder.started_at)
    )
