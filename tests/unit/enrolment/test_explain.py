"""A reason says what is, since when, what was tried last, and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.enrolment.account import Mode
from functions.enrolment.automation import Automatic, Automation
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    CredentialsRefused,
    ServiceRefused,
)
from functions.enrolment.explain import (
    as_found,
    explain,
    reason_code_of,
    refused,
    waiting_for,
    why_ended,
)
from functions.enrolment.membership import Action, Answer, Observation, Outcome, Status, Verdict
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.target import Target
from functions.enrolment.times import iso
from functions.services import registry
from tests.support.builders import ACCOUNT, EMAIL, NOW, a_membership, tried

if TYPE_CHECKING:
    from functions.enrolment.errors import Permanent
    from functions.enrolment.membership import Membership

ORG, INV = Mode.ORGANIZATION, Mode.INVITATION
LEFT_OUT = Automation(Automatic.LEFT_OUT, "policy p-1")
DETECTIVE = Target(registry.DETECTIVE, "eu-west-1")
# Of a membership that was read in one status only.
CODES = {
    Status.ABSENT: {ORG: "not-created", INV: "not-created"},
    Status.CREATED: {ORG: "left-half-way", INV: "not-invited"},
    Status.INVITED: {ORG: "left-half-way", INV: "not-accepted"},
    Status.VERIFYING: {ORG: "being-verified", INV: "being-verified"},
    Status.VERIFICATION_FAILED: {ORG: "not-verified", INV: "wrong-email"},
    Status.DISABLED: {ORG: "monitoring-off", INV: "monitoring-off"},
    Status.PAUSED: {ORG: "monitoring-off", INV: "monitoring-off"},
    Status.ACCEPTED_BUT_DISABLED: {ORG: "volume-unknown", INV: "volume-unknown"},
    Status.REMOVED: {ORG: "not-created", INV: "removed"},
    Status.RESIGNED: {ORG: "resigned", INV: "resigned"},
    Status.DELETED: {ORG: "not-created", INV: "not-created"},
    Status.REGION_DISABLED: {ORG: "region-disabled", INV: "region-disabled"},
    Status.ACCOUNT_SUSPENDED: {ORG: "account-suspended", INV: "account-suspended"},
    Status.MANAGEMENT_NOT_ENABLED: {
        ORG: "management-account-not-enabled",
        INV: "management-account-not-enabled",
    },
    Status.UNKNOWN: {ORG: "unreadable", INV: "unreadable"},
}


def seen(*statuses: str, mode: Mode = INV) -> Membership:
    """A membership that was read in these statuses, one an hour from ``NOW``."""
    membership = a_membership(mode=mode)
    for hour, status in enumerate(statuses):
        observation = Observation(ACCOUNT, Status(status.title()), status)
        membership = membership.seen(observation, NOW + hour * 3600)
    return membership


def code(membership: Membership, awaited: Membership | None = None) -> str:
    return waiting_for(membership, awaited).code


def test_every_status_but_enabled_has_its_code_in_either_mode() -> None:
    statuses = set(Status) - {Status.ENABLED}

    assert {s: {m: code(a_membership(s, m)) for m in Mode} for s in statuses} == CODES


def test_what_was_never_read_says_so() -> None:
    assert code(a_membership()) == "not-read"


@pytest.mark.parametrize(
    ("membership", "expected"),
    [
        pytest.param(seen("Invited", "Absent"), "invitation-declined", id="declined"),
        pytest.param(seen("Invited", "Deleted"), "invitation-declined", id="deleted"),
        pytest.param(seen("Invited", "Created"), "invitation-declined", id="back to Created"),
        pytest.param(seen("INVITED", "Absent"), "invitation-declined", id="another spelling"),
        pytest.param(
            seen("Removed", "Invited", "Absent"), "invitation-declined", id="once removed"
        ),
        pytest.param(seen("Invited", "Removed", "Absent"), "not-created", id="removed since"),
        pytest.param(seen("Created", "Invited"), "not-accepted", id="invited now"),
        pytest.param(seen("Absent", "Created"), "not-invited", id="never invited"),
        pytest.param(seen("Invited", "Absent", mode=ORG), "not-created", id="of the organisation"),
        pytest.param(seen("Absent", "Created", mode=ORG), "not-enabled", id="by Rollcall"),
        pytest.param(seen("Created", "Absent", "Created", mode=ORG), "left-half-way", id="by hand"),
    ],
)
def test_what_was_before_tells_causes_apart(membership: Membership, expected: str) -> None:
    assert code(membership) == expected


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict.RETRY, "acceptance-failed"),
        (Verdict.UNKNOWN, "acceptance-failed"),
        (Verdict.UNANSWERED, "acceptance-failed"),
        (None, "acceptance-failed"),
        (Verdict.TAKEN, "not-enabled"),
        (Verdict.BENIGN, "not-enabled"),
    ],
)
def test_an_invitation_that_rollcall_could_not_accept_is_not_one_that_nobody_accepted(
    verdict: Verdict | None, expected: str
) -> None:
    assert code(tried(seen("Invited"), Action.ACCEPT, verdict)) == expected


def test_a_status_that_rollcall_does_not_know_is_not_one_that_could_not_be_read() -> None:
    unknown = a_membership().seen(Observation(ACCOUNT, Status.UNKNOWN, "Archived"), NOW)
    unread = a_membership().seen(Observation(ACCOUNT, Status.UNKNOWN, "Unknown", "no rights"), NOW)

    assert (code(unknown), code(unread)) == ("unknown-status", "unreadable")
    assert "GuardDuty reports the status Archived, which" in waiting_for(unknown).text
    assert "whether the account is a member (no rights)" in waiting_for(unread).text


@pytest.mark.parametrize(
    ("before", "told"),
    [((), "(no rights)"), (("Created",), "(no rights; it was Created)")],
    ids=["never read", "read before"],
)
def test_what_could_not_be_read_is_told_with_the_last_status_that_was(
    before: tuple[str, ...], told: str
) -> None:
    """And not with what the service does by itself."""
    known = replace(seen(*before), automation=Automation(Automatic.NEW, "auto-enable NEW"))
    unread = known.seen(Observation(ACCOUNT, Status.UNKNOWN, "Unknown", "no rights"), NOW + 60)

    reason = waiting_for(unread)

    assert reason.code == "unreadable"
    assert told in reason.text


GUARDDUTY = {
    "none": None,
    "enabled": a_membership(Status.ENABLED).settled(Outcome.ENABLED, None, NOW),
    "already enabled": a_membership(Status.ENABLED).settled(Outcome.ALREADY_ENABLED, None, NOW),
    "invited": a_membership(Status.INVITED, INV),
    "failed": a_membership(Status.RESIGNED).settled(
        Outcome.FAILED, Reason(ReasonCode.RESIGNED, "it left"), NOW
    ),
    "skipped": a_membership().settled(
        Outcome.SKIPPED, Reason(ReasonCode.OUT_OF_SCOPE, "out of scope"), NOW
    ),
}


@pytest.mark.parametrize(
    ("guardduty", "expected", "text"),
    [
        ("none", "volume-unknown", "make sure that GuardDuty is enabled for it in eu-west-1"),
        ("enabled", "volume-unknown", "(VOLUME_UNKNOWN)"),
        ("already enabled", "volume-unknown", "(VOLUME_UNKNOWN)"),
        ("invited", "guardduty-not-enabled", "eu-west-1 waits: nobody has accepted the invitation"),
        ("failed", "guardduty-not-enabled", "GuardDuty in eu-west-1 failed: it left"),
        ("skipped", "prerequisite-skipped", "GuardDuty in eu-west-1 was skipped: out of scope"),
    ],
)
def test_detective_says_what_is_with_the_guardduty_that_it_needs(
    guardduty: str, expected: str, text: str
) -> None:
    membership = a_membership(
        Status.ACCEPTED_BUT_DISABLED, detail="VOLUME_UNKNOWN", target=DETECTIVE
    )

    reason = waiting_for(membership, GUARDDUTY[guardduty])

    assert reason.code == expected
    assert text in reason.text


def test_a_volume_that_is_too_high_has_nothing_to_do_with_guardduty() -> None:
    membership = a_membership(
        Status.ACCEPTED_BUT_DISABLED, detail="VOLUME_TOO_HIGH", target=DETECTIVE
    )

    assert code(membership, GUARDDUTY["failed"]) == "volume-too-high"


def test_a_reason_says_what_is_since_when_what_was_tried_last_and_what_to_do() -> None:
    membership = tried(seen("Created"), Action.CREATE, at=NOW + 60)
    membership = tried(
        membership, Action.INVITE, Verdict.RETRY, text="Internal error", at=NOW + 3600
    )

    assert waiting_for(membership) == Reason(
        ReasonCode.NOT_INVITED,
        "the account was created as a member, but GuardDuty shows no invitation;"
        " Created since 2027-01-15T08:00:00Z;"
        " last tried: invite at 2027-01-15T09:00:00Z: Internal error;"
        " to do: fix what the last try says, and start again",
    )


@pytest.mark.parametrize(
    ("membership", "awaited"),
    [
        (seen("Created"), "none"),
        (a_membership(mode=ORG, automation=LEFT_OUT), "none"),
        (a_membership(Status.ACCEPTED_BUT_DISABLED, detail="no", target=DETECTIVE), "failed"),
        (a_membership(Status.ACCEPTED_BUT_DISABLED, detail="no", target=DETECTIVE), "skipped"),
    ],
)
def test_a_single_reading_is_told_in_the_same_words_but_not_since_when(
    membership: Membership, awaited: str
) -> None:
    since = f"{membership.raw} since {iso(NOW, 'seconds')}"
    of_a_run = why_ended(membership, GUARDDUTY[awaited])

    reason = as_found(of_a_run.code, membership, GUARDDUTY[awaited])

    parts = of_a_run.text.split("; ")
    assert reason.text.split("; ") == [part for part in parts if part != since]


def test_a_reason_names_the_services_call_and_the_region() -> None:
    membership = a_membership(Status.RESIGNED, target=Target(registry.SECURITYHUB, "us-east-1"))

    assert waiting_for(membership).text == (
        "the member account left by itself, which Rollcall does not override; Resigned since"
        " 2027-01-15T08:00:00Z; to do: ask its owner; remove the member"
        " (securityhub DisassociateMembers in us-east-1 of the administrator account), and start"
        " again"
    )


@pytest.mark.parametrize(
    ("membership", "while_it_waits", "once_it_ended"),
    [
        (
            a_membership(Status.VERIFYING).seen(Observation(ACCOUNT, Status.CREATED, "C"), NOW),
            "start again if this run is over",
            "start again",
        ),
        (
            seen("Created", "Invited"),
            "accept it in eu-west-1 of the account; start again if this run is over",
            "accept it in eu-west-1 of the account, and start again",
        ),
    ],
    ids=["nothing else to do", "something to do first"],
)
def test_a_run_that_has_ended_is_not_spoken_of_as_if_it_might_go_on(
    membership: Membership, while_it_waits: str, once_it_ended: str
) -> None:
    assert str(waiting_for(membership)).endswith(f"; to do: {while_it_waits}")
    assert str(why_ended(membership)).endswith(f"; to do: {once_it_ended}")


@pytest.mark.parametrize(
    ("membership", "fact"),
    [
        (
            a_membership(Status.ACCOUNT_SUSPENDED),
            " (Organizations said ACTIVE when the run began)",
        ),
        (a_membership(Status.REGION_DISABLED), " (it was enabled when the run began)"),
        # Not the status is the reason.
        (a_membership(Status.ACCOUNT_SUSPENDED, automation=LEFT_OUT), ""),
    ],
    ids=["suspended", "a disabled Region", "left out by a policy"],
)
def test_a_status_that_facts_contradict_is_given_with_the_fact(
    membership: Membership, fact: str
) -> None:
    alone, contradicted = why_ended(membership), why_ended(membership, healed=True)

    assert contradicted.text.replace(fact, "", 1) == alone.text
    assert fact in contradicted.text
    assert contradicted.code is alone.code


def test_a_declined_invitation_says_when_the_last_one_was_there() -> None:
    membership = seen("Invited", "Absent", "Invited", "Absent")

    assert "deleted the member (Invited from 2027-01-15T10:00:00Z); Absent since" in str(
        waiting_for(membership)
    )


@pytest.mark.parametrize(
    ("verdict", "text", "told"),
    [
        (Verdict.TAKEN, "", "create at 2027-01-15T08:00:00Z: done; to do"),
        (Verdict.BENIGN, "already a member", "create at 2027-01-15T08:00:00Z: done before; to do"),
        (Verdict.RETRY, "Rate exceeded", "create at 2027-01-15T08:00:00Z: Rate exceeded; to do"),
        (Verdict.UNKNOWN, "what", "create at 2027-01-15T08:00:00Z: what; to do"),
        (Verdict.UNANSWERED, "timed out", "create at 2027-01-15T08:00:00Z: timed out; to do"),
        (None, "", "create at 2027-01-15T08:00:00Z: no answer; to do"),
    ],
)
def test_the_last_try_is_told_with_what_came_of_it(
    verdict: Verdict | None, text: str, told: str
) -> None:
    membership = tried(a_membership(Status.ABSENT), Action.CREATE, verdict, text=text)

    assert f"; last tried: {told}" in waiting_for(membership).text


def test_of_several_actions_the_last_is_told() -> None:
    invited = tried(a_membership(Status.ABSENT), Action.INVITE, at=NOW)
    membership = tried(invited, Action.CREATE, Verdict.RETRY, text="slow down", at=NOW + 60)

    reason = waiting_for(membership).text

    assert "; last tried: create at 2027-01-15T08:01:00Z: slow down;" in reason
    assert reason.endswith("; to do: fix what the last try says, and start again")


@pytest.mark.parametrize(
    ("membership", "to_do"),
    [
        (seen("Created"), "start again"),
        (tried(seen("Created"), Action.INVITE), "start again, or ask AWS Support"),
        (
            tried(seen("Created"), Action.INVITE, Verdict.RETRY, text="slow down"),
            "fix what the last try says, and start again",
        ),
    ],
    ids=["nothing", "with success", "without success"],
)
def test_what_to_do_depends_on_what_was_tried(membership: Membership, to_do: str) -> None:
    assert waiting_for(membership).text.endswith(f"; to do: {to_do}")


def test_without_further_detail_the_reason_has_no_brackets() -> None:
    reason = explain(ReasonCode.NOT_DELEGATED, a_membership())

    assert reason.text.startswith(
        "the administrator account is not the delegated administrator of GuardDuty in eu-west-1;"
    )


def test_what_only_an_earlier_run_tried_is_not_told() -> None:
    before = tried(a_membership(Status.ABSENT), Action.CREATE)
    membership = before.taken("onboarding-2", ORG, NOW).seen(
        Observation(ACCOUNT, Status.ABSENT, "Absent"), NOW
    )

    assert "last tried" not in waiting_for(membership).text


def test_an_answer_that_ends_a_membership_is_told_once() -> None:
    answer = Answer(Verdict.PERMANENT, "the quota is 5000", ReasonCode.MEMBER_LIMIT)
    membership = a_membership(Status.ABSENT).begun(Action.CREATE, NOW)
    membership = membership.answered(Action.CREATE, answer, NOW)

    assert refused(membership, answer) == Reason(
        ReasonCode.MEMBER_LIMIT,
        "the administrator has reached the limit of GuardDuty on members or data volume: the quota"
        " is 5000; Absent since 2027-01-15T08:00:00Z;"
        " last tried: create at 2027-01-15T08:00:00Z;"
        " to do: raise the quota or delete members, and start again",
    )


@pytest.mark.parametrize(
    "code",
    [
        ReasonCode.ACCESS_DENIED,
        ReasonCode.ACCOUNT_SUSPENDED,
        ReasonCode.EMAIL_UNUSABLE,
        ReasonCode.MANAGEMENT_ACCOUNT,
        ReasonCode.OTHER_ADMINISTRATOR,
        ReasonCode.REFUSED,
    ],
)
def test_whatever_ends_a_membership_the_words_of_the_service_are_told_once(
    code: ReasonCode,
) -> None:
    answer = Answer(Verdict.PERMANENT, "The words.", code)
    membership = a_membership(Status.ABSENT).begun(Action.CREATE, NOW)
    membership = membership.answered(Action.CREATE, answer, NOW)

    text = f" {refused(membership, answer)}"

    assert text.count("The words.") == 1


def test_an_answer_that_ends_a_membership_without_a_code_is_a_refusal() -> None:
    assert refused(a_membership(), Answer(Verdict.PERMANENT, "no")).code == "refused"


def test_what_does_not_last_says_neither_since_when_nor_what_was_tried() -> None:
    membership = tried(a_membership(Status.ABSENT), Action.CREATE)

    reason = explain(ReasonCode.OUT_OF_SCOPE, membership, "the configuration excludes it")

    assert reason.text == (
        "out of scope: the configuration excludes it; to do: change the configuration's scope if"
        " the account is to be enrolled"
    )


@given(st.sampled_from(ReasonCode), st.emails(), st.text())
def test_no_reason_tells_an_address(code: ReasonCode, email: str, text: str) -> None:
    said = f"{text} {email} {text}"
    membership = a_membership(Status.ABSENT, detail=said)
    membership = tried(membership, Action.CREATE, Verdict.UNKNOWN, text=f"for {email}")

    assert email not in explain(code, membership, said).text
    assert email not in waiting_for(membership, membership).text


def test_an_address_is_left_out_and_the_rest_stays() -> None:
    reason = explain(ReasonCode.REFUSED, a_membership(), f"<{EMAIL}> is not right")

    assert reason.text.startswith("the service refused the request: <(e-mail)> is not right; ")


@pytest.mark.parametrize(
    ("error", "region", "expected"),
    [
        (CredentialsRefused("no"), "me-south-1", "administrator-region-not-enabled"),
        (CredentialsRefused("no"), "eu-west-1", "access-denied"),
        (AccessDenied("no"), "me-south-1", "access-denied"),
        (AdministratorNotReady("no"), "me-south-1", "administrator-not-ready"),
        (ServiceRefused("no"), "me-south-1", "refused"),
    ],
)
def test_an_error_on_a_call_has_its_code(error: Permanent, region: str, expected: str) -> None:
    assert reason_code_of(error, region) == expected
