"""Whatever a service answers, wherever a step is cut short and whoever takes a membership over:
it ends, and nothing is done that must not be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.automation import Automatic, Automation
from functions.enrolment.configuration import Timing
from functions.enrolment.decide import Circumstances
from functions.enrolment.membership import (
    ENABLED,
    STEP_SECONDS,
    Action,
    Answer,
    Membership,
    Observation,
    Outcome,
    Status,
    Verdict,
)
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.turn import (
    begin,
    longest_run,
    most_turns,
    take_answers,
    take_turn,
    without_automation,
)
from functions.services import registry
from tests.support.builders import ACCOUNT, NOW, a_membership, at_service

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from functions.enrolment.service import Service

HEALING = (Status.ACCOUNT_SUSPENDED, Status.REGION_DISABLED)
GUARDDUTY_ENDED = NOW + 600
WHY = Reason(ReasonCode.RESIGNED, "left by itself")
# Short, so that a life has few turns; the bound on turns is proved with the default.
TIMING = Timing(
    organization_deadline=3600,
    invitation_deadline=6 * 3600,
    volume_deadline=12 * 3600,
    policy_deadline=3 * 3600,
)
# Under these the account is the policy's, or nobody's whom this administrator could enrol.
NOT_OURS = {
    *(Automatic.POLICY, Automatic.POLICY_UNKNOWN, Automatic.LEFT_OUT, Automatic.NOT_DELEGATED),
}


@dataclass(frozen=True)
class Call:
    """What becomes of an action: ``verdict`` None is a step cut short before it could note one.

    ``effect`` is whether it took effect, where the verdict does not say so: as it ended, after so
    many ``seconds``.
    """

    verdict: Verdict | None
    effect: bool = False
    seconds: int = 0

    @property
    def took_effect(self) -> bool:
        if self.verdict in (None, Verdict.UNANSWERED):
            return self.effect
        return self.verdict is Verdict.TAKEN


@dataclass(frozen=True)
class Takeover:
    """Another run takes the membership, so many seconds after the turn or, where its step was cut
    short, after the step could have run.
    """

    mode: Mode
    seconds: int


@dataclass(frozen=True)
class Event:
    """What happens in one turn: the last one of a life lasts.

    ``automatic`` is what a reading of the service's own doing gives.
    """

    status: Status
    call: Call
    takeover: Takeover | None = None
    automatic: Automatic = Automatic.NONE


@dataclass(frozen=True)
class Deed:
    """An action that was begun, by which run and in which circumstances."""

    action: Action
    service: Service
    run: str
    mode: Mode
    status: Status
    at: float
    call: Call
    automatic: Automatic

    @property
    def ended_at(self) -> float:
        return self.at + self.call.seconds

    @property
    def invites(self) -> bool:
        if self.service is registry.DETECTIVE and self.action is Action.CREATE:
            return self.mode is Mode.INVITATION
        return self.action is Action.INVITE


@dataclass
class Life:
    """What happened to one membership until it ended and nobody took it over any more."""

    membership: Membership
    deeds: list[Deed] = field(default_factory=list)
    turns: int = 0
    was_volume_checked: bool = False
    was_under_policy: bool = False


def live(
    service: Service,
    mode: Mode,
    events: Sequence[Event],
    *,
    accepts: bool,
    opted_in: bool = False,
    recent: bool = False,
    guardduty: Membership | None = None,
    timing: Timing = TIMING,
    read: Callable[[float], Status] | None = None,
    do: Callable[[Deed], None] = lambda _: None,
) -> Life:
    """The turns of a membership, until it has ended. ``read`` tells the status, if not ``events``;
    ``do`` is told of every action.
    """
    life, now = Life(at_service(service, a_membership(mode=mode))), NOW
    detective = service is registry.DETECTIVE
    while True:
        last = life.turns >= len(events) - 1
        event = events[-1] if last else events[life.turns]
        status = read(now) if read else event.status
        seen = Observation(ACCOUNT, status, str(status))
        rests_on = Circumstances(
            now,
            timing,
            accepts,
            opted_in=frozenset({ACCOUNT} if opted_in else ()),
            recent=frozenset({ACCOUNT} if recent else ()),
            awaited={ACCOUNT: guardduty} if guardduty and detective else {},
        )
        automations = {
            account: Automation(event.automatic, "what it does")
            for account in without_automation([life.membership], [seen], rests_on)
        }
        turn = take_turn([life.membership], [seen], circumstances=rests_on, automations=automations)
        (membership,) = turn.memberships
        life.turns += 1
        known = membership.automation
        life.was_under_policy |= known is not None and known.kind is Automatic.POLICY
        life.was_volume_checked |= status is Status.ACCEPTED_BUT_DISABLED
        assert life.turns < 5000, "the loop does not end"
        if turn.next not in (Action.WAIT, Action.STOP):
            run = membership.onboarding_id
            deed = Deed(
                turn.next, service, run, membership.mode, status, now, event.call, event.automatic
            )
            life.deeds.append(deed)
            do(deed)
            membership, now = acted(membership, deed), deed.ended_at
        life.membership = membership
        if event.takeover is not None and not last:
            if membership.is_acting(now):
                now = deed.at + STEP_SECONDS
            now += event.takeover.seconds
            run = f"onboarding-{life.turns + 1}"
            life.membership = membership.taken(run, event.takeover.mode, now)
            life.was_volume_checked = life.was_under_policy = False
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
    (answered,) = take_answers([begun], deed.action, answers, {ACCOUNT: due}, deed.ended_at)
    return answered


seconds = st.sampled_from([0, 1, 60, 119, 120, 3600])
# No step that creates or invites runs for longer.
longest = st.sampled_from([0, 1, 110, 300])
calls = st.builds(Call, st.none() | st.sampled_from(Verdict), st.booleans(), longest)
events = st.builds(
    Event,
    st.sampled_from(Status),
    calls,
    st.none() | st.builds(Takeover, st.sampled_from(Mode), seconds),
    st.sampled_from(Automatic),
)
lives = st.builds(
    live,
    service=st.sampled_from(registry.SERVICES),
    mode=st.sampled_from(Mode),
    events=st.lists(events, min_size=1, max_size=30),
    accepts=st.booleans(),
    opted_in=st.booleans(),
    recent=st.booleans(),
    guardduty=st.sampled_from(
        [
            None,
            a_membership(Status.INVITED),
            a_membership(Status.ENABLED).settled(Outcome.ENABLED, None, GUARDDUTY_ENDED),
            a_membership(Status.RESIGNED).settled(Outcome.FAILED, WHY, GUARDDUTY_ENDED),
            a_membership(Status.ABSENT).settled(Outcome.SKIPPED, WHY, GUARDDUTY_ENDED),
        ]
    ),
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
    if life.was_under_policy:
        allowed += TIMING.policy_deadline
    if life.was_volume_checked:
        allowed += TIMING.volume_deadline
    last_call = max((deed.call.seconds for deed in life.deeds), default=0)

    assert ended is not None
    assert ended - began <= allowed + TIMING.first_wait + last_call


@common
@given(lives)
def test_enabled_and_resigned_are_never_touched_and_organisation_accounts_never_invited(
    life: Life,
) -> None:
    assert not {deed.status for deed in life.deeds} & {Status.ENABLED, Status.RESIGNED}
    assert not [deed for deed in life.deeds if deed.mode is Mode.ORGANIZATION and deed.invites]


@common
@given(lives)
def test_no_member_is_created_that_is_a_policys_or_of_another_administrators_organisation(
    life: Life,
) -> None:
    """Whatever was read before: it is read again before each creation."""
    created = [deed for deed in life.deeds if deed.action is Action.CREATE]

    assert not [d for d in created if d.mode is Mode.ORGANIZATION and d.automatic in NOT_OURS]


@common
@given(lives)
def test_no_service_is_asked_for_what_it_has_no_call_for(life: Life) -> None:
    asked = {(deed.service, deed.action) for deed in life.deeds}

    assert (registry.DETECTIVE, Action.INVITE) not in asked
    assert (registry.SECURITYHUB, Action.RESTART) not in asked


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
        # A restart is repeated at once when GuardDuty's membership has its outcome.
        first_since = deed.action is Action.RESTART and before.at < GUARDDUTY_ENDED <= deed.at
        late = deed.at - before.ended_at >= TIMING.grace
        assert ended or forgets or first_since or late


@common
@given(lives)
def test_what_was_done_is_repeated_no_more_often_than_allowed_and_no_invitation_ever(
    life: Life,
) -> None:
    begun: dict[tuple[str, Action], list[Deed]] = {}
    for deed in life.deeds:
        earlier = begun.setdefault((deed.run, deed.action), [])
        was_done = earlier and earlier[-1].call.verdict in (Verdict.TAKEN, Verdict.BENIGN)
        # What a restart mends comes late, and nobody is told of it; so does what has healed.
        spread = deed.action is Action.RESTART or deed.status in HEALING
        assert not was_done or spread or len(earlier) < TIMING.most_attempts
        assert not was_done or not deed.invites
        earlier.append(deed)


@dataclass
class Shown:
    """A service that shows what it has done so many seconds later."""

    lag: int
    done: list[Deed] = field(default_factory=list)

    def read(self, now: float) -> Status:
        shown = [deed for deed in self.done if now >= deed.ended_at + self.lag]
        if any(deed.action is Action.ACCEPT for deed in shown):
            return Status.ENABLED
        if any(deed.invites for deed in shown):
            return Status.INVITED
        return Status.CREATED if shown else Status.ABSENT

    def do(self, deed: Deed) -> None:
        if deed.call.took_effect:
            self.done.append(deed)


healing = st.builds(
    Event,
    st.just(Status.UNKNOWN),
    st.builds(
        Call,
        st.sampled_from([None, Verdict.UNANSWERED, Verdict.RETRY, Verdict.UNKNOWN, Verdict.TAKEN]),
        st.booleans(),
        longest,
    ),
    st.none() | st.builds(Takeover, st.just(Mode.INVITATION), seconds),
)


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(registry.SERVICES),
    st.integers(0, TIMING.grace - 1),
    st.lists(healing, max_size=40),
    st.booleans(),
)
def test_everybody_is_invited_exactly_once_as_far_as_the_services_status_tells(
    service: Service, lag: int, happened: list[Event], accepts: bool
) -> None:
    shown = Shown(lag)
    heals = Event(Status.UNKNOWN, Call(Verdict.TAKEN))

    life = live(
        service,
        Mode.INVITATION,
        [*happened, heals],
        accepts=accepts,
        timing=Timing(),
        read=shown.read,
        do=shown.do,
    )

    assert sum(deed.invites for deed in shown.done) == 1
    assert (life.membership.outcome in ENABLED) is accepts
    assert accepts or life.membership.outcome is Outcome.TIMED_OUT


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.UNANSWERED])
def test_a_status_that_lasts_takes_few_turns_in_the_fourteen_days_of_an_invitation(
    status: Status, verdict: Verdict
) -> None:
    lasting = Event(status, Call(verdict))
    for service in registry.SERVICES:
        life = live(service, Mode.INVITATION, [lasting], accepts=True, timing=Timing())

        assert life.turns <= 750


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("automatic", Automatic, ids=str)
def test_an_account_of_the_organisation_takes_few_turns_whatever_the_service_does(
    status: Status, automatic: Automatic
) -> None:
    lasting = Event(status, Call(Verdict.TAKEN), automatic=automatic)
    for service in registry.SERVICES:
        life = live(
            service, Mode.ORGANIZATION, [lasting], accepts=True, timing=Timing(), recent=True
        )

        assert life.turns <= 200


@common
@given(
    st.lists(st.tuples(st.sampled_from(Automatic), st.sampled_from(Status)), min_size=1),
    st.sampled_from([Timing(), TIMING, Timing(policy_deadline=20 * 86400)]),
)
def test_no_change_of_what_a_service_does_takes_more_turns_or_time_than_a_run_is_given(
    changes: list[tuple[Automatic, Status]], timing: Timing
) -> None:
    happened = [
        Event(status, Call(Verdict.RETRY), automatic=automatic) for automatic, status in changes
    ]
    for service in registry.SERVICES:
        life = live(service, Mode.ORGANIZATION, happened, accepts=True, timing=timing, recent=True)

        assert life.turns <= most_turns(timing)
        ended, began = life.membership.settled_at, life.membership.transitions[0].at
        assert ended is not None
        assert ended - began <= longest_run(timing)


@pytest.mark.parametrize(("number", "apart"), [(10, 60), (50, 300), (50, 1200), (50, 20_000)])
def test_accounts_invited_one_after_another_make_few_events_together(
    number: int, apart: int
) -> None:
    """The member role cannot be assumed. Step Functions ends an execution with its 25,000th event:
    a turn makes 9, an action 5 more, and steps that are retried some.
    """
    accounts = [AccountId(f"{200_000_000_000 + each}") for each in range(number)]
    retry = dict.fromkeys(accounts, Answer(Verdict.RETRY, "why"))
    memberships = tuple(a_membership(mode=Mode.INVITATION, account_id=a) for a in accounts)
    events, now, following = 0, NOW, Action.WAIT
    while following is not Action.STOP:
        invited = int((now - NOW) // apart) + 1
        readings = [Observation(a, Status.INVITED, "Invited") for a in accounts[:invited]]
        readings += [Observation(a, Status.VERIFYING, "Verifying") for a in accounts[invited:]]
        rests_on = Circumstances(now, Timing(), accepts=True)
        turn = take_turn(memberships, readings, circumstances=rests_on)
        after = {m.account_id: m for m in turn.memberships}
        begun = begin(turn.memberships, turn.next, now)
        answered = take_answers(begun, turn.next, retry, after, now)
        memberships = tuple((after | {m.account_id: m for m in answered}).values())
        events += 14 if begun else 9
        now, following = now + turn.wait_seconds, turn.next

    assert events <= 20_000
