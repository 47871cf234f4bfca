from __future__ import annotations

from dataclasses import replace

import pytest

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.automation import Automatic, Automation, auto_enable
from functions.enrolment.configuration import Timing
from functions.enrolment.decide import Circumstances, decide
from functions.enrolment.membership import (
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
    Turn,
    begin,
    fail,
    held_back,
    longest_run,
    most_turns,
    take_answers,
    take_refusal,
    take_turn,
    wait_after,
)
from functions.services import registry
from tests.support.builders import (
    ACCOUNT,
    NOW,
    OTHER,
    TARGET,
    a_membership,
    circumstances,
    tried,
)

THIRD = AccountId("666677778888")
ALL = (ACCOUNT, OTHER, THIRD)
INV = Mode.INVITATION
WHY = Reason(ReasonCode.REFUSED, "why")
TRIED_ONCE = tried(a_membership(Status.ABSENT), Action.CREATE, Verdict.RETRY)


def seen(account_id: AccountId, status: Status) -> Observation:
    return Observation(account_id, status, str(status))


def turn(
    *memberships: Membership, after: float = 0, held: frozenset[AccountId] = frozenset()
) -> Turn:
    """The turn after a reading that shows no change."""
    observations = [seen(m.account_id, m.status) for m in memberships if m.status is not None]
    return take_turn(memberships, observations, circumstances=circumstances(after=after), held=held)


def test_one_action_is_done_for_all_accounts_that_need_it_and_creating_comes_first() -> None:
    after = turn(
        a_membership(Status.CREATED, INV, ACCOUNT),
        a_membership(Status.ABSENT, INV, OTHER),
        a_membership(Status.ABSENT, INV, THIRD),
    )

    assert (after.next, after.accounts, after.wait_seconds) == (Action.CREATE, (OTHER, THIRD), 15)
    assert [m.due for m in after.memberships] == [None, Action.CREATE, Action.CREATE]


def test_what_is_due_no_longer_is_not_done() -> None:
    after = turn(a_membership(Status.VERIFYING, due=Action.CREATE))

    assert (after.next, after.memberships[0].due) == (Action.WAIT, None)


def test_a_loop_stops_when_every_membership_has_its_outcome() -> None:
    after = turn(a_membership(Status.ENABLED), a_membership(Status.RESIGNED, account_id=OTHER))

    assert (after.next, after.accounts) == (Action.STOP, ())
    assert [m.outcome for m in after.memberships] == [Outcome.ALREADY_ENABLED, Outcome.FAILED]
    assert [m.settled_at for m in after.memberships] == [NOW, NOW]


def test_an_outcome_is_final_whatever_is_read_later() -> None:
    settled = a_membership(Status.RESIGNED).settled(Outcome.FAILED, WHY, NOW)

    after = take_turn([settled], [seen(ACCOUNT, Status.ABSENT)], circumstances=circumstances())

    assert after == Turn((settled,), Action.STOP)


def test_when_a_policy_lets_an_account_go_its_time_begins() -> None:
    under_policy = a_membership(
        Status.ABSENT, automation=Automation(Automatic.POLICY, "policy-1"), at=NOW - 60
    )

    after = take_turn(
        [under_policy],
        [seen(ACCOUNT, Status.ABSENT)],
        circumstances=circumstances(),
        automations={ACCOUNT: auto_enable("NONE")},
    )

    assert after.memberships[0].automation == replace(auto_enable("NONE"), freed_at=NOW)


@pytest.mark.parametrize(
    ("status", "age", "wait"),
    [
        (Status.VERIFYING, 0, 15),
        (Status.VERIFYING, 15, 15),
        (Status.VERIFYING, 100, 100),
        (Status.VERIFYING, 100.5, 101),
        (Status.VERIFYING, 300, 300),
        # From the longest wait on, a twelfth of the age.
        (Status.VERIFYING, 3600, 300),
        (Status.VERIFYING, 7200, 600),
        (Status.VERIFYING, 86400, 7200),
        (Status.VERIFYING, 4 * 86400, 6 * 3600),
        (Status.INVITED, 0, 15),
        (Status.INVITED, 300, 300),
        (Status.INVITED, 3599, 3599),
        # People take their time: from twelve times the longest wait on.
        (Status.INVITED, 12 * 3600, 3600),
        (Status.INVITED, 86400, 7200),
        (Status.INVITED, 4 * 86400, 6 * 3600),
        (Status.ACCEPTED_BUT_DISABLED, 86400, 7200),
        # It ends with the deadline of 14 days.
        (Status.VERIFYING, 14 * 86400 - 10, 11),
        (Status.INVITED, 14 * 86400 - 1800, 1801),
    ],
)
def test_a_wait_grows_with_the_age_of_the_status(status: Status, age: float, wait: int) -> None:
    after = turn(a_membership(status, INV), after=age)

    assert (after.next, after.wait_seconds) == (Action.WAIT, wait)


@pytest.mark.parametrize(("after", "wait"), [(600, 15), (86400, 576), (864_000, 5760)])
def test_a_wait_is_short_again_after_a_change_as_far_as_the_batchs_age_lets_it(
    after: float, wait: int
) -> None:
    membership = a_membership(Status.VERIFYING, INV)

    changed = take_turn(
        [membership], [seen(ACCOUNT, Status.INVITED)], circumstances=circumstances(after=after)
    )

    assert changed.wait_seconds == wait


@pytest.mark.parametrize(
    ("membership", "after"),
    [
        # Created once it has been half-way for the grace time of 120 seconds.
        (a_membership(Status.CREATED), 100),
        # Tried again 15 seconds after it was tried.
        (tried(TRIED_ONCE, Action.CREATE, Verdict.RETRY, at=NOW + 105), 100),
        # Done again after the grace time.
        (tried(a_membership(Status.ABSENT), Action.CREATE), 100),
    ],
    ids=["left half-way", "may heal", "not seen yet"],
)
def test_a_wait_ends_when_an_action_falls_due(membership: Membership, after: float) -> None:
    waiting = turn(membership, after=after)

    assert (waiting.next, waiting.wait_seconds) == (Action.WAIT, 20)
    assert turn(membership, after=after + 20).next is Action.CREATE


def test_the_shortest_wait_of_the_batch_is_the_batchs() -> None:
    after = turn(
        a_membership(Status.VERIFYING, INV, ACCOUNT),
        a_membership(Status.VERIFYING, INV, OTHER, at=NOW + 200),
        after=250,
    )

    assert after.wait_seconds == 50


def test_an_action_is_begun_where_it_is_due_and_only_once() -> None:
    due = a_membership(Status.ABSENT, due=Action.CREATE)
    others = (
        a_membership(Status.CREATED, due=Action.INVITE, account_id=OTHER),
        a_membership(Status.INVITED, account_id=THIRD),
    )

    begun = begin((due, *others), Action.CREATE, NOW + 1)

    assert begun == (tried(due, Action.CREATE, None, at=NOW + 1),)
    # The step was cut short and is retried.
    assert begin((*begun, *others), Action.CREATE, NOW + 2) == ()


def test_answers_settle_only_what_will_not_work() -> None:
    before = {a: a_membership(Status.ABSENT, account_id=a, due=Action.CREATE) for a in ALL}
    begun = begin(before.values(), Action.CREATE, NOW)

    after = take_answers(
        begun,
        Action.CREATE,
        {
            ACCOUNT: Answer(Verdict.UNANSWERED, "no answer"),
            OTHER: Answer(Verdict.PERMANENT, "cannot become a member of itself"),
            THIRD: Answer(
                Verdict.OUT_OF_REACH,
                "master must first enable GuardDuty",
                ReasonCode.MANAGEMENT_ACCOUNT,
            ),
        },
        before,
        NOW + 1,
    )

    assert [(m.outcome, m.reason and m.reason.code, m.settled_at) for m in after] == [
        (None, None, None),
        (Outcome.FAILED, ReasonCode.REFUSED, NOW + 1),
        (Outcome.SKIPPED, ReasonCode.MANAGEMENT_ACCOUNT, NOW + 1),
    ]
    assert "refused the request: cannot become a member of itself" in str(after[1].reason)
    answers = [m.attempts[Action.CREATE].answer for m in after]
    assert [answer and answer.text for answer in answers] == [
        "no answer",
        "cannot become a member of itself",
        "master must first enable GuardDuty",
    ]


def test_an_account_that_was_not_called_for_is_as_it_was_but_for_its_rows_revision() -> None:
    due = replace(
        tried(a_membership(Status.ABSENT, revision=4), Action.CREATE, Verdict.RETRY),
        due=Action.CREATE,
    )
    (begun,) = begin([due], Action.CREATE, NOW + 15)
    written = replace(begun, revision=5)

    (other,) = begin([replace(due, account_id=OTHER)], Action.CREATE, NOW + 15)
    taken = Answer(Verdict.TAKEN)

    after = take_answers(
        [written, other], Action.CREATE, {OTHER: taken}, {ACCOUNT: due, OTHER: due}, NOW + 16
    )

    assert after == (
        replace(due, revision=5),
        other.answered(Action.CREATE, taken, NOW + 16),
    )


def test_the_grace_time_of_a_call_that_was_not_answered_begins_when_the_call_ended() -> None:
    """botocore tries five times for 20 seconds each: the last may take effect after 100 seconds."""
    due = a_membership(Status.CREATED, INV, due=Action.INVITE)
    begun = begin([due], Action.INVITE, NOW)
    unanswered = {ACCOUNT: Answer(Verdict.UNANSWERED, "Read timeout")}

    (after,) = take_answers(begun, Action.INVITE, unanswered, {ACCOUNT: due}, NOW + 110)

    assert decide(after, circumstances(after=229)).action is Action.WAIT
    assert decide(after, circumstances(after=230)).action is Action.INVITE


@pytest.mark.parametrize(
    ("status", "setting", "outcome", "reason"),
    [
        (Status.ABSENT, None, Outcome.SKIPPED, "dry run: would create (now Absent)"),
        (Status.ABSENT, "NONE", Outcome.SKIPPED, "dry run: would create (now Absent)"),
        (
            Status.ABSENT,
            "ALL",
            Outcome.SKIPPED,
            "dry run: would wait (now Absent; auto-enable ALL)",
        ),
        (
            Status.VERIFYING,
            None,
            Outcome.SKIPPED,
            "dry run: would wait (now VerificationInProgress)",
        ),
        (Status.ENABLED, None, Outcome.ALREADY_ENABLED, None),
    ],
)
def test_a_dry_run_says_what_it_would_do_and_ends(
    status: Status, setting: str | None, outcome: Outcome, reason: str | None
) -> None:
    after = take_turn(
        [a_membership()],
        [seen(ACCOUNT, status)],
        circumstances=circumstances(),
        automations={ACCOUNT: auto_enable(setting)} if setting else {},
        dry_run=True,
    )

    (membership,) = after.memberships
    assert after.next is Action.STOP
    said = membership.reason and membership.reason.text
    assert (membership.outcome, said, membership.due) == (outcome, reason, None)
    assert membership.settled_at == NOW


DETECTIVE = replace(TARGET, service=registry.DETECTIVE)
GUARDDUTY_OPEN = {ACCOUNT: a_membership(Status.INVITED)}
GUARDDUTY_ENDED = {ACCOUNT: a_membership().settled(Outcome.FAILED, WHY, NOW)}


@pytest.mark.parametrize(
    ("membership", "awaited", "after", "held"),
    [
        (a_membership(), GUARDDUTY_OPEN, 0, True),
        (a_membership(), GUARDDUTY_OPEN, 899, True),
        (a_membership(), GUARDDUTY_OPEN, 900, False),
        (a_membership(), GUARDDUTY_ENDED, 0, False),
        (a_membership(), {OTHER: a_membership(account_id=OTHER)}, 0, False),
        (a_membership().settled(Outcome.FAILED, WHY, NOW), GUARDDUTY_OPEN, 0, False),
    ],
    ids=["at work", "still at work", "too long", "ended", "not enrolled there", "ended itself"],
)
def test_detective_holds_an_account_until_guardduty_has_ended_or_the_hold_is_over(
    membership: Membership, awaited: dict[AccountId, Membership], after: float, *, held: bool
) -> None:
    detective = replace(membership, target=DETECTIVE)

    accounts = held_back([detective], awaited, Timing(), NOW + after)

    assert accounts == (frozenset({ACCOUNT}) if held else frozenset())


@pytest.mark.parametrize(
    ("after", "wait"), [(0, 15), (15, 15), (60, 60), (300, 300), (500, 300), (890, 10)]
)
def test_waiting_for_guardduty_grows_too_and_ends_with_the_hold(after: float, wait: int) -> None:
    held = a_membership()

    waiting = turn(held, after=after, held=frozenset({ACCOUNT}))

    assert waiting == Turn((held,), Action.WAIT, wait_seconds=wait)


@pytest.mark.parametrize(
    ("awaited", "wait"),
    [
        (GUARDDUTY_OPEN, 600),
        ({ACCOUNT: a_membership().settled(Outcome.ENABLED, None, NOW)}, 3585),
        ({}, 3585),
    ],
    ids=["at work", "enabled", "not enrolled there"],
)
def test_detectives_check_is_read_less_often_unless_it_may_end_with_guardduty(
    awaited: dict[AccountId, Membership], wait: int
) -> None:
    """It was started again ten seconds ago."""
    checked = a_membership(Status.ACCEPTED_BUT_DISABLED, target=DETECTIVE)
    checked = tried(checked, Action.RESTART, at=NOW + 7190)
    now = circumstances(after=7200, awaited=awaited)

    after = take_turn([checked], [seen(ACCOUNT, Status.ACCEPTED_BUT_DISABLED)], circumstances=now)

    assert (after.next, after.wait_seconds) == (Action.WAIT, wait)


def test_one_account_that_is_held_does_not_hold_the_others() -> None:
    held = a_membership()

    other = a_membership(Status.ABSENT, account_id=OTHER)

    after = turn(held, other, held=frozenset({ACCOUNT}), after=890)

    assert (after.next, after.accounts, after.wait_seconds) == (Action.CREATE, (OTHER,), 10)
    assert after.memberships[0] == held


def test_failing_a_loop_leaves_settled_memberships_alone() -> None:
    enabled = a_membership(Status.ENABLED).settled(Outcome.ENABLED, None, NOW)
    still_open = a_membership(Status.ABSENT, account_id=OTHER, due=Action.CREATE)

    failed = fail([enabled, still_open], ReasonCode.UNAVAILABLE, "500", NOW + 1)

    assert [(m.account_id, m.outcome, m.due, m.settled_at) for m in failed] == [
        (OTHER, Outcome.FAILED, None, NOW + 1)
    ]
    (reason,) = (m.reason for m in failed)
    assert reason is not None
    assert reason.code is ReasonCode.UNAVAILABLE


@pytest.mark.parametrize("seconds", [3600, 14 * 86400, 363 * 86400])
def test_whatever_happens_in_a_batch_it_takes_no_more_turns_than_are_counted_for_it(
    seconds: int,
) -> None:
    """At every reading another status, and at every turn an action that does not succeed."""
    timing = Timing(invitation_deadline=seconds, volume_deadline=86400)
    memberships: tuple[Membership, ...] = (a_membership(mode=INV),)
    now, turns, following = NOW, 0, Action.WAIT
    while following is not Action.STOP:
        status = (Status.ABSENT, Status.CREATED, Status.INVITED)[turns % 3]
        rests_on = Circumstances(now, timing, accepts=True)
        turn_ = take_turn(memberships, [seen(ACCOUNT, status)], circumstances=rests_on)
        begun = begin(turn_.memberships, turn_.next, now)
        before = {m.account_id: m for m in turn_.memberships}
        retry = {m.account_id: Answer(Verdict.RETRY, "why") for m in begun}
        memberships = take_answers(begun, turn_.next, retry, before, now) or turn_.memberships
        following, now, turns = turn_.next, now + turn_.wait_seconds, turns + 1

    assert turns <= most_turns(timing)
    assert most_turns(timing) * 14 < 24_000


def test_a_short_run_takes_a_turn_for_each_first_wait_and_for_each_accounts_deadline() -> None:
    timing = Timing(
        visibility=60,
        hold=60,
        organization_deadline=60,
        policy_deadline=60,
        invitation_deadline=60,
        volume_deadline=60,
    )

    assert most_turns(timing) == 300 / 15 + 50


@pytest.mark.parametrize(
    ("policy", "invitation", "longest"), [(4, 2, 600), (400, 2, 700), (4, 800, 800)]
)
def test_the_longest_run_has_every_wait_that_may_follow_another(
    policy: int, invitation: int, longest: int
) -> None:
    """A policy may let an account go at its deadline, which then has the time of any other."""
    timing = Timing(
        visibility=1000,
        hold=20_000,
        organization_deadline=300,
        policy_deadline=policy,
        invitation_deadline=invitation,
        volume_deadline=4_000_000,
    )

    assert longest_run(timing) == 4_021_000 + longest


def test_what_was_never_read_fails_at_once_where_reading_is_refused() -> None:
    denied = ReasonCode.ACCESS_DENIED

    refused = take_refusal([a_membership()], NOW, denied, "AccessDenied: no", Timing(), NOW)

    assert refused.next is Action.STOP
    (failed,) = refused.memberships
    assert (failed.outcome, failed.reason and failed.reason.code) == (Outcome.FAILED, denied)
    assert str(failed.reason).startswith("AccessDenied: no; to do: allow Rollcall's role")


def test_in_the_middle_of_a_wait_a_refused_reading_is_given_time_and_then_says_since_when() -> None:
    waiting = a_membership(Status.INVITED, INV)

    def refused(after: float) -> Turn:
        code = ReasonCode.ACCESS_DENIED
        return take_refusal([waiting], NOW, code, "AccessDenied: no", Timing(), NOW + after)

    for after, wait in ((0, 15), (600, 50), (3590, 10), (3599, 1)):
        assert refused(after) == Turn((waiting,), Action.WAIT, wait_seconds=wait)
    (failed,) = refused(3600).memberships
    assert (failed.outcome, failed.settled_at) == (Outcome.FAILED, NOW + 3600)
    since = "AccessDenied: no (so since 2027-01-15T08:00:00Z, for 1 h)"
    assert str(failed.reason).startswith(since)


AFTER_AN_ACTION = [
    # The account, after its action; the wait of the others; the wait until the next reading.
    pytest.param(Verdict.TAKEN, 0, 600, 15, id="done"),
    pytest.param(Verdict.BENIGN, 0, 600, 15, id="done before"),
    pytest.param(Verdict.UNANSWERED, 0, 600, 15, id="may have had an effect"),
    pytest.param(Verdict.RETRY, 0, 600, 15, id="tried again soon"),
    pytest.param(Verdict.RETRY, 800, 600, 100, id="tried again after an eighth of the age"),
    pytest.param(Verdict.UNKNOWN, 800, 600, 100, id="unknown words"),
    pytest.param(Verdict.RETRY, 8000, 600, 600, id="another falls due sooner"),
]


@pytest.mark.parametrize(("verdict", "age", "others", "wait"), AFTER_AN_ACTION)
def test_after_an_action_without_effect_there_is_nothing_to_read_until_something_falls_due(
    verdict: Verdict, age: float, others: int, wait: int
) -> None:
    at = NOW + age
    answered = tried(a_membership(Status.ABSENT, INV), Action.CREATE, verdict, at=at)

    after = wait_after([answered], Action.CREATE, 15, others, circumstances(after=age))

    assert after == wait


def test_one_account_whose_action_may_have_had_an_effect_is_read_soon() -> None:
    failed = tried(a_membership(Status.ABSENT, INV), Action.CREATE, Verdict.RETRY, at=NOW + 800)
    done = tried(a_membership(Status.ABSENT, INV, OTHER), Action.CREATE, at=NOW + 800)

    rests_on = circumstances(after=800)

    assert wait_after([failed, done], Action.CREATE, 15, 600, rests_on) == 15


def test_an_old_batch_is_not_read_more_often_while_readings_are_refused() -> None:
    waiting = a_membership(Status.INVITED, INV, taken_at=NOW - 150 * 70)

    refused = take_refusal([waiting], NOW, ReasonCode.ACCESS_DENIED, "no", Timing(), NOW)

    assert refused.wait_seconds == 70


def test_an_action_that_ended_its_accounts_or_was_not_carried_out_for_one_changes_no_wait() -> None:
    failed = tried(a_membership(Status.ABSENT, INV), Action.CREATE, Verdict.RETRY, at=NOW + 800)
    ended = failed.settled(Outcome.FAILED, WHY, NOW + 800)
    not_called = a_membership(Status.ABSENT, INV, OTHER)

    for answered in ([ended], [failed, not_called]):
        assert wait_after(answered, Action.CREATE, 15, 600, circumstances(after=800)) == 15


def test_a_turn_with_an_action_says_how_long_the_other_accounts_may_wait() -> None:
    after = turn(
        a_membership(Status.ABSENT, INV, ACCOUNT),
        a_membership(Status.VERIFYING, INV, OTHER, at=NOW - 200),
    )

    assert (after.next, after.wait_seconds, after.others_wait) == (Action.CREATE, 15, 200)


def test_a_turn_with_an_action_lets_no_account_wait_for_which_another_action_is_due() -> None:
    after = turn(
        a_membership(Status.ABSENT, INV, ACCOUNT), a_membership(Status.CREATED, INV, OTHER)
    )

    assert (after.next, after.others_wait) == (Action.CREATE, 15)
