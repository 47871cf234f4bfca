from __future__ import annotations

from dataclasses import replace

import pytest

from functions.enrolment.account import Mode
from functions.enrolment.membership import (
    MOST_TRANSITIONS,
    STEP_SECONDS,
    Action,
    Answer,
    Attempt,
    Membership,
    Observation,
    Outcome,
    Status,
    Transition,
    Verdict,
)
from functions.enrolment.reason import Reason, ReasonCode
from tests.support.builders import ACCOUNT, NOW, RUN, TARGET, a_membership, tried

WHY = Reason(ReasonCode.OTHER, "why")


def seen_as(membership: Membership, *raws: str, start: float = NOW) -> Membership:
    """The membership read once a second, each time in another spelling."""
    for second, raw in enumerate(raws):
        observation = Observation(ACCOUNT, Status.UNKNOWN, raw)
        membership = membership.seen(observation, start + second)
    return membership


def test_a_status_is_a_transition_when_it_is_first_seen_in_the_services_own_spelling() -> None:
    membership = seen_as(a_membership(), "Created", "Created", "Enabled", "Created")

    assert membership.transitions == (
        Transition("Created", NOW),
        Transition("Enabled", NOW + 2),
        Transition("Created", NOW + 3),
    )
    assert membership.transition_count == 3


@pytest.mark.parametrize("count", [100, 101])
def test_of_many_transitions_the_first_and_the_newest_are_kept_and_all_are_counted(
    count: int,
) -> None:
    membership = seen_as(a_membership(), *(f"status {number}" for number in range(count)))

    first, *newest = membership.transitions
    assert first == Transition("status 0", NOW)
    assert [t.status for t in newest] == [
        f"status {number}" for number in range(count + 1 - MOST_TRANSITIONS, count)
    ]
    assert membership.transition_count == count


def test_what_a_survey_read_counts_until_the_run_reads_it_itself() -> None:
    surveyed = a_membership().surveyed(
        Observation(ACCOUNT, Status.CREATED, "Created"), None, NOW - 60
    )

    read = surveyed.seen(Observation(ACCOUNT, Status.CREATED, "Created"), NOW)

    assert (surveyed.surveyed_at, read.surveyed_at) == (NOW - 60, None)


@pytest.mark.parametrize(
    ("raw", "invited"),
    [
        ("Invited", True),
        ("INVITED", True),
        ("EmailVerificationInProgress", True),
        ("VERIFICATION_IN_PROGRESS", True),
        ("Created", False),
        ("InvitedEmail", False),
    ],
)
def test_a_status_of_any_service_may_have_shown_an_invitation(raw: str, *, invited: bool) -> None:
    assert seen_as(a_membership(), raw, "Absent").was_invited is invited


def test_an_action_is_counted_when_it_is_begun_and_has_no_answer_until_it_is_given_one() -> None:
    due = a_membership(Status.ABSENT, due=Action.CREATE)

    begun = tried(due, Action.CREATE, Verdict.RETRY).begun(Action.CREATE, NOW + 15)
    answered = begun.answered(Action.CREATE, Answer(Verdict.TAKEN), NOW + 20)

    assert begun.attempts == {Action.CREATE: Attempt(2, NOW + 15, None)}
    assert begun.due is None
    assert answered.attempts == {Action.CREATE: Attempt(2, NOW + 20, Answer(Verdict.TAKEN))}


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("verdict", [None, *Verdict])
def test_a_new_run_remembers_only_what_may_have_created_or_invited(
    action: Action, verdict: Verdict | None
) -> None:
    before = tried(a_membership(Status.CREATED), action, verdict, at=NOW - 60)

    after = before.taken("onboarding-2", Mode.INVITATION, NOW)

    may_have = verdict in (None, Verdict.TAKEN, Verdict.BENIGN, Verdict.UNANSWERED)
    if action in (Action.CREATE, Action.INVITE) and may_have:
        answer = None if verdict is None else Answer(verdict)
        assert after.attempts == {action: Attempt(0, NOW - 60, answer)}
    else:
        assert after.attempts == {}


def test_a_new_run_begins_anew_with_everything_else_but_what_it_does_not_know() -> None:
    before = a_membership(
        Status.DISABLED, detail="why", due=Action.RESTART, revision=7, unknown={"later": 1}
    ).settled(Outcome.FAILED, WHY, NOW + 60)

    after = before.taken("onboarding-2", Mode.INVITATION, NOW + 90)

    assert after == Membership(
        ACCOUNT,
        TARGET,
        Mode.INVITATION,
        "onboarding-2",
        taken_at=NOW + 90,
        revision=7,
        unknown={"later": 1},
    )


@pytest.mark.parametrize(
    ("onboarding_id", "started_at", "own"),
    [
        (RUN, NOW - 60, True),
        (RUN, NOW, True),
        # It was taken by an older run of the same id.
        (RUN, NOW + 1, False),
        ("onboarding-2", NOW - 60, False),
    ],
)
def test_a_membership_belongs_to_the_run_that_took_it_after_it_started(
    onboarding_id: str, started_at: float, *, own: bool
) -> None:
    assert a_membership(at=NOW).belongs_to(onboarding_id, started_at) is own


@pytest.mark.parametrize(
    ("verdict", "ended_by"), [(None, NOW + STEP_SECONDS), (Verdict.RETRY, NOW)]
)
def test_what_was_begun_may_be_under_way_until_it_is_answered_or_no_step_can_run_any_more(
    verdict: Verdict | None, ended_by: float
) -> None:
    acting = tried(a_membership(), Action.INVITE, verdict)

    assert acting.attempts[Action.INVITE].ended_by == ended_by
    assert acting.is_acting(NOW) is (verdict is None)
    assert not acting.is_acting(ended_by)
    # What only an earlier run began is not this run's.
    assert not acting.taken("onboarding-2", Mode.INVITATION, NOW).is_acting(NOW)


def test_a_membership_that_has_ended_has_nothing_due() -> None:
    begun = tried(a_membership(Status.ABSENT), Action.CREATE, None)

    ended = replace(begun, due=Action.INVITE).settled(Outcome.FAILED, WHY, NOW + 1)

    assert ended == replace(begun, outcome=Outcome.FAILED, reason=WHY, settled_at=NOW + 1, due=None)
