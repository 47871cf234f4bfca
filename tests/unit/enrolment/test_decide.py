from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import Mode
from functions.enrolment.automation import Automatic, Automation
from functions.enrolment.configuration import Timing
from functions.enrolment.decide import GONE_SECONDS, Decision, decide
from functions.enrolment.membership import (
    STEP_SECONDS,
    Action,
    Observation,
    Outcome,
    Status,
    Verdict,
)
from functions.enrolment.reason import Reason, ReasonCode
from functions.services import registry
from tests.support.builders import ACCOUNT, NOW, a_membership, at_service, circumstances, tried

if TYPE_CHECKING:
    from functions.enrolment.membership import Membership
    from functions.enrolment.service import Service

SH, GD, DT = registry.SECURITYHUB, registry.GUARDDUTY, registry.DETECTIVE
ORG, INV = Mode.ORGANIZATION, Mode.INVITATION


def due_after(membership: Membership, action: Action, service: Service = GD) -> float:
    """When an action falls due, in seconds from NOW. Until then there is nothing to do."""

    def decided(after: float) -> Decision:
        return decide(at_service(service, membership), circumstances(after, accepts=True))

    last = max([NOW, *(attempt.at for attempt in membership.attempts.values())]) - NOW
    decision = decided(last)
    if decision.action is action:
        return last
    assert decision.until is not None
    after = decision.until - NOW
    assert decided(after - 1) == Decision(Action.WAIT, until=decision.until)
    assert decided(after).action is action
    return after


def read_again(membership: Membership, before: Membership) -> Membership:
    """The membership in the status in which it was before."""
    assert before.status is not None
    return membership.seen(Observation(ACCOUNT, before.status, before.raw), NOW)


@pytest.mark.parametrize(
    ("service", "mode", "status", "action"),
    [
        (SH, ORG, Status.ABSENT, Action.CREATE),
        (SH, INV, Status.ABSENT, Action.CREATE),
        (GD, ORG, Status.DELETED, Action.CREATE),
        (SH, ORG, Status.CREATED, Action.WAIT),
        (SH, INV, Status.CREATED, Action.INVITE),
        (GD, INV, Status.CREATED, Action.INVITE),
        (DT, INV, Status.CREATED, Action.WAIT),
        (GD, INV, Status.VERIFYING, Action.WAIT),
        (DT, ORG, Status.VERIFYING, Action.WAIT),
        (SH, INV, Status.INVITED, Action.WAIT),
        (SH, ORG, Status.INVITED, Action.WAIT),
        (SH, ORG, Status.REMOVED, Action.CREATE),
        (GD, ORG, Status.REMOVED, Action.CREATE),
        (GD, INV, Status.REMOVED, Action.CREATE),
        (SH, INV, Status.REMOVED, Action.CREATE),
        (GD, ORG, Status.DISABLED, Action.RESTART),
        (SH, ORG, Status.DISABLED, Action.WAIT),
        (DT, ORG, Status.ACCEPTED_BUT_DISABLED, Action.RESTART),
        (GD, ORG, Status.UNKNOWN, Action.WAIT),
        (GD, ORG, Status.PAUSED, Action.WAIT),
        (SH, ORG, Status.ENABLED, Action.STOP),
        (SH, INV, Status.RESIGNED, Action.STOP),
        (GD, INV, Status.VERIFICATION_FAILED, Action.STOP),
        # Only an ACTIVE account of the organisation is enrolled: the service says what once was.
        (GD, ORG, Status.ACCOUNT_SUSPENDED, Action.CREATE),
        (GD, INV, Status.ACCOUNT_SUSPENDED, Action.STOP),
        (GD, ORG, Status.REGION_DISABLED, Action.STOP),
        (GD, ORG, Status.MANAGEMENT_NOT_ENABLED, Action.STOP),
    ],
)
def test_first_decision_for_every_status(
    service: Service, mode: Mode, status: Status, action: Action
) -> None:
    decision = decide(at_service(service, a_membership(status, mode)), circumstances())

    assert decision.action is action


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        (Status.ENABLED, Outcome.ALREADY_ENABLED, None),
        (Status.RESIGNED, Outcome.FAILED, ReasonCode.RESIGNED),
        (Status.VERIFICATION_FAILED, Outcome.FAILED, ReasonCode.WRONG_EMAIL),
        (Status.ACCOUNT_SUSPENDED, Outcome.FAILED, ReasonCode.ACCOUNT_SUSPENDED),
        (Status.REGION_DISABLED, Outcome.FAILED, ReasonCode.REGION_DISABLED),
        (Status.MANAGEMENT_NOT_ENABLED, Outcome.SKIPPED, ReasonCode.MANAGEMENT_ACCOUNT),
    ],
)
def test_a_status_that_ends_a_membership_says_why(
    status: Status, outcome: Outcome, code: ReasonCode | None
) -> None:
    decision = decide(a_membership(status, INV), circumstances())

    assert decision.outcome is outcome
    assert (decision.reason and decision.reason.code) == code


@pytest.mark.parametrize(
    ("membership", "outcome"),
    [
        (a_membership(Status.ENABLED), Outcome.ALREADY_ENABLED),
        (tried(a_membership(Status.ABSENT), Action.CREATE), Outcome.ENABLED),
        (tried(a_membership(), Action.CREATE), Outcome.ENABLED),
        (a_membership(Status.CREATED), Outcome.ENABLED),
        # What an earlier run did is not this run's doing.
        (
            tried(a_membership(), Action.CREATE).taken("onboarding-2", ORG, NOW),
            Outcome.ALREADY_ENABLED,
        ),
    ],
    ids=[
        *("at first", "after an action", "after an action that no reading preceded"),
        *("after another status", "after another run's action"),
    ],
)
def test_what_was_enabled_before_the_run_is_told_apart(
    membership: Membership, outcome: Outcome
) -> None:
    enabled = membership.seen(Observation(ACCOUNT, Status.ENABLED, "Enabled"), NOW + 15)

    assert decide(enabled, circumstances(after=15)).outcome is outcome


def test_a_member_is_accepted_only_where_a_member_role_is_configured() -> None:
    invited = a_membership(Status.INVITED, INV)

    assert decide(invited, circumstances(accepts=True)).action is Action.ACCEPT
    assert decide(invited, circumstances(accepts=False)).action is Action.WAIT


@pytest.mark.parametrize("verdict", [Verdict.TAKEN, Verdict.BENIGN])
@pytest.mark.parametrize(
    ("service", "mode", "status", "action"),
    [
        (GD, ORG, Status.ABSENT, Action.CREATE),
        (GD, INV, Status.ABSENT, Action.CREATE),
        (DT, ORG, Status.ABSENT, Action.CREATE),
        (GD, INV, Status.INVITED, Action.ACCEPT),
    ],
)
def test_what_was_done_and_the_reading_does_not_show_is_repeated_after_the_grace_time_a_few_times(
    service: Service, mode: Mode, status: Status, action: Action, verdict: Verdict
) -> None:
    membership = at_service(service, a_membership(status, mode))
    for attempt in range(Timing().most_attempts):
        assert due_after(membership, action, service) == 120 * attempt
        membership = tried(membership, action, verdict, at=NOW + 120 * attempt)

    later = circumstances(after=3599, accepts=True)
    assert decide(membership, later) == Decision(Action.WAIT)


def test_a_membership_that_has_its_outcome_keeps_it() -> None:
    why = Reason(ReasonCode.REFUSED, "why")
    settled = a_membership(Status.ABSENT).settled(Outcome.FAILED, why, NOW)

    assert decide(settled, circumstances()) == Decision(Action.STOP, Outcome.FAILED, why)


@pytest.mark.parametrize("verdict", [Verdict.TAKEN, Verdict.BENIGN])
@pytest.mark.parametrize(
    ("service", "status", "action"),
    [
        (GD, Status.CREATED, Action.INVITE),
        (DT, Status.ABSENT, Action.CREATE),
    ],
)
def test_an_invitation_that_was_sent_is_never_sent_again(
    service: Service, status: Status, action: Action, verdict: Verdict
) -> None:
    membership = tried(a_membership(status, INV), action, verdict)

    assert decide(at_service(service, membership), circumstances(after=13 * 86400)) == Decision(
        Action.WAIT
    )


# Where each action is due, and what is due there is repeated.
ACTIONS = [
    pytest.param(GD, a_membership(Status.ABSENT, INV), Action.CREATE, id="create"),
    pytest.param(GD, a_membership(Status.CREATED, INV), Action.INVITE, id="invite"),
    pytest.param(GD, a_membership(Status.INVITED, INV), Action.ACCEPT, id="accept"),
    pytest.param(GD, a_membership(Status.DISABLED, INV), Action.RESTART, id="restart"),
    pytest.param(DT, a_membership(Status.ABSENT, INV), Action.CREATE, id="create and invite"),
]


@pytest.mark.parametrize(
    ("verdict", "least"),
    [
        (Verdict.RETRY, 15),
        (Verdict.UNKNOWN, 15),
        # It may have taken effect: the reading must have had the time to show it.
        (Verdict.UNANSWERED, 120),
    ],
)
@pytest.mark.parametrize(("service", "membership", "action"), ACTIONS)
@pytest.mark.parametrize(
    ("at", "eighth"),
    [(0, 0), (80, 10), (600, 75), (3200, 400), (28_800, 3600), (864_000, 6 * 3600)],
)
def test_what_may_heal_is_tried_again_after_an_eighth_of_the_time_it_has_not(
    service: Service,
    membership: Membership,
    action: Action,
    verdict: Verdict,
    least: float,
    at: float,
    eighth: float,
) -> None:
    membership = tried(membership, action, verdict, at=NOW + at)

    assert due_after(membership, action, service) - at == max(least, eighth)


def test_what_a_step_had_begun_that_was_cut_short_is_done_again_when_it_cannot_be_under_way() -> (
    None
):
    begun = tried(a_membership(Status.ABSENT), Action.CREATE, None)

    assert due_after(begun, Action.CREATE) == STEP_SECONDS + 120


def test_what_does_not_heal_times_out_in_the_services_own_words() -> None:
    membership = a_membership(Status.ABSENT)
    for attempt in range(10):
        membership = tried(
            membership, Action.CREATE, Verdict.RETRY, text="Internal error", at=NOW + attempt
        )

    decision = decide(membership, circumstances(after=3600))

    assert decision.outcome is Outcome.TIMED_OUT
    assert decision.reason is not None
    assert decision.reason.code is ReasonCode.NOT_CREATED
    assert decision.reason.text == (
        "the account could not be made a member; Absent since 2027-01-15T08:00:00Z;"
        " last tried: create at 2027-01-15T08:00:09Z: Internal error;"
        " to do: fix what the last try says, and start again"
    )


@pytest.mark.parametrize("verdict", [Verdict.TAKEN, Verdict.BENIGN, Verdict.UNANSWERED, None])
@pytest.mark.parametrize(
    ("service", "membership", "action"),
    [
        *(each for each in ACTIONS if each.id not in ("accept", "restart")),
        pytest.param(GD, a_membership(Status.REMOVED, INV), Action.CREATE, id="create a removed"),
    ],
)
def test_what_an_earlier_run_may_have_done_is_done_again_only_after_the_grace_time(
    service: Service, membership: Membership, action: Action, verdict: Verdict | None
) -> None:
    earlier = tried(membership, action, verdict, at=NOW - 100)

    taken = read_again(earlier.taken("onboarding-2", INV, NOW), membership)

    # Without an answer it may be under way as long as a step can run.
    assert due_after(taken, action, service) == 20 + (STEP_SECONDS if verdict is None else 0)


@pytest.mark.parametrize("status", [Status.CREATED, Status.INVITED])
def test_an_organisation_account_somebody_left_half_way_is_created_again_after_the_grace_time(
    status: Status,
) -> None:
    membership = a_membership(status, ORG)

    assert due_after(membership, Action.CREATE) == 120


def test_restarts_come_soon_and_then_further_and_further_apart() -> None:
    membership = a_membership(Status.ACCEPTED_BUT_DISABLED, detail="VOLUME_UNKNOWN")
    for restart_at in (0, 120, 240, 360, 540, 810, 1215):
        assert due_after(membership, Action.RESTART, DT) == restart_at
        membership = tried(membership, Action.RESTART, at=NOW + restart_at)


def test_a_volume_that_is_too_high_is_not_waited_for() -> None:
    membership = a_membership(Status.ACCEPTED_BUT_DISABLED, detail="VOLUME_TOO_HIGH")

    decision = decide(at_service(DT, membership), circumstances())

    assert decision.outcome is Outcome.FAILED
    assert decision.reason is not None
    assert decision.reason.code is ReasonCode.VOLUME_TOO_HIGH


@pytest.mark.parametrize(
    ("membership", "service", "last_second"),
    [
        (a_membership(Status.VERIFYING, ORG), DT, 3600),
        (a_membership(Status.VERIFYING, INV), DT, 14 * 86400),
        (a_membership(Status.ACCEPTED_BUT_DISABLED, ORG), DT, 2 * 86400),
        (a_membership(Status.INVITED, INV), SH, 14 * 86400),
        (a_membership(Status.ACCEPTED_BUT_DISABLED, INV), DT, 2 * 86400),
        (a_membership(Status.UNKNOWN, ORG), GD, 3600),
    ],
)
def test_each_mode_has_its_deadline(
    membership: Membership, service: Service, last_second: int
) -> None:
    before = decide(at_service(service, membership), circumstances(after=last_second - 1))
    after = decide(at_service(service, membership), circumstances(after=last_second))

    assert before.outcome is None
    assert after.outcome is Outcome.TIMED_OUT


def test_the_time_of_an_account_that_was_held_back_counts_from_its_own_first_reading() -> None:
    held_back = a_membership(Status.VERIFYING, at=NOW + 900)

    assert decide(held_back, circumstances(after=3600)).outcome is None
    assert decide(held_back, circumstances(after=4500)).outcome is Outcome.TIMED_OUT


def test_what_detective_does_not_know_is_waited_for_from_when_it_says_so() -> None:
    invited = a_membership(Status.INVITED, INV)
    accepted_late = invited.seen(
        Observation(ACCOUNT, Status.ACCEPTED_BUT_DISABLED, "ACCEPTED_BUT_DISABLED"),
        NOW + 13 * 86400,
    )

    def decided(after: float) -> Outcome | None:
        return decide(at_service(DT, accepted_late), circumstances(after)).outcome

    assert decided(15 * 86400 - 1) is None
    assert decided(15 * 86400) is Outcome.TIMED_OUT


def guardduty(status: Status, outcome: Outcome | None, after: float = 0) -> Membership:
    """GuardDuty's membership of the account, ended ``after`` seconds."""
    membership = a_membership(status)
    if outcome is None:
        return membership
    reason = None if outcome is Outcome.ENABLED else Reason(ReasonCode.RESIGNED, "it left")
    return membership.settled(outcome, reason, NOW + after)


def volume_unknown(*restarts: float, mode: Mode = ORG) -> Membership:
    """A member whose volume Detective does not know, restarted at these times."""
    status, detail = Status.ACCEPTED_BUT_DISABLED, "VOLUME_UNKNOWN"
    membership = at_service(DT, a_membership(status, mode, detail=detail))
    for at in restarts:
        membership = tried(membership, Action.RESTART, at=NOW + at)
    return membership


def test_detective_is_restarted_at_once_when_guardduty_has_ended() -> None:
    membership = volume_unknown(0, 120, 240, 360, 540, 810)
    comes = {ACCOUNT: guardduty(Status.ENABLED, Outcome.ENABLED, after=900)}

    before = decide(
        membership, circumstances(899, awaited={ACCOUNT: guardduty(Status.INVITED, None)})
    )
    after = decide(membership, circumstances(900, awaited=comes))

    assert before == Decision(Action.WAIT, until=NOW + 1215)
    assert after == Decision(Action.RESTART)


def test_what_guardduty_waits_for_detective_waits_for_too_and_then_for_its_own_time() -> None:
    membership = volume_unknown(0, mode=INV)

    def decided(awaited: Membership, after: float) -> Outcome | None:
        rests_on = circumstances(after, awaited={ACCOUNT: awaited})
        return decide(membership, rests_on).outcome

    assert decided(guardduty(Status.INVITED, None), 5 * 86400) is None
    # In any case no longer than the invitation and the volume may take together.
    assert decided(guardduty(Status.INVITED, None), 16 * 86400) is Outcome.TIMED_OUT
    enabled = guardduty(Status.ENABLED, Outcome.ENABLED, after=5 * 86400)
    assert decided(enabled, 7 * 86400 - 1) is None
    assert decided(enabled, 7 * 86400) is Outcome.TIMED_OUT


@pytest.mark.parametrize("status", sorted(Status))
@pytest.mark.parametrize("mode", [ORG, INV])
def test_where_guardduty_is_skipped_detective_is_skipped_unless_it_is_enabled(
    status: Status, mode: Mode
) -> None:
    reason = Reason(ReasonCode.MANAGEMENT_ACCOUNT, "GuardDuty is not on there; to do: enable it")
    skipped = {ACCOUNT: a_membership().settled(Outcome.SKIPPED, reason, NOW)}

    decision = decide(at_service(DT, a_membership(status, mode)), circumstances(awaited=skipped))

    if status is Status.ENABLED:
        assert decision == Decision(Action.STOP, Outcome.ALREADY_ENABLED)
    else:
        assert (decision.action, decision.outcome) == (Action.STOP, Outcome.SKIPPED)
        assert decision.reason == Reason(
            ReasonCode.PREREQUISITE,
            "Detective needs GuardDuty. GuardDuty in eu-west-1 was skipped: GuardDuty is not on"
            " there; to do: enable GuardDuty for the account, and start again",
        )


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.TIMED_OUT])
def test_where_guardduty_did_not_come_detective_is_restarted_once_and_then_given_up(
    outcome: Outcome,
) -> None:
    failed = {ACCOUNT: guardduty(Status.RESIGNED, outcome, after=1000)}

    def decided(membership: Membership, after: float) -> Decision:
        return decide(membership, circumstances(after, awaited=failed))

    assert decided(volume_unknown(810), 1000) == Decision(Action.RESTART)
    restarted = volume_unknown(810, 1000)
    assert decided(restarted, 1001) == Decision(Action.WAIT, until=NOW + 1120)
    given_up = decided(restarted, 1120)
    assert given_up.outcome is Outcome.FAILED
    assert given_up.reason is not None
    assert given_up.reason.code is ReasonCode.GUARDDUTY
    assert f"GuardDuty in eu-west-1 {outcome}: it left" in given_up.reason.text


@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.UNKNOWN, Verdict.UNANSWERED])
def test_detective_is_not_given_up_by_a_restart_that_was_not_carried_out(verdict: Verdict) -> None:
    failed = {ACCOUNT: guardduty(Status.RESIGNED, Outcome.FAILED, after=1000)}
    restarted = tried(volume_unknown(810), Action.RESTART, verdict, at=NOW + 1000)
    due = 120 if verdict is Verdict.UNANSWERED else 15

    decision = decide(restarted, circumstances(1001, awaited=failed))

    assert decision == Decision(Action.WAIT, until=NOW + 1000 + due)
    later = circumstances(1000 + due, awaited=failed)
    assert decide(restarted, later) == Decision(Action.RESTART)


@pytest.mark.parametrize("read_at", [0, 5000])
def test_a_restart_that_failed_is_tried_again_by_the_later_of_the_status_and_guarddutys_end(
    read_at: float,
) -> None:
    failed = {ACCOUNT: guardduty(Status.RESIGNED, Outcome.FAILED, after=1000)}
    unknown = a_membership(Status.ACCEPTED_BUT_DISABLED, at=NOW + read_at, detail="VOLUME_UNKNOWN")
    restarted = tried(at_service(DT, unknown), Action.RESTART, Verdict.RETRY, at=NOW + 9000)

    decision = decide(restarted, circumstances(9001, awaited=failed))

    assert decision.until == NOW + 9000 + (9000 - max(read_at, 1000)) / 8


@pytest.mark.parametrize(
    "awaited",
    [
        a_membership(Status.INVITED).settled(
            Outcome.FAILED, Reason(ReasonCode.OTHER_ADMINISTRATOR, "another has it"), NOW
        ),
        a_membership(Status.ENABLED).settled(Outcome.ENABLED, None, NOW),
    ],
    ids=["another administrator's", "enabled"],
)
def test_detective_is_not_given_up_where_guardduty_may_be_on_or_come_yet(
    awaited: Membership,
) -> None:
    rests_on = circumstances(2 * 86400 - 1, awaited={ACCOUNT: awaited})

    assert decide(volume_unknown(0), rests_on).outcome is None


@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.ABSENT])
def test_one_odd_reading_does_not_end_what_detective_is_waited_for(status: Status) -> None:
    odd = volume_unknown(0).seen(Observation(ACCOUNT, status, str(status)), NOW + 20 * 3600)

    assert decide(odd, circumstances(20 * 3600)).outcome is None


def test_a_member_that_was_removed_and_is_created_by_rollcall_is_invited() -> None:
    """It was invited before: that invitation is not one that was declined."""
    removed = a_membership(Status.INVITED, INV).seen(
        Observation(ACCOUNT, Status.REMOVED, "Removed"), NOW + 60
    )
    created = tried(removed, Action.CREATE, at=NOW + 60).seen(
        Observation(ACCOUNT, Status.CREATED, "Created"), NOW + 75
    )

    assert decide(created, circumstances(75)) == Decision(Action.INVITE)


def test_an_invitation_that_no_reading_saw_is_gone_as_well() -> None:
    verified = tried(a_membership(Status.ABSENT, INV), Action.CREATE).seen(
        Observation(ACCOUNT, Status.VERIFYING, "VERIFICATION_IN_PROGRESS"), NOW + 15
    )
    gone = verified.seen(Observation(ACCOUNT, Status.ABSENT, "Absent"), NOW + 60)

    decision = decide(at_service(DT, gone), circumstances(60 + GONE_SECONDS))

    assert decision.outcome is Outcome.FAILED
    assert decision.reason is not None
    assert decision.reason.code is ReasonCode.DECLINED


def test_a_removed_member_is_invited_though_creating_it_was_answered_in_unknown_words() -> None:
    created = tried(a_membership(Status.REMOVED, INV), Action.CREATE, Verdict.UNKNOWN)

    assert due_after(created, Action.INVITE) == 120


def test_what_the_facts_do_not_say_is_not_claimed_of_a_disabled_region() -> None:
    """A Region that needs opting in, of which nobody could say whether the account has it."""
    disabled = tried(a_membership(Status.ABSENT, INV), Action.CREATE).seen(
        Observation(ACCOUNT, Status.REGION_DISABLED, "RegionDisabled"), NOW + 15
    )

    decision = decide(disabled, circumstances(15))

    assert decision.outcome is Outcome.FAILED
    assert "enabled when the run began" not in str(decision.reason)


def test_an_invitation_that_is_gone_is_waited_for_a_while_and_not_sent_again() -> None:
    created = tried(a_membership(Status.ABSENT, INV), Action.CREATE)
    invited = created.seen(Observation(ACCOUNT, Status.INVITED, "Invited"), NOW + 15)
    gone = invited.seen(Observation(ACCOUNT, Status.ABSENT, "Absent"), NOW + 60)

    before = decide(at_service(DT, gone), circumstances(60))
    after = decide(at_service(DT, gone), circumstances(60 + GONE_SECONDS))

    assert before == Decision(Action.WAIT, until=NOW + 60 + GONE_SECONDS)
    assert after.outcome is Outcome.FAILED
    assert after.reason is not None
    assert after.reason.code is ReasonCode.DECLINED
    assert "INVITED" in after.reason.text.upper()


def test_a_member_the_administrator_disassociated_is_created_and_then_invited_if_it_still_is() -> (
    None
):
    removed = a_membership(Status.REMOVED, INV)
    created = tried(removed, Action.CREATE, Verdict.BENIGN)
    invited = tried(created, Action.INVITE, at=NOW + 120)

    assert decide(removed, circumstances()).action is Action.CREATE
    assert due_after(created, Action.INVITE) == 120
    assert decide(invited, circumstances(13 * 86400)) == Decision(Action.WAIT)
    ended = decide(invited, circumstances(14 * 86400))
    assert ended.reason is not None
    assert ended.reason.code is ReasonCode.REMOVED
    assert "DeleteMembers" in ended.reason.text


@pytest.mark.parametrize(
    ("status", "facts"),
    [
        (Status.ACCOUNT_SUSPENDED, {}),
        (Status.REGION_DISABLED, {"opted_in": frozenset({ACCOUNT})}),
    ],
)
def test_what_the_facts_say_has_healed_is_created_again_until_it_helps(
    status: Status, facts: dict[str, Any]
) -> None:
    membership = a_membership(status)
    at, tries = 0.0, 0
    while (decision := decide(membership, circumstances(after=at, **facts))).outcome is None:
        if decision.action is Action.CREATE:
            membership, tries = tried(membership, Action.CREATE, at=NOW + at), tries + 1
        at += 10

    assert 5 <= tries <= 15
    assert decision.outcome is Outcome.TIMED_OUT
    assert decision.reason is not None
    assert decision.reason.code in (ReasonCode.ACCOUNT_SUSPENDED, ReasonCode.REGION_DISABLED)


@pytest.mark.parametrize(("service", "action"), [(GD, Action.CREATE), (DT, Action.WAIT)])
def test_an_invited_account_whose_region_is_enabled_is_created_again_unless_that_invites(
    service: Service, action: Action
) -> None:
    membership = at_service(service, a_membership(Status.REGION_DISABLED, INV))

    assert decide(membership, circumstances(opted_in=frozenset({ACCOUNT}))).action is action


def test_a_timeout_gives_the_status_the_time_and_what_the_service_said_to_this_run() -> None:
    membership = tried(a_membership(), Action.INVITE, text="sent before", at=NOW - 60)
    membership = membership.taken("onboarding-2", INV, NOW)
    membership = membership.seen(Observation(ACCOUNT, Status.INVITED, "Invited"), NOW)
    membership = tried(
        membership, Action.ACCEPT, Verdict.RETRY, text="not allowed to assume the member role"
    )

    decision = decide(membership, circumstances(after=14 * 86400))

    assert decision.reason is not None
    assert decision.reason.code is ReasonCode.ACCEPTANCE_FAILED
    assert "Invited since 2027-01-15T08:00:00Z" in decision.reason.text
    assert "accept at 2027-01-15T08:00:00Z: not allowed to assume the member role" in (
        decision.reason.text
    )
    assert "sent before" not in decision.reason.text


@pytest.mark.parametrize(
    ("status", "fact"),
    [
        (Status.ACCOUNT_SUSPENDED, "Organizations said ACTIVE when the run began"),
        (Status.REGION_DISABLED, "it was enabled when the run began"),
    ],
)
def test_a_timeout_gives_the_fact_that_contradicts_the_status(status: Status, fact: str) -> None:
    later = circumstances(after=14 * 86400, opted_in=frozenset({ACCOUNT}))

    decision = decide(a_membership(status), later)

    assert decision.outcome is Outcome.TIMED_OUT
    assert decision.reason is not None
    assert fact in decision.reason.text


TIMING = Timing()


def automated(kind: Automatic, status: Status = Status.ABSENT) -> Membership:
    return a_membership(status).told(Automation(kind, "what it does"), NOW)


@pytest.mark.parametrize(
    ("kind", "recent", "due"),
    [
        (Automatic.NEW, True, TIMING.auto_enable),
        (Automatic.NEW, False, 0),
        (Automatic.ALL, True, TIMING.auto_enable),
        (Automatic.ALL, False, TIMING.auto_enable),
        (Automatic.UNASSOCIATED, True, TIMING.auto_enable),
        (Automatic.UNASSOCIATED, False, TIMING.auto_enable),
        (Automatic.NONE, True, 0),
        (Automatic.UNKNOWN, True, 0),
    ],
)
def test_a_service_that_enrols_by_itself_has_its_time_before_the_member_is_created(
    kind: Automatic, recent: bool, due: float
) -> None:
    accounts = frozenset({ACCOUNT} if recent else ())

    before = decide(automated(kind), circumstances(due - 1, recent=accounts))
    then = decide(automated(kind), circumstances(due, recent=accounts))

    if due:
        assert before == Decision(Action.WAIT, until=NOW + due)
    assert then.action is Action.CREATE


def test_what_was_created_already_is_not_left_to_the_service_again() -> None:
    created = tried(automated(Automatic.ALL), Action.CREATE, Verdict.RETRY)

    assert decide(created, circumstances(15)).action is Action.CREATE


@pytest.mark.parametrize("status", [Status.ABSENT, Status.DELETED, Status.REMOVED, Status.CREATED])
def test_an_account_under_a_policy_is_left_to_it_for_its_time(status: Status) -> None:
    membership = automated(Automatic.POLICY, status)
    last = decide(membership, circumstances(TIMING.policy_deadline - 1))
    ended = decide(membership, circumstances(TIMING.policy_deadline))

    assert last.action is Action.WAIT
    assert ended.outcome is Outcome.TIMED_OUT
    assert ended.reason is not None
    assert ended.reason.code is ReasonCode.POLICY_NOT_APPLIED
    assert "what it does" in ended.reason.text


@pytest.mark.parametrize(
    ("kind", "outcome", "code"),
    [
        (Automatic.LEFT_OUT, Outcome.SKIPPED, ReasonCode.LEFT_OUT_BY_POLICY),
        (Automatic.NOT_DELEGATED, Outcome.FAILED, ReasonCode.NOT_DELEGATED),
    ],
)
def test_what_the_service_will_not_do_ends_at_once(
    kind: Automatic, outcome: Outcome, code: ReasonCode
) -> None:
    for status in set(Status) - {Status.ENABLED}:
        decision = decide(automated(kind, status), circumstances())

        assert decision.outcome is outcome
        assert decision.reason is not None
        assert (decision.reason.code, "what it does" in decision.reason.text) == (code, True)


def test_the_time_of_a_service_counts_from_when_the_run_took_the_membership() -> None:
    """Detective's has passed when GuardDuty is enrolled."""
    held = a_membership(Status.ABSENT, at=NOW + 600, taken_at=NOW)
    read = at_service(DT, held.told(Automation(Automatic.NEW, "auto-enable NEW"), NOW + 600))
    recent = frozenset({ACCOUNT})

    assert decide(read, circumstances(600, recent=recent)).action is Action.CREATE


def test_what_an_earlier_run_created_is_left_to_the_service_first_when_the_account_returns() -> (
    None
):
    created = tried(a_membership(Status.ABSENT), Action.CREATE, at=NOW - 86400)
    returned = created.taken("onboarding-2", Mode.ORGANIZATION, NOW)
    returned = returned.seen(Observation(ACCOUNT, Status.REMOVED, "Removed"), NOW)
    returned = returned.told(Automation(Automatic.NEW, "auto-enable NEW"), NOW)
    recent = frozenset({ACCOUNT})

    assert decide(returned, circumstances(0, recent=recent)).until == NOW + TIMING.auto_enable


@pytest.mark.parametrize("status", [Status.ABSENT, Status.DELETED, Status.REMOVED, Status.CREATED])
def test_where_policies_cannot_be_read_nothing_is_created_and_the_reason_says_so(
    status: Status,
) -> None:
    membership = automated(Automatic.POLICY_UNKNOWN, status)
    last = decide(membership, circumstances(TIMING.organization_deadline - 1))
    ended = decide(membership, circumstances(TIMING.organization_deadline))

    assert last.action is Action.WAIT
    assert ended.outcome is Outcome.TIMED_OUT
    assert ended.reason is not None
    assert ended.reason.code is ReasonCode.POLICY_UNREADABLE
    assert "what it does" in ended.reason.text


def test_an_account_that_its_policy_lets_go_late_has_the_time_of_any_other_from_then_on() -> None:
    late = 20 * 3600
    freed = automated(Automatic.POLICY).told(Automation(Automatic.NONE, "self-managed"), NOW + late)

    assert decide(freed, circumstances(late)).action is Action.CREATE
    last = circumstances(late + TIMING.organization_deadline - 1)
    assert decide(freed, last).outcome is None
    ended = circumstances(late + TIMING.organization_deadline)
    assert decide(freed, ended).outcome is Outcome.TIMED_OUT


@pytest.mark.parametrize(
    ("known", "found", "then"),
    [
        (Automatic.POLICY, Automatic.UNKNOWN, Automatic.POLICY),
        (Automatic.POLICY, Automatic.POLICY_UNKNOWN, Automatic.POLICY),
        (Automatic.POLICY_UNKNOWN, Automatic.UNKNOWN, Automatic.POLICY_UNKNOWN),
        (Automatic.NONE, Automatic.UNKNOWN, Automatic.NONE),
        (Automatic.NONE, Automatic.POLICY_UNKNOWN, Automatic.POLICY_UNKNOWN),
        (Automatic.POLICY, Automatic.NONE, Automatic.NONE),
        (Automatic.NONE, Automatic.LEFT_OUT, Automatic.LEFT_OUT),
    ],
)
def test_a_reading_that_failed_replaces_nothing_that_was_read(
    known: Automatic, found: Automatic, then: Automatic
) -> None:
    after = automated(known).told(Automation(found, "a later reading"), NOW + 60).automation

    assert after is not None
    assert after.kind is then


@pytest.mark.parametrize("kind", Automatic, ids=str)
def test_an_enabled_membership_is_enabled_whatever_the_service_does(kind: Automatic) -> None:
    decision = decide(automated(kind, Status.ENABLED), circumstances())

    assert decision.outcome is Outcome.ALREADY_ENABLED
