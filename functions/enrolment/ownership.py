"""Whose a membership is: what a run may take, what it leaves to another. Pure.

A membership belongs to the run that took it last until it has an outcome; while it has none, that
run is the only one that acts on it. It is taken from another run only when that run is dead
(closed, or silent for longer than its lease) or enrols the account in another mode than the facts
now give.

Every write of a membership's row depends on the row being as it was read (its ``revision``), so of
several that take it at once one succeeds, and whoever lost it can neither act on nor write it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from functions.enrolment.account import Mode
from functions.enrolment.membership import ENABLED

if TYPE_CHECKING:
    from functions.enrolment.membership import Membership
    from functions.enrolment.records import OnboardingRecord

# How long a run owns what it owns after its last sign of life: longer than any step runs.
LEASE_SECONDS = 900


class Standing(Enum):
    """What a run finds of a membership it is to cover."""

    FREE = "nobody is at work on it"
    OWN = "the run has taken it before"
    AT_WORK = "another run is at work on it in the same mode"
    ENABLED_LATELY = "another run ended it enabled, and nothing has changed since"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a run wants with one account.

    ``mode`` is what the facts give. ``enabled_since`` is where the duplicate window begins: None
    where what is enabled is to be read again all the same. ``joined_at`` is when the account joined
    the organisation, None outside it. Times are epoch seconds.
    """

    onboarding_id: str
    started_at: float
    mode: Mode
    enabled_since: float | None = None
    joined_at: float | None = None


def standing(
    membership: Membership | None, holder: OnboardingRecord | None, claim: Claim, now: float
) -> Standing:
    """What a claim finds. ``holder`` is the record of the run named in the row.

    The row must have been read before the record: then a lease that was over when it was read
    cannot belong to an action begun since.
    """
    if membership is None:
        return Standing.FREE
    if membership.outcome is not None:
        return Standing.ENABLED_LATELY if _enabled_lately(membership, claim) else Standing.FREE
    if membership.mode is not claim.mode:
        return Standing.FREE
    if membership.belongs_to(claim.onboarding_id, claim.started_at):
        return Standing.OWN
    # The record of a later run of the same id says nothing of the run that took it.
    if holder is None or not membership.belongs_to(holder.id, holder.started_at):
        return Standing.FREE
    # A run that was closed begins nothing more, and may finish what it had begun.
    over = holder.lease_until <= now or (
        holder.outcome is not None and not membership.is_acting(now)
    )
    return Standing.FREE if over else Standing.AT_WORK


def _enabled_lately(membership: Membership, claim: Claim) -> bool:
    """Enabled in the same mode within the window, by an account that has not left since."""
    ended = membership.settled_at
    if claim.enabled_since is None or ended is None or ended < claim.enabled_since:
        return False
    stayed = claim.mode is Mode.INVITATION or (
        claim.joined_at is not None and claim.joined_at <= ended
    )
    return membership.outcome in ENABLED and membership.mode is claim.mode and stayed
