from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from functions.enrolment.account import Mode
from functions.enrolment.membership import STEP_SECONDS, Action, Outcome, Status, Verdict
from functions.enrolment.ownership import Claim, Standing, standing
from tests.support.builders import NOW, RUN, a_membership, an_onboarding, tried

if TYPE_CHECKING:
    from functions.enrolment.membership import Membership
    from functions.enrolment.records import OnboardingRecord

ORG, INV = Mode.ORGANIZATION, Mode.INVITATION
DAY, YEAR = 86400, 365 * 86400
FREE, LATELY = Standing.FREE, Standing.RECENTLY_ENABLED

# The claim of an event about an account that joined the organisation a year ago.
CLAIM = Claim("onboarding-2", NOW - 5, ORG, enabled_since=NOW - DAY, joined_at=NOW - YEAR)
OUTSIDE = replace(CLAIM, mode=INV, joined_at=None)
# What a person asks for is read again.
BY_HAND = replace(CLAIM, enabled_since=None)


def ended(
    seconds_ago: float = 3600, outcome: Outcome = Outcome.ENABLED, mode: Mode = ORG
) -> Membership:
    membership = a_membership(Status.ENABLED, mode, at=NOW - seconds_ago - 60)
    return membership.settled(outcome, None, NOW - seconds_ago)


def test_what_the_table_does_not_know_is_free() -> None:
    assert standing(None, None, CLAIM, NOW) is FREE


@pytest.mark.parametrize(
    ("row", "claim", "found"),
    [
        (ended(), CLAIM, LATELY),
        (ended(outcome=Outcome.ALREADY_ENABLED), CLAIM, LATELY),
        (ended(outcome=Outcome.FAILED), CLAIM, FREE),
        (ended(outcome=Outcome.TIMED_OUT), CLAIM, FREE),
        (ended(outcome=Outcome.SKIPPED), CLAIM, FREE),
        (ended(DAY), CLAIM, LATELY),
        (ended(DAY + 1), CLAIM, FREE),
        (ended(DAY + 1, Outcome.FAILED), CLAIM, FREE),
        (ended(), BY_HAND, FREE),
        (ended(mode=INV), CLAIM, FREE),
        (ended(mode=ORG), OUTSIDE, FREE),
        (ended(), replace(CLAIM, joined_at=NOW - 3600), LATELY),
        (ended(), replace(CLAIM, joined_at=NOW - 3599), FREE),
        (ended(), replace(CLAIM, joined_at=None), FREE),
        (ended(mode=INV), OUTSIDE, LATELY),
        (ended(DAY + 1, mode=INV), OUTSIDE, FREE),
        # A row that says how it ended and not when.
        (replace(ended(), settled_at=None), CLAIM, FREE),
    ],
    ids=[
        "enabled",
        "already enabled",
        "failed",
        "timed out",
        "skipped",
        "as the window begins",
        "before the window",
        "failed before the window",
        "asked for by a person",
        "by invitation, in the organisation now",
        "in the organisation, outside now",
        "joined as it ended",
        "joined since",
        "joined nobody knows when",
        "outside the organisation",
        "outside, before the window",
        "ended nobody knows when",
    ],
)
@pytest.mark.parametrize("holder", [None, an_onboarding()], ids=["no record", "a living run"])
def test_what_has_ended_is_free_unless_it_was_enabled_lately_and_nothing_changed_since(
    row: Membership, holder: OnboardingRecord | None, claim: Claim, found: Standing
) -> None:
    assert standing(row, holder, claim, NOW) is found


LIVING = an_onboarding(started_at=NOW - 3600, lease_until=NOW + 1)


@pytest.mark.parametrize(
    ("holder", "found"),
    [
        (LIVING, Standing.IN_PROGRESS),
        (replace(LIVING, lease_until=NOW), FREE),
        (replace(LIVING, lease_until=NOW - 60, closed_at=NOW - 60, outcome="complete"), FREE),
        (replace(LIVING, closed_at=NOW - 60, outcome="aborted"), FREE),
        # Its execution was aborted, and it is not closed yet: its children may go on.
        (replace(LIVING, closed_at=NOW - 60), Standing.IN_PROGRESS),
        (None, FREE),
    ],
    ids=["at work", "lease is over", "closed", "closed early", "stopped", "no record"],
)
@pytest.mark.parametrize("claim", [CLAIM, BY_HAND], ids=["event", "person"])
def test_what_is_open_belongs_to_another_run_as_long_as_that_lives(
    holder: OnboardingRecord | None, claim: Claim, found: Standing
) -> None:
    row = tried(a_membership(Status.ABSENT, ORG, at=NOW - 60), Action.CREATE, Verdict.TAKEN)

    assert standing(row, holder, claim, NOW) is found


@pytest.mark.parametrize(
    ("begun_at", "lease_until", "found"),
    [
        (NOW - 60, NOW + 1, Standing.IN_PROGRESS),
        (NOW - 60, NOW, FREE),
        (NOW - STEP_SECONDS, NOW + 1, FREE),
    ],
    ids=["may be under way", "lease is over", "no step runs that long"],
)
def test_what_a_closed_run_had_begun_is_waited_for(
    begun_at: float, lease_until: float, found: Standing
) -> None:
    acting = tried(a_membership(Status.ABSENT, ORG, at=begun_at), Action.CREATE, None, at=begun_at)
    closed = replace(LIVING, closed_at=NOW - 30, outcome="aborted", lease_until=lease_until)

    assert standing(acting, closed, CLAIM, NOW) is found


@pytest.mark.parametrize("holder", [LIVING, None], ids=["a living run", "no record"])
@pytest.mark.parametrize("onboarding_id", [RUN, "onboarding-2"], ids=["own", "another's"])
def test_what_is_open_in_a_mode_that_is_not_right_any_more_is_free(
    onboarding_id: str, holder: OnboardingRecord | None
) -> None:
    invited = a_membership(Status.INVITED, INV)
    member = a_membership(Status.VERIFYING, ORG)
    inside, outside = (replace(claim, onboarding_id=onboarding_id) for claim in (CLAIM, OUTSIDE))

    assert standing(invited, holder, inside, NOW) is FREE
    assert standing(member, holder, outside, NOW) is FREE


@pytest.mark.parametrize(
    ("taken_at", "found"),
    [(NOW - 4, Standing.OWN), (NOW - 5, Standing.OWN), (NOW - 100 * DAY, FREE)],
    ids=["taken", "taken as it started", "taken by an older run of this id"],
)
@pytest.mark.parametrize("lease_until", [NOW + 900, NOW - 60], ids=["living", "late"])
def test_what_a_run_has_taken_before_is_its_own_and_what_an_older_one_of_its_id_took_is_free(
    taken_at: float, lease_until: float, found: Standing
) -> None:
    claim = replace(CLAIM, onboarding_id=RUN)
    row = a_membership(Status.ABSENT, ORG, at=taken_at)

    assert standing(row, an_onboarding(lease_until=lease_until), claim, NOW) is found


def test_what_an_older_run_of_another_runs_id_took_is_free() -> None:
    row = a_membership(Status.ABSENT, ORG, at=NOW - 100 * DAY)
    later = an_onboarding(started_at=NOW - 60, lease_until=NOW + 900)

    assert standing(row, later, CLAIM, NOW) is FREE
