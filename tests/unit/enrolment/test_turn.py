from __future__ import annotations

import json

import pytest

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.configuration import Timing
from functions.enrolment.membership import Action, Answer, Observation, Outcome, Status, Verdict
from functions.enrolment.target import ServiceName
from functions.enrolment.turn import (
    Loop,
    hold,
    loop_from_json,
    loop_to_json,
    take_answers,
    take_turn,
)
from tests.support.builders import ACCOUNT, NOW, OTHER, a_loop, a_membership, circumstances

THIRD = AccountId("666677778888")


def seen(account_id: AccountId, status: Status) -> Observation:
    return Observation(account_id, status, str(status))


def turn(loop: Loop, *observations: Observation, after: float = 0) -> Loop:
    rests_on = circumstances(after=after)
    return take_turn(loop, observations, rests_on.now, circumstances=rests_on)


def test_one_action_is_done_for_all_accounts_that_need_it_and_creating_comes_first() -> None:
    loop = a_loop(
        [a_membership(account_id=a, mode=Mode.INVITATION) for a in (ACCOUNT, OTHER, THIRD)]
    )

    after = turn(
        loop,
        seen(ACCOUNT, Status.CREATED),
        seen(OTHER, Status.ABSENT),
        seen(THIRD, Status.ABSENT),
    )

    assert (after.next, after.accounts) == (Action.CREATE, (OTHER, THIRD))


def test_a_loop_stops_when_every_membership_has_its_outcome() -> None:
    loop = a_loop([a_membership(account_id=ACCOUNT), a_membership(account_id=OTHER)])

    after = turn(loop, seen(ACCOUNT, Status.ENABLED), seen(OTHER, Status.RESIGNED))

    assert after.next is Action.STOP
    assert [m.outcome for m in after.memberships] == [Outcome.ALREADY_ENABLED, Outcome.FAILED]


def test_an_outcome_is_final_whatever_is_read_later() -> None:
    settled = a_membership(Status.RESIGNED).settled(Outcome.FAILED, "left", NOW)

    after = turn(a_loop([settled]), seen(ACCOUNT, Status.ABSENT))

    assert after.memberships == (settled,)


def test_waits_double_while_nothing_changes_and_start_again_when_something_does() -> None:
    loop = a_loop([a_membership(Status.VERIFYING)])
    waits = []
    for _ in range(6):
        loop = turn(loop, seen(ACCOUNT, Status.VERIFYING))
        waits.append(loop.wait_seconds)
    changed = turn(loop, seen(ACCOUNT, Status.CREATED))

    assert waits == [30, 60, 120, 240, 300, 300]
    assert changed.wait_seconds == 15


@pytest.mark.parametrize("status", [Status.INVITED, Status.ACCEPTED_BUT_DISABLED])
def test_waiting_for_people_or_for_detectives_volume_may_take_longer(status: Status) -> None:
    loop = a_loop([a_membership(status, Mode.INVITATION)], quiet_turns=20)

    assert turn(loop, seen(ACCOUNT, status)).wait_seconds == 3600


def test_a_wait_ends_with_the_nearest_deadline() -> None:
    loop = a_loop([a_membership(Status.VERIFYING)], quiet_turns=20)

    assert turn(loop, seen(ACCOUNT, Status.VERIFYING), after=3590).wait_seconds == 11


def test_transitions_are_recorded_in_the_services_own_spelling_once_each() -> None:
    loop = a_loop([a_membership()])
    for after, raw in enumerate(["Created", "Created", "Enabled"]):
        status = Status.ENABLED if raw == "Enabled" else Status.CREATED
        loop = turn(loop, Observation(ACCOUNT, status, raw), after=after)

    assert [(t.status, t.at - NOW) for t in loop.memberships[0].transitions] == [
        ("Created", 0),
        ("Enabled", 2),
    ]


def test_answers_settle_only_what_will_not_work() -> None:
    loop = a_loop([a_membership(Status.ABSENT, account_id=a) for a in (ACCOUNT, OTHER, THIRD)])

    after = take_answers(
        loop,
        Action.CREATE,
        {
            ACCOUNT: Answer(Verdict.TAKEN),
            OTHER: Answer(Verdict.PERMANENT, "cannot become a member of itself"),
            THIRD: Answer(Verdict.OUT_OF_REACH, "master must first enable GuardDuty"),
        },
        NOW,
    )

    assert [m.outcome for m in after.memberships] == [None, Outcome.FAILED, Outcome.SKIPPED]
    assert after.memberships[1].reason == "cannot become a member of itself"


def test_a_dry_run_says_what_it_would_do_and_ends() -> None:
    loop = a_loop([a_membership(account_id=a) for a in (ACCOUNT, OTHER)], dry_run=True)

    after = turn(loop, seen(ACCOUNT, Status.ABSENT), seen(OTHER, Status.ENABLED))

    assert after.next is Action.STOP
    assert after.memberships[0].reason == "dry run: would create (now Absent)"
    assert after.memberships[1].outcome is Outcome.ALREADY_ENABLED


def test_detective_holds_until_the_other_service_has_settled_or_the_hold_is_over() -> None:
    loop = a_loop([a_membership()], waits_for=ServiceName.GUARDDUTY)

    first, held = hold(loop, settled=lambda _: False, timing=Timing(), now=NOW)
    released, _ = hold(first, settled=lambda _: True, timing=Timing(), now=NOW + 15)
    given_up, none = hold(first, settled=lambda _: False, timing=Timing(), now=NOW + 900)

    assert (first.next, first.wait_seconds, held) == (Action.WAIT, 15, frozenset({ACCOUNT}))
    assert released.waits_for is None
    assert (given_up.waits_for, none) == (None, frozenset())


def test_one_account_that_is_held_does_not_hold_the_others() -> None:
    members = [a_membership(account_id=account) for account in (ACCOUNT, OTHER)]
    loop = a_loop(members, waits_for=ServiceName.GUARDDUTY)

    holding, held = hold(loop, settled=lambda a: a == OTHER, timing=Timing(), now=NOW)
    rests_on = circumstances()
    after = take_turn(holding, [seen(OTHER, Status.ABSENT)], NOW, circumstances=rests_on, held=held)

    assert held == {ACCOUNT}
    assert (after.next, after.accounts) == (Action.CREATE, (OTHER,))
    assert after.waits_for is ServiceName.GUARDDUTY
    assert after.memberships[0].status is None


def test_failing_a_loop_leaves_settled_memberships_alone() -> None:
    enabled = a_membership(Status.ENABLED).settled(Outcome.ENABLED, None, NOW)
    loop = a_loop([enabled, a_membership(Status.ABSENT, account_id=OTHER)])

    failed = loop.fail("ServiceUnavailable: 500", NOW)

    assert failed.memberships[0] == enabled
    assert failed.memberships[1].reason == "ServiceUnavailable: 500"
    assert failed.next is Action.STOP


def test_a_loop_survives_the_state_machine() -> None:
    membership = a_membership(Status.ABSENT, detail="VOLUME_UNKNOWN").tried(
        Action.CREATE, Answer(Verdict.RETRY, "Internal error"), NOW
    )
    loop = a_loop(
        [membership, membership.settled(Outcome.FAILED, "why", NOW)],
        waits_for=ServiceName.GUARDDUTY,
        resource="detector",
        next=Action.CREATE,
        accounts=(ACCOUNT,),
    )

    assert loop_from_json(json.loads(json.dumps(loop_to_json(loop)))) == loop


def test_fifty_accounts_after_a_long_life_stay_far_below_the_payload_limit() -> None:
    membership = a_membership(Status.ABSENT)
    for at, raw in enumerate(["Created", "EmailVerificationInProgress", "Invited", "Enabled"] * 3):
        membership = membership.seen(Observation(ACCOUNT, Status.UNKNOWN, raw), NOW + at)
    for action in (Action.CREATE, Action.INVITE, Action.ACCEPT):
        membership = membership.tried(action, Answer(Verdict.UNKNOWN, "x" * 300), NOW)

    assert len(json.dumps(loop_to_json(a_loop([membership] * 50)))) < 128 * 1024
