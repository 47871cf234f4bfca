"""Whatever a service answers, every membership ends, and nothing is done that must not be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from functions.enrolment.account import Mode
from functions.enrolment.configuration import Timing
from functions.enrolment.decide import Circumstances
from functions.enrolment.membership import (
    Action,
    Answer,
    Membership,
    Observation,
    Outcome,
    Status,
    Verdict,
)
from functions.enrolment.target import ServiceName
from functions.enrolment.turn import take_answers, take_turn
from tests.support.builders import ACCOUNT, NOW, TRAITS, a_loop, a_membership

TIMING = Timing(invitation_deadline=2 * 86400)


@dataclass
class Life:
    """What happened to one membership until it ended."""

    membership: Membership
    acted_on: list[tuple[Action, Status]] = field(default_factory=list)
    taken: Counter[Action] = field(default_factory=Counter)
    turns: int = 0
    seconds: float = 0


def live(
    service: ServiceName, mode: Mode, statuses: list[Status], verdicts: list[Verdict], accepts: bool
) -> Life:
    """Run the loop against a service that answers anything, until the loop stops."""
    loop = a_loop([a_membership(mode=mode)])
    life = Life(loop.memberships[0])
    now = NOW
    while loop.next is not Action.STOP:
        status = statuses[min(life.turns, len(statuses) - 1)]
        seen = Observation(ACCOUNT, status, str(status))
        rests_on = Circumstances(now, TIMING, TRAITS[service], accepts)
        loop = take_turn(loop, [seen], now, circumstances=rests_on)
        if loop.next not in (Action.WAIT, Action.STOP):
            verdict = verdicts[min(life.turns, len(verdicts) - 1)]
            life.acted_on.append((loop.next, status))
            life.taken[loop.next] += verdict in (Verdict.TAKEN, Verdict.BENIGN)
            loop = take_answers(loop, loop.next, {ACCOUNT: Answer(verdict, "why")}, now)
        life.turns += 1
        assert life.turns < 2000, "the loop does not end"
        now += loop.wait_seconds
        loop = replace(loop, next=loop.next if loop.open else Action.STOP)
    life.membership = loop.memberships[0]
    life.seconds = now - NOW
    return life


lives = st.builds(
    live,
    service=st.sampled_from(ServiceName),
    mode=st.sampled_from(Mode),
    statuses=st.lists(st.sampled_from(Status), min_size=1, max_size=30),
    verdicts=st.lists(st.sampled_from(Verdict), min_size=1, max_size=30),
    accepts=st.booleans(),
)
common = settings(max_examples=400, deadline=None)


@common
@given(lives)
def test_every_path_of_statuses_ends_in_an_outcome_with_a_reason(life: Life) -> None:
    assert life.membership.outcome is not None
    enabled = life.membership.outcome in (Outcome.ENABLED, Outcome.ALREADY_ENABLED)
    assert enabled == (life.membership.status is Status.ENABLED)
    assert enabled or life.membership.reason


@common
@given(lives)
def test_no_path_outlives_the_longest_deadline(life: Life) -> None:
    assert life.seconds <= TIMING.volume_deadline + TIMING.longest_slow_wait


@common
@given(lives)
def test_no_action_is_repeated_more_often_than_allowed(life: Life) -> None:
    times = Counter(action for action, _ in life.acted_on)

    assert all(count <= TIMING.most_attempts for count in times.values())


@common
@given(lives)
def test_enabled_and_resigned_are_never_touched(life: Life) -> None:
    assert not {status for _, status in life.acted_on} & {Status.ENABLED, Status.RESIGNED}


@common
@given(
    st.sampled_from(ServiceName),
    st.lists(st.sampled_from(Status), min_size=1, max_size=30),
    st.lists(st.sampled_from(Verdict), min_size=1, max_size=30),
    st.booleans(),
)
def test_nobody_is_invited_twice_and_organisation_accounts_never(
    service: ServiceName, statuses: list[Status], verdicts: list[Verdict], accepts: bool
) -> None:
    outside = live(service, Mode.INVITATION, statuses, verdicts, accepts)
    inside = live(service, Mode.ORGANIZATION, statuses, verdicts, accepts)

    inviting = Action.CREATE if service is ServiceName.DETECTIVE else Action.INVITE
    assert outside.taken[inviting] <= 1
    assert Action.INVITE not in dict(inside.acted_on)
