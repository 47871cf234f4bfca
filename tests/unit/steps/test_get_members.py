"""A turn of the loop: what is read, what is written of it, and what is next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import Account, Mode
from functions.enrolment.automation import Automatic, Automation, auto_enable
from functions.enrolment.configuration import Invitation, Timing
from functions.enrolment.documents import loop_to_json
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    InvalidInput,
    Permanent,
    Retryable,
    ServiceRefused,
    ServiceUnavailable,
    Throttled,
)
from functions.enrolment.membership import Action, Outcome, Status
from functions.enrolment.ownership import LEASE_SECONDS
from functions.enrolment.plan import Plan
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.target import Target
from functions.services import registry
from functions.steps import get_members
from tests.support.builders import (
    ACCOUNT,
    NOW,
    OTHER,
    RUN,
    TARGET,
    a_loop,
    a_membership,
    tried,
)
from tests.unit.steps.support import Interrupted, Wired, begin, rows, run, the_record, wired

if TYPE_CHECKING:
    from functions.enrolment.account import AccountId
    from functions.enrolment.membership import Membership

LATER = NOW + 30
TIMING = Timing()
DAY = 86400
DETECTIVE = Target(registry.DETECTIVE, TARGET.region)
UNREAD, UNREAD_TOO = a_membership(), a_membership(account_id=OTHER)


def turn(wiring: Wired, *accounts: AccountId, **changes: Any) -> dict[str, Any]:
    """Get Members, for these accounts."""
    return run(get_members.handler, loop_to_json(a_loop(*accounts, **changes)), wiring)


def test_a_reading_is_written_with_what_is_due_and_the_accounts_it_concerns_are_next() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD, UNREAD_TOO)
    wiring.target.statuses = {OTHER: Status.ENABLED}

    document = turn(wiring, ACCOUNT, OTHER)

    found = rows(wiring)
    assert (found[ACCOUNT].status, found[ACCOUNT].due) == (Status.ABSENT, Action.CREATE)
    assert found[OTHER].outcome is Outcome.ALREADY_ENABLED
    assert (document["next"], document["acting"]) == ("create", [ACCOUNT])
    assert document["resource"] == "detector-1"


def test_only_what_changed_is_written() -> None:
    wiring = wired(now=LATER)
    waiting = a_membership(Status.VERIFYING, account_id=OTHER)
    begin(wiring, UNREAD, waiting.told(auto_enable("NONE"), NOW))
    wiring.target.statuses = {OTHER: Status.VERIFYING}

    turn(wiring, ACCOUNT, OTHER)

    assert {account: row.revision for account, row in rows(wiring).items()} == {
        ACCOUNT: 2,
        OTHER: 1,
    }


def test_the_first_reading_of_a_membership_that_the_table_does_not_know_is_written() -> None:
    wiring = wired(now=LATER)
    begin(wiring)

    turn(wiring)

    row = rows(wiring)[ACCOUNT]
    assert (row.onboarding_id, row.taken_at, row.revision) == (RUN, LATER, 1)


@pytest.mark.parametrize(
    ("before", "read"),
    [
        pytest.param(a_membership(), [OTHER], id="at work on it"),
        pytest.param(a_membership(onboarding_id="another"), [OTHER], id="another run at work"),
        pytest.param(a_membership(outcome=Outcome.FAILED), [ACCOUNT, OTHER], id="ended"),
        pytest.param(None, [ACCOUNT, OTHER], id="not known"),
    ],
)
def test_an_account_is_held_while_the_service_that_comes_first_is(
    before: Membership | None, read: list[AccountId]
) -> None:
    wiring = wired(now=LATER)
    held, other = (replace(each, target=DETECTIVE) for each in (UNREAD, UNREAD_TOO))
    begin(wiring, held, other, *([before] if before else []))

    document = turn(wiring, ACCOUNT, OTHER, target=DETECTIVE, waits_for=registry.GUARDDUTY)

    assert wiring.target.calls == [("observe", read)]
    assert document["acting"] == read


def test_where_all_are_held_nothing_is_read_and_no_resource_sought() -> None:
    wiring = wired(now=LATER)
    wiring.errors["resource"] = iter([AdministratorNotReady("no graph")])
    begin(wiring, UNREAD, replace(UNREAD, target=DETECTIVE))

    document = turn(wiring, target=DETECTIVE, waits_for=registry.GUARDDUTY)

    assert wiring.target.calls == []
    assert (document["next"], document["resource"]) == ("wait", None)
    assert document["wait_seconds"] > 0


def test_what_is_not_this_runs_is_neither_read_nor_written() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD, replace(UNREAD_TOO, onboarding_id="another"))

    document = turn(wiring, ACCOUNT, OTHER)

    assert wiring.target.calls == [("observe", [ACCOUNT])]
    assert document["acting"] == [ACCOUNT]
    assert rows(wiring)[OTHER].revision == 1


@pytest.mark.parametrize(
    ("accounts", "following", "acting"),
    [((ACCOUNT, OTHER), "create", [OTHER]), ((ACCOUNT,), "stop", [])],
)
def test_what_another_run_takes_meanwhile_is_left_to_it(
    accounts: tuple[AccountId, ...], following: str, acting: list[AccountId]
) -> None:
    interrupted = Interrupted()
    wiring = wired(interrupted, now=LATER)
    begin(wiring, UNREAD, UNREAD_TOO)
    taken = replace(UNREAD, revision=1).taken("another", UNREAD.mode, LATER)
    interrupted.between = lambda: wiring.ledger.write([taken], LATER)

    document = turn(wiring, *accounts)

    assert (document["next"], document["acting"]) == (following, acting)
    assert rows(wiring)[ACCOUNT] == replace(taken, revision=2)


def test_with_every_outcome_known_the_loop_stops_without_a_call() -> None:
    wiring = wired(now=LATER)
    begin(wiring, a_membership(outcome=Outcome.ENABLED, settled_at=NOW))

    assert turn(wiring)["next"] == "stop"
    assert wiring.target.calls == []


def test_the_loop_of_a_closed_run_stops_without_a_call() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD)
    wiring.ledger.close(RUN, "aborted", {}, NOW, lease_until=LATER + LEASE_SECONDS)
    before = dict(wiring.rows.items)

    assert turn(wiring)["next"] == "stop"
    assert wiring.target.calls == []
    assert wiring.rows.items == before


def test_the_loop_of_a_run_that_is_closed_meanwhile_stops_and_writes_nothing() -> None:
    interrupted = Interrupted()
    wiring = wired(interrupted, now=LATER)
    begin(wiring, UNREAD, lease_until=NOW)
    interrupted.between = lambda: wiring.ledger.close(RUN, "aborted", {}, NOW)

    document = turn(wiring)

    assert (document["next"], document["acting"]) == ("stop", [])
    assert rows(wiring)[ACCOUNT].revision == 1


def test_the_lease_outlasts_the_wait_and_the_step_after_it() -> None:
    wiring = wired(now=LATER)
    begin(wiring, a_membership(Status.VERIFYING), lease_until=LATER + LEASE_SECONDS)
    wiring.target.statuses = {ACCOUNT: Status.VERIFYING}
    wiring_later = replace(wiring, now=lambda: NOW + 3000)

    document = turn(wiring_later)

    assert document["wait_seconds"] == TIMING.longest_wait
    lease_until = the_record(wiring).lease_until
    assert lease_until == NOW + 3000 + TIMING.longest_wait + LEASE_SECONDS


def test_without_the_administrators_set_up_all_end_with_what_is_to_be_done() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD, UNREAD_TOO)
    wiring.errors["resource"] = iter([AdministratorNotReady("GuardDuty CreateDetector first")])

    assert turn(wiring, ACCOUNT, OTHER)["next"] == "stop"
    assert {row.reason for row in rows(wiring).values()} == {
        Reason(
            ReasonCode.ADMINISTRATOR_NOT_READY,
            "GuardDuty CreateDetector first; to do: make that call, and start again",
        )
    }


def test_the_administrators_resource_is_looked_up_by_the_first_of_all_runs_only() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD)

    documents = [turn(wiring), turn(wiring)]

    assert [document["resource"] for document in documents] == ["detector-1", "detector-1"]
    assert [service for service, _ in wiring.target.calls] == ["observe", "observe"]
    assert wiring.target.lookups == 1


def test_each_target_has_its_own_resource() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD, replace(UNREAD, target=DETECTIVE))
    turn(wiring)
    wiring.target.resource = "graph-1"

    assert turn(wiring, target=DETECTIVE)["resource"] == "graph-1"


@pytest.mark.parametrize("refuses", [AdministratorNotReady, ServiceRefused, AccessDenied])
@pytest.mark.parametrize("handed_on", [None, "detector-0"], ids=["remembered", "handed on"])
def test_a_resource_that_is_gone_is_looked_up_again(
    handed_on: str | None, refuses: type[Permanent]
) -> None:
    """In what words a service says so is not known of every service."""
    wiring = wired(now=LATER)
    wiring.target.refuses = refuses
    begin(wiring, UNREAD)
    wiring.ledger.persist_resource(TARGET, "detector-0")

    document = turn(wiring, resource=handed_on)

    assert (document["resource"], document["next"]) == ("detector-1", "create")
    assert wiring.ledger.read_with_onboarding(RUN, [], TARGET).resource == "detector-1"


def test_where_the_same_resource_is_found_again_the_service_says_that_it_is_not_set_up() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD)
    wiring.ledger.persist_resource(TARGET, "detector-1")
    wiring.target.gone = True

    assert turn(wiring)["next"] == "stop"
    assert (wiring.target.lookups, wiring.target.calls) == (1, [("observe", [ACCOUNT])])
    reason = rows(wiring)[ACCOUNT].reason
    assert reason is not None
    assert reason.code is ReasonCode.ADMINISTRATOR_NOT_READY


def test_where_nothing_can_be_looked_up_the_refusal_itself_is_the_reason() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD)
    wiring.ledger.persist_resource(TARGET, "detector-0")
    wiring.target.refuses = AccessDenied
    wiring.errors["resource"] = iter([Throttled("too many")])

    turn(wiring)

    reason = rows(wiring)[ACCOUNT].reason
    assert reason is not None
    assert reason.code is ReasonCode.ACCESS_DENIED


READ_BEFORE = a_membership(Status.VERIFYING)


@pytest.mark.parametrize(
    ("row", "since", "at", "following", "refused_since"),
    [
        pytest.param(READ_BEFORE, None, LATER, "wait", LATER, id="at first"),
        pytest.param(READ_BEFORE, NOW, LATER, "wait", NOW, id="still"),
        pytest.param(READ_BEFORE, NOW, NOW + TIMING.refusal - 1, "wait", NOW, id="to the last"),
        pytest.param(READ_BEFORE, NOW, NOW + TIMING.refusal, "stop", NOW, id="for too long"),
        pytest.param(UNREAD, None, LATER, "stop", LATER, id="never read"),
    ],
)
def test_readings_that_are_refused_are_waited_for_where_there_were_any_before(
    row: Membership, since: float | None, at: float, following: str, refused_since: float
) -> None:
    wiring = wired(now=at)
    begin(wiring, row)
    wiring.target.gone = True
    wiring.target.refuses = AccessDenied

    document = turn(wiring, resource="detector-1", refused_since=since)

    assert (document["next"], document["refused_since"]) == (following, refused_since)
    assert document["resource"] == "detector-1"
    ended = rows(wiring)[ACCOUNT]
    stopped = following == "stop"
    assert (ended.outcome is Outcome.FAILED) is stopped
    assert ("(so since " in str(ended.reason)) is (stopped and since is not None)
    if not stopped:
        assert 0 < document["wait_seconds"] <= refused_since + TIMING.refusal - at


def test_a_reading_after_refused_ones_counts_as_if_there_had_been_none() -> None:
    wiring = wired(now=LATER)
    begin(wiring, READ_BEFORE)

    assert turn(wiring, refused_since=NOW)["refused_since"] is None


@pytest.mark.parametrize("error", [Throttled, ServiceUnavailable])
def test_a_reading_that_may_heal_is_left_to_the_state_machine(error: type[Retryable]) -> None:
    wiring = wired(now=LATER)
    begin(wiring, READ_BEFORE)
    wiring.errors["resource"] = iter([error("later")])
    before = dict(wiring.rows.items)

    with pytest.raises(error):
        turn(wiring)
    assert wiring.rows.items == before


def test_a_dry_run_waits_for_no_other_service() -> None:
    wiring = wired(now=LATER)
    begin(wiring, a_membership(onboarding_id="another"), dry_run=True)

    turn(wiring, target=DETECTIVE, waits_for=registry.GUARDDUTY, dry_run=True)

    assert wiring.target.calls == [("observe", [ACCOUNT])]


def test_a_resource_with_which_nothing_can_be_read_is_not_remembered() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD)
    wiring.target.gone = True

    turn(wiring)

    assert wiring.ledger.read_with_onboarding(RUN, [], TARGET).resource is None


STUCK = tried(a_membership(Status.ACCEPTED_BUT_DISABLED, target=DETECTIVE), Action.RESTART)
OUT = a_membership().settled(Outcome.FAILED, Reason(ReasonCode.NOT_DELEGATED, "no delegate"), NOW)
PLAN = Plan((Account(ACCOUNT, None, Mode.ORGANIZATION),), (TARGET, DETECTIVE), (OUT,))


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(None, id="no row"),
        pytest.param(
            a_membership(onboarding_id="older", at=NOW - 90).settled(
                Outcome.FAILED, Reason(ReasonCode.RESIGNED, "it left"), NOW - 1
            ),
            id="an older run's row",
        ),
    ],
)
def test_detective_does_without_the_guardduty_that_the_plan_ended(row: Membership | None) -> None:
    wiring = wired(now=NOW + TIMING.grace)
    wiring.target.statuses = {ACCOUNT: Status.ACCEPTED_BUT_DISABLED}
    begin(wiring, STUCK, *([row] if row else []))
    wiring.ledger.persist_plan(the_record(wiring), PLAN)

    document = turn(wiring, target=DETECTIVE, waits_for=registry.GUARDDUTY)

    assert document["next"] == "stop"
    (ended,) = wiring.ledger.read([STUCK.key]).values()
    assert (ended.outcome, ended.reason and ended.reason.code) == (
        Outcome.FAILED,
        ReasonCode.GUARDDUTY,
    )
    assert "GuardDuty in eu-west-1 failed: no delegate;" in str(ended.reason)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(a_membership(Status.INVITED), id="at work on it"),
        pytest.param(
            a_membership(Status.ENABLED, onboarding_id="older").settled(
                Outcome.ENABLED, None, NOW - DAY
            ),
            id="enabled by an older run",
        ),
    ],
)
def test_detective_waits_for_the_guardduty_that_a_run_is_at_work_on_or_has_enabled(
    row: Membership,
) -> None:
    """Whatever the plan says, which is looked at for the other account."""
    wiring = wired(now=NOW + TIMING.grace)
    wiring.target.statuses = dict.fromkeys((ACCOUNT, OTHER), Status.ACCEPTED_BUT_DISABLED)
    stuck = replace(STUCK, taken_at=NOW - TIMING.hold)
    begin(wiring, stuck, replace(stuck, account_id=OTHER), row, started_at=NOW - TIMING.hold)
    wiring.ledger.persist_plan(the_record(wiring), PLAN)

    turn(wiring, ACCOUNT, OTHER, target=DETECTIVE, waits_for=registry.GUARDDUTY)

    assert wiring.ledger.read([STUCK.key])[STUCK.key].outcome is None


def test_a_dry_run_keeps_what_it_finds_beside_the_rows() -> None:
    wiring = wired(now=LATER)
    row = a_membership(Status.ENABLED, onboarding_id="another")
    begin(wiring, row, dry_run=True)

    document = turn(wiring, dry_run=True)

    findings = wiring.ledger.findings(RUN)
    assert findings is not None
    assert [m.reason for m in findings.own] == [
        Reason(ReasonCode.DRY_RUN, "dry run: would create (now Absent)")
    ]
    assert (document["next"], document["acting"]) == ("stop", [])
    assert rows(wiring)[ACCOUNT] == replace(row, revision=1)


@pytest.mark.parametrize(
    ("changes", "published", "following"),
    [
        pytest.param({"reports": True}, (), "report", id="for a while"),
        pytest.param({}, (), "wait", id="its definition has no such state"),
        pytest.param({"reports": True}, ("interim",), "wait", id="published before"),
    ],
)
def test_where_only_people_are_waited_for_that_is_reported_once(
    changes: dict[str, Any], published: tuple[str, ...], following: str
) -> None:
    wiring = wired(now=NOW + TIMING.longest_wait)
    begin(wiring, a_membership(Status.INVITED, Mode.INVITATION))
    wiring.target.statuses = {ACCOUNT: Status.INVITED}
    for channel in published:
        wiring.ledger.mark_published(RUN, channel, "1")

    assert turn(wiring, mode=Mode.INVITATION, **changes)["next"] == following


def test_a_report_comes_before_the_acceptance_that_is_due_and_does_not_put_it_off_again() -> None:
    accepts = Invitation(member_role="Member", external_id="id")
    wiring = wired(now=NOW + TIMING.longest_wait, invitation=accepts)
    begin(wiring, a_membership(Status.INVITED, Mode.INVITATION))
    wiring.target.statuses = {ACCOUNT: Status.INVITED}

    first = turn(wiring, mode=Mode.INVITATION, reports=True)
    second = run(get_members.handler, first, wiring)

    assert (first["next"], first["reported_at"]) == ("report", NOW + TIMING.longest_wait)
    assert second["next"] == "accept"


def test_a_document_that_is_no_targets_loop_is_refused() -> None:
    with pytest.raises(InvalidInput, match="this is no target's loop"):
        run(get_members.handler, {"onboarding_id": RUN}, wired())


def test_what_the_service_does_by_itself_is_asked_once_for_what_is_not_enabled() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD, UNREAD_TOO)
    wiring.target.statuses = {OTHER: Status.ENABLED}
    wiring.target.does = {ACCOUNT: auto_enable("ALL")}

    document = turn(wiring, ACCOUNT, OTHER)
    again = turn(wiring, ACCOUNT, OTHER)

    assert wiring.target.asked_automation == [[ACCOUNT]]
    assert rows(wiring)[ACCOUNT].automation == auto_enable("ALL")
    assert (document["next"], again["next"]) == ("wait", "wait")


def test_a_policy_is_asked_about_again_as_long_as_it_is_awaited() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD)
    for said in ("policy PENDING", "policy FAILED"):
        wiring.target.does = {ACCOUNT: Automation(Automatic.POLICY, said)}

        turn(wiring)

        assert rows(wiring)[ACCOUNT].automation == wiring.target.does[ACCOUNT]
    assert len(wiring.target.asked_automation) == 2


def test_an_invited_account_is_no_matter_of_the_organisations_configuration() -> None:
    wiring = wired(now=LATER)
    begin(wiring, replace(UNREAD, mode=Mode.INVITATION))

    turn(wiring, mode=Mode.INVITATION)

    assert wiring.target.asked_automation == []


def test_where_it_cannot_be_read_enrolment_goes_on_and_the_row_says_so() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD)
    wiring.errors["automation"] = iter([AccessDenied("not allowed")])

    document = turn(wiring)

    found = rows(wiring)[ACCOUNT].automation
    assert document["next"] == "create"
    assert found == Automation(
        Automatic.UNKNOWN, "what it does by itself could not be read: not allowed"
    )


@pytest.mark.parametrize(
    ("found", "following"),
    [
        (Automation(Automatic.POLICY, "policy-1 PENDING"), "wait"),
        (Automation(Automatic.POLICY_UNKNOWN, "denied"), "wait"),
        (Automation(Automatic.LEFT_OUT, "policy-1"), "stop"),
        (Automation(Automatic.NOT_DELEGATED, "no"), "stop"),
        (auto_enable("NONE"), "create"),
    ],
    ids=lambda each: getattr(each, "kind", each),
)
def test_before_a_member_is_created_it_is_asked_again(found: Automation, following: str) -> None:
    """A policy may be applied, or central configuration be switched on, while the run waits."""
    wiring = wired(now=LATER)
    waited = replace(a_membership(Status.CREATED, at=NOW - 3000), taken_at=NOW)
    begin(wiring, waited.told(auto_enable("NONE"), NOW - 3000))
    wiring.target.statuses = {ACCOUNT: Status.CREATED}
    wiring.target.does = {ACCOUNT: found}

    document = turn(wiring)

    assert document["next"] == following


def test_a_policy_that_cannot_be_read_any_more_is_still_left_to_the_service() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD)
    wiring.target.does = {ACCOUNT: Automation(Automatic.POLICY, "policy-1 PENDING")}
    turn(wiring)
    wiring.errors["automation"] = iter([AccessDenied("not allowed")])

    document = turn(wiring)

    assert document["next"] == "wait"
    assert rows(wiring)[ACCOUNT].automation == wiring.target.does[ACCOUNT]


def test_where_the_reading_may_succeed_later_the_step_is_tried_again() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD)
    wiring.errors["automation"] = iter([Throttled("slow down")])

    with pytest.raises(Throttled):
        turn(wiring)
    assert rows(wiring)[ACCOUNT].revision == 1


def test_a_region_that_is_not_delegated_ends_at_once_for_accounts_of_the_organisation() -> None:
    wiring = wired(now=LATER)
    begin(wiring, UNREAD, UNREAD_TOO)
    wiring.target.does = dict.fromkeys((ACCOUNT, OTHER), Automation(Automatic.NOT_DELEGATED, "no"))
    wiring.target.statuses = {OTHER: Status.ENABLED}

    document = turn(wiring, ACCOUNT, OTHER)

    ended = {account: row.outcome for account, row in rows(wiring).items()}
    assert document["next"] == "stop"
    assert ended == {ACCOUNT: Outcome.FAILED, OTHER: Outcome.ALREADY_ENABLED}
