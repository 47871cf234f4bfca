"""Whatever a service answers, wherever a step is cut short and whoever takes a membership over:
it ends, and nothing is done that must not be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.configuration import Timing
from functions.enrolment.decide import Circumstances
from functions.enrolment.membership import (
    ENABLED,
    Action,
    Answer,
    Membership,
    Observation,
    Outcome,
    Status,
    Verdict,
)
from functions.enrolment.target import ServiceName
from functions.enrolment.turn import begin, take_answers, take_turn
from tests.support.builders import ACCOUNT, NOW, TRAITS, a_membership

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Short, so that a life has few turns; the bound on turns is proved with the default.
TIMING = Timing(organization_deadline=3600, invitation_deadline=6 * 3600, volume_deadline=12 * 3600)


@dataclass(frozen=True)
class Call:
    """What becomes of an action: ``verdict`` None is a step cut short before it could note one.

    ``effect`` is whether it took effect, where the verdict does not say so.
    """

    verdict: Verdict | None
    effect: bool = False

    @property
    def took_effect(self) -> bool:
        if self.verdict in (None, Verdict.UNANSWERED):
            return self.effect
        return self.verdict is Verdict.TAKEN


@dataclass(frozen=True)
class Takeover:
    """Another run takes the membership, so many seconds after the turn."""

    mode: Mode
    seconds: int


@dataclass(frozen=True)
class Event:
    """What happens in one turn: the last one of a life lasts."""

    status: Status
    call: Call
    takeover: Takeover | None = None


@dataclass(frozen=True)
class Deed:
    """An action that was begun, by which run and in which circumstances."""

    action: Action
    run: str
    mode: Mode
    status: Status
    at: float
    call: Call


@dataclass
class Life:
    """What happened to one membership until it ended and nobody took it over any more."""

    membership: Membership
    deeds: list[Deed] = field(default_factory=list)
    turns: int = 0
    was_volume_checked: bool = False


def live(
    service: ServiceName,
    mode: Mode,
    events: Sequence[Event],
    *,
    accepts: bool,
    timing: Timing = TIMING,
    read: Callable[[float], Status] | None = None,
    do: Callable[[Deed], None] = lambda _: None,
) -> Life:
    """The turns of a membership, until it has ended. ``read`` tells the status, if not ``events``;
    ``do`` is told of every action.
    """
    life, now = Life(a_membership(mode=mode)), NOW
    while True:
        last = life.turns >= len(events) - 1
        event = events[-1] if last else events[life.turns]
        status = read(now) if read else event.status
        seen = Observation(ACCOUNT, status, str(status))
        rests_on = Circumstances(now, timing, TRAITS[service], accepts)
        turn = take_turn([life.membership], [seen], circumstances=rests_on)
        (membership,) = turn.memberships
        life.turns += 1
        life.was_volume_checked |= status is Status.ACCEPTED_BUT_DISABLED
        assert life.turns < 5000, "the loop does not end"
        if turn.next not in (Action.WAIT, Action.STOP):
            deed = Deed(
                turn.next, membership.onboarding_id, membership.mode, status, now, event.call
            )
            life.deeds.append(deed)
            do(deed)
            membership = acted(membership, deed)
        life.membership = membership
        if event.takeover is not None and not last:
            now += event.takeover.seconds
            run = f"onboarding-{life.turns + 1}"
            life.membership = membership.taken(run, event.takeover.mode, now)
            life.was_volume_checked = False
        elif membership.outcome is not None:
            return life
        else:
            assert turn.wait_seconds >= 1
            now += turn.wait_seconds


def acted(due: Membership, deed: Deed) -> Membership:
    (begun,) = begin([due], deed.action, deed.at)
    if deed.call.verdict is None:
        return begun
    answers = {ACCOUNT: Answer(deed.call.verdict, "why")}
    (answered,) = take_answers([begun], deed.action, answers, {ACCOUNT: due}, deed.at)
    return answered


seconds = st.sampled_from([0, 1, 60, 119, 120, 3600])
calls = st.builds(Call, st.none() | st.sampled_from(Verdict), st.booleans())
events = st.builds(
    Event,
    st.sampled_from(Status),
    calls,
    st.none() | st.builds(Takeover, st.sampled_from(Mode), seconds),
)
lives = st.builds(
    live,
    service=st.sampled_from(ServiceName),
    mode=st.sampled_from(Mode),
    events=st.lists(events, min_size=1, max_size=30),
    accepts=st.booleans(),
)
common = settings(max_examples=600, deadline=None)


@common
@given(lives)
def test_every_path_of_statuses_ends_in_an_outcome_with_a_reason(life: Life) -> None:
    assert life.membership.outcome is not None
    enabled = life.membership.outcome in ENABLED
    assert enabled == (life.membership.status is Status.ENABLED)
    assert enabled or life.membership.reason


@common
@given(lives)
def test_no_path_outlives_its_deadline(life: Life) -> None:
    ended, began = life.membership.settled_at, life.membership.transitions[0].at
    allowed = (
        TIMING.organization_deadline
        if life.membership.mode is Mode.ORGANIZATION
        else TIMING.invitation_deadline
    )
    if life.was_volume_checked:
        allowed = max(allowed, TIMING.volume_deadline)

    assert ended is not None
    assert ended - began <= allowed + TIMING.first_wait


@common
@given(lives)
def test_enabled_and_resigned_are_never_touched_and_organisation_accounts_never_invited(
    life: Life,
) -> None:
    assert not {deed.status for deed in life.deeds} & {Status.ENABLED, Status.RESIGNED}
    assert not [
        deed
        for deed in life.deeds
        if deed.mode is Mode.ORGANIZATION and deed.action is Action.INVITE
    ]


@common
@given(lives)
def test_what_may_have_taken_effect_is_repeated_after_the_grace_time_at_the_soonest(
    life: Life,
) -> None:
    begun: dict[Action, Deed] = {}
    for deed in life.deeds:
        before = begun.get(deed.action)
        begun[deed.action] = deed
        if before is None or before.call.verdict in (Verdict.RETRY, Verdict.UNKNOWN):
            continue
        ended = before.call.verdict in (Verdict.PERMANENT, Verdict.OUT_OF_REACH)
        # A run that begins anew does not know of attempts to accept and to restart.
        forgets = deed.action in (Action.ACCEPT, Action.RESTART) and deed.run != before.run
        assert ended or forgets or deed.at - before.at >= TIMING.grace


@common
@given(lives)
def test_what_was_done_is_repeated_by_no_run_more_often_than_allowed(life: Life) -> None:
    begun: dict[tuple[str, Action], list[Deed]] = {}
    for deed in life.deeds:
        earlier = begun.setdefault((deed.run, deed.action), [])
        was_done = earlier and earlier[-1].call.verdict in (Verdict.TAKEN, Verdict.BENIGN)
        assert not was_done or len(earlier) < TIMING.most_attempts
        assert not was_done or deed.action is not Action.INVITE
        earlier.append(deed)


@dataclass
class Service:
    """A service that does what it is told at once and shows it so many seconds later."""

    name: ServiceName
    lag: int
    done: list[tuple[Action, float]] = field(default_factory=list)

    @property
    def invitations(self) -> int:
        invites = Action.CREATE if self.name is ServiceName.DETECTIVE else Action.INVITE
        return sum(action is invites for action, _ in self.done)

    def read(self, now: float) -> Status:
        shown = {action for action, at in self.done if now >= at + self.lag}
        if Action.ACCEPT in shown:
            return Status.ENABLED
        if Action.INVITE in shown:
            return Status.INVITED
        if Action.CREATE in shown:
            detective = self.name is ServiceName.DETECTIVE
            return Status.INVITED if detective else Status.CREATED
        return Status.ABSENT

    def do(self, deed: Deed) -> None:
        if deed.call.took_effect:
            self.done.append((deed.action, deed.at))


healing = st.builds(
    Event,
    st.just(Status.UNKNOWN),
    st.builds(
        Call,
        st.sampled_from([None, Verdict.UNANSWERED, Verdict.RETRY, Verdict.UNKNOWN, Verdict.TAKEN]),
        st.booleans(),
    ),
    st.none() | st.builds(Takeover, st.just(Mode.INVITATION), seconds),
)


@settings(max_examples=1000, deadline=None)
@given(
    st.sampled_from(ServiceName),
    st.integers(0, TIMING.grace - 1),
    st.lists(healing, max_size=40),
    st.booleans(),
)
def test_everybody_is_invited_exactly_once_as_far_as_the_services_status_tells(
    name: ServiceName, lag: int, happened: list[Event], accepts: bool
) -> None:
    service = Service(name, lag)
    heals = Event(Status.UNKNOWN, Call(Verdict.TAKEN))

    life = live(
        name,
        Mode.INVITATION,
        [*happened, heals],
        accepts=accepts,
        timing=Timing(),
        read=service.read,
        do=service.do,
    )

    assert service.invitations == 1
    assert (life.membership.outcome in ENABLED) is accepts
    assert accepts or life.membership.outcome is Outcome.TIMED_OUT


# Step Functions ends an execution with its 25,000th event; a turn with an action makes 14.
MOST_TURNS = 1500
POLLED_OFTEN = (
    *(Status.ABSENT, Status.CREATED, Status.VERIFYING, Status.UNKNOWN),
    *(Status.DISABLED, Status.PAUSED, Status.REMOVED, Status.DELETED),
)
BUG_TURNS = pytest.mark.xfail(
    strict=True, reason="BUG: 14 days of waits of longest_wait (300 s) are some 4,400 turns"
)


@pytest.mark.parametrize(
    "status",
    [pytest.param(s, marks=BUG_TURNS if s in POLLED_OFTEN else ()) for s in Status],
)
@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.UNANSWERED])
def test_a_status_that_lasts_takes_few_turns_in_the_fourteen_days_of_an_invitation(
    status: Status, verdict: Verdict
) -> None:
    lasting = Event(status, Call(verdict))
    for service in ServiceName:
        life = live(service, Mode.INVITATION, [lasting], accepts=True, timing=Timing())

        assert life.turns <= MOST_TURNS


@pytest.mark.xfail(
    strict=True, reason="BUG: what is due at another time for each account makes a turn for each"
)
def test_accounts_invited_one_after_another_take_few_turns_together() -> None:
    """Ten accounts, invited a minute apart, in which the member role cannot be assumed."""
    accounts = [AccountId(f"{200_000_000_000 + number}") for number in range(10)]
    retry = dict.fromkeys(accounts, Answer(Verdict.RETRY, "why"))
    memberships = tuple(a_membership(mode=Mode.INVITATION, account_id=a) for a in accounts)
    turns, now, following = 0, NOW, Action.WAIT
    while following is not Action.STOP:
        invited = [Status.INVITED if now >= NOW + 60 * n else Status.VERIFYING for n in range(10)]
        readings = [Observation(a, s, str(s)) for a, s in zip(accounts, invited, strict=True)]
        rests_on = Circumstances(now, Timing(), TRAITS[ServiceName.GUARDDUTY], accepts=True)
        turn = take_turn(memberships, readings, circumstances=rests_on)
        after = {m.account_id: m for m in turn.memberships}
        begun = begin(turn.memberships, turn.next, now)
        answered = take_answers(begun, turn.next, retry, after, now)
        memberships = tuple((after | {m.account_id: m for m in answered}).values())
        turns, now, following = turns + 1, now + turn.wait_seconds, turn.next

    assert turns <= MOST_TURNS
