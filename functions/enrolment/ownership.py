"""Ownership of memberships: which ones a run may take, and which it leaves to another run. Pure.

A membership belongs to the run that took it last until it has an outcome; until then only that run
acts on it. Another run may take it only if the owner is dead (closed, or its lease has expired) or
enrols the account in a different mode than the facts now give.

Every write of a membership's row requires that its ``revision`` has not changed since it was read.
If several runs take a membership at once, one succeeds; the others can neither act on nor write it.
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

# How long a run's lease lasts after its last extension: longer than any step runs.
LEASE_SECONDS = 900


class Standing(Enum):
    """The ownership of a membership as a run finds it."""

    FREE = "no run is working on it"
    OWN = "the run has taken it before"
    IN_PROGRESS = "another run is working on it in the same mode"
    RECENTLY_ENABLED = "another run ended it enabled, and nothing has changed since"


@dataclass(frozen=True, slots=True)
class Claim:
    """A run's claim to the memberships of one account.

    ``mode`` is what the facts give. ``enabled_since`` is when the duplicate window begins, None if
    memberships that are enabled are to be read again. ``joined_at`` is when the account joined the
    organisation, None outside it. Times are epoch seconds.
    """

    onboarding_id: str
    started_at: float
    mode: Mode
    enabled_since: float | None = None
    joined_at: float | None = None


def standing(
    membership: Membership | None, holder: OnboardingRecord | None, claim: Claim, now: float
) -> Standing:
    """The ownership that a claim finds. ``holder`` is the record of the run named in the row.

    The row must have been read before the record: then no action that began after the row was read
    is covered by a lease that had expired when the record was read.
    """
    if membership is None:
        return Standing.FREE
    if membership.outcome is not None:
        return Standing.RECENTLY_ENABLED if _recently_enabled(membership, claim) else Standing.FREE
    if membership.mode is not claim.mode:
        return Standing.FREE
    if membership.belongs_to(claim.onboarding_id, claim.started_at):
        return Standing.OWN
    # The record may be that of a later run with the same id.
    if holder is None or not membership.belongs_to(holder.id, holder.started_at):
        return Standing.FREE
    # A closed run begins no further actions, but may finish those in progress.
    over = holder.lease_until <= now or (
        holder.outcome is not None and not membership.is_acting(now)
    )
    return Standing.FREE if over else Standing.IN_PROGRESS


def _recently_enabled(membership: Membership, claim: Claim) -> bool:
    """Whether it was enabled in the same mode within the window, and the account has not left."""
    ended = membership.settled_at
    if claim.enabled_since is None or ended is None or ended < claim.enabled_since:
        return False
    stayed = claim.mode is Mode.INVITATION or (
        claim.joined_at is not None and claim.joined_at <= ended
    )
    return membership.outcome in ENABLED and membership.mode is claim.mode and stayed
