from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from functions.enrolment.account import Mode
from functions.enrolment.configuration import Timing
from functions.enrolment.decide import decide, duration
from functions.enrolment.membership import Action, Answer, Outcome, Status, Verdict
from functions.enrolment.target import ServiceName
from tests.support.builders import NOW, a_membership, circumstances

if TYPE_CHECKING:
    from functions.enrolment.membership import Membership

SH, GD, DT = ServiceName.SECURITYHUB, ServiceName.GUARDDUTY, ServiceName.DETECTIVE
ORG, INV = Mode.ORGANIZATION, Mode.INVITATION
TAKEN = Answer(Verdict.TAKEN)
LATER = Answer(Verdict.RETRY, "Internal error")


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
        (GD, INV, Status.REMOVED, Action.INVITE),
        (SH, INV, Status.REMOVED, Action.STOP),
        (GD, ORG, Status.DISABLED, Action.RESTART),
        (SH, ORG, Status.DISABLED, Action.WAIT),
        (DT, ORG, Status.ACCEPTED_BUT_DISABLED, Action.RESTART),
        (GD, ORG, Status.UNKNOWN, Action.WAIT),
        (GD, ORG, Status.PAUSED, Action.WAIT),
        (SH, ORG, Status.ENABLED, Action.STOP),
        (SH, INV, Status.RESIGNED, Action.STOP),
        (GD, INV, Status.VERIFICATION_FAILED, Action.STOP),
        (GD, ORG, Status.ACCOUNT_SUSPENDED, Action.STOP),
        (GD, ORG, Status.REGION_DISABLED, Action.STOP),
        (GD, ORG, Status.MANAGEMENT_NOT_ENABLED, Action.STOP),
    ],
)
def test_first_decision_for_every_status(
    service: ServiceName, mode: Mode, status: Status, action: Action
) -> None:
    decision = decide(a_membership(status, mode), circumstances(service))

    assert decision.action is action


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (Status.ENABLED, Outcome.ALREADY_ENABLED, None),
        (Status.RESIGNED, Outcome.FAILED, "left by itself"),
        (Status.VERIFICATION_FAILED, Outcome.FAILED, "e-mail address"),
        (Status.ACCOUNT_SUSPENDED, Outcome.FAILED, "suspended"),
        (Status.REGION_DISABLED, Outcome.FAILED, "opt the account in"),
        (Status.MANAGEMENT_NOT_ENABLED, Outcome.SKIPPED, "management account"),
    ],
)
def test_a_status_that_ends_a_membership_says_why(
    status: Status, outcome: Outcome, reason: str | None
) -> None:
    decision = decide(a_membership(status), circumstances())

    assert decision.outcome is outcome
    assert (decision.reason is None) if reason is None else (reason in (decision.reason or ""))


def test_enabled_by_this_onboarding_is_not_called_already_enabled() -> None:
    before = a_membership(Status.ABSENT).tried(Action.CREATE, TAKEN, NOW)

    decision = decide(a_membership(Status.ENABLED, attempts=before.attempts), circumstances())

    assert decision.outcome is Outcome.ENABLED


def test_a_member_is_accepted_only_where_a_member_role_is_configured() -> None:
    invited = a_membership(Status.INVITED, INV)

    assert decide(invited, circumstances(accepts=True)).action is Action.ACCEPT
    assert decide(invited, circumstances(accepts=False)).action is Action.WAIT


def test_a_reading_that_lags_behind_a_create_does_not_repeat_it_before_its_grace_time() -> None:
    created = a_membership(Status.ABSENT).tried(Action.CREATE, TAKEN, NOW)

    assert decide(created, circumstances(after=119)).action is Action.WAIT
    assert decide(created, circumstances(after=120)).action is Action.CREATE


def test_an_invitation_once_taken_is_never_sent_again() -> None:
    invited = a_membership(Status.CREATED, INV).tried(Action.INVITE, TAKEN, NOW)

    assert decide(invited, circumstances(after=86400)).action is Action.WAIT


def test_detective_outside_the_organisation_is_created_once_because_that_invites() -> None:
    outside = a_membership(Status.ABSENT, INV).tried(Action.CREATE, TAKEN, NOW)
    inside = a_membership(Status.ABSENT, ORG).tried(Action.CREATE, TAKEN, NOW)

    assert decide(outside, circumstances(DT, after=86400)).action is Action.WAIT
    assert decide(inside, circumstances(DT, after=600)).action is Action.CREATE


def test_what_may_heal_is_tried_again_and_then_fails_with_the_services_own_words() -> None:
    membership = a_membership(Status.ABSENT)
    for _ in range(Timing().most_attempts):
        assert decide(membership, circumstances()).action is Action.CREATE
        membership = membership.tried(Action.CREATE, LATER, NOW)

    decision = decide(membership, circumstances())

    assert (decision.outcome, decision.reason) == (Outcome.FAILED, "Internal error")


def test_an_invitation_rollcall_cannot_accept_is_left_to_the_accounts_owner() -> None:
    membership = a_membership(Status.INVITED, INV)
    for _ in range(Timing().most_attempts):
        membership = membership.tried(Action.ACCEPT, LATER, NOW)

    assert decide(membership, circumstances(accepts=True)).action is Action.WAIT


def test_an_organisation_account_somebody_left_created_is_created_again_after_the_grace_time() -> (
    None
):
    membership = a_membership(Status.CREATED, ORG)

    assert decide(membership, circumstances(after=119)).action is Action.WAIT
    assert decide(membership, circumstances(after=120)).action is Action.CREATE


def test_restarts_are_spread_over_the_time_allowed() -> None:
    restarted = a_membership(Status.ACCEPTED_BUT_DISABLED, detail="VOLUME_UNKNOWN").tried(
        Action.RESTART, TAKEN, NOW
    )

    assert decide(restarted, circumstances(DT, after=43199)).action is Action.WAIT
    assert decide(restarted, circumstances(DT, after=43200)).action is Action.RESTART


def test_a_volume_that_is_too_high_is_not_waited_for() -> None:
    membership = a_membership(Status.ACCEPTED_BUT_DISABLED, detail="VOLUME_TOO_HIGH")

    decision = decide(membership, circumstances(DT))

    assert decision.outcome is Outcome.FAILED
    assert "VOLUME_TOO_HIGH" in (decision.reason or "")


@pytest.mark.parametrize(
    ("membership", "service", "last_second"),
    [
        (a_membership(Status.VERIFYING, ORG), DT, 3600),
        (a_membership(Status.ACCEPTED_BUT_DISABLED, ORG), DT, 2 * 86400),
        (a_membership(Status.INVITED, INV), SH, 14 * 86400),
        (a_membership(Status.UNKNOWN, ORG), GD, 3600),
    ],
)
def test_each_mode_has_its_deadline(
    membership: Membership, service: ServiceName, last_second: int
) -> None:
    before = decide(membership, circumstances(service, after=last_second - 1))
    after = decide(membership, circumstances(service, after=last_second))

    assert before.outcome is None
    assert after.outcome is Outcome.TIMED_OUT


def test_the_time_of_an_account_that_was_held_back_counts_from_its_own_first_reading() -> None:
    held_back = a_membership(Status.VERIFYING, at=NOW + 900)

    assert decide(held_back, circumstances(after=3600)).outcome is None
    assert decide(held_back, circumstances(after=4500)).outcome is Outcome.TIMED_OUT


def test_a_timeout_tells_the_status_the_time_and_what_the_service_said() -> None:
    membership = a_membership(Status.INVITED, INV).tried(
        Action.ACCEPT, Answer(Verdict.RETRY, "not allowed to assume the member role"), NOW
    )

    decision = decide(membership, circumstances(after=14 * 86400))

    assert decision.reason == (
        "still Invited after 14 d; nobody accepted the invitation;"
        " accept: not allowed to assume the member role"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (3900, "1 h 5 min"), (1209600, "14 d"), (90061, "1 d 1 h")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
