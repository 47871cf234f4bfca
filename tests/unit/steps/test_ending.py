"""How a run ends: what is open is settled, the result is published once, the record is closed."""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import Account, Mode
from functions.enrolment.errors import AccessDenied, Throttled
from functions.enrolment.membership import STEP_SECONDS, Action, Outcome, Status
from functions.enrolment.ownership import LEASE_SECONDS
from functions.enrolment.plan import Plan
from functions.enrolment.results import Result
from functions.steps.ending import Ending, finish, publish
from tests.support.builders import ACCOUNT, NOW, OTHER, RUN, TARGET, a_membership
from tests.unit.steps.support import Interrupted, Wired, begin, rows, the_record, wired

if TYPE_CHECKING:
    from functions.aws.ledger import Findings

LATER = NOW + 60
DENIED, SLOWER = AccessDenied("SNS Publish: no"), Throttled("slower")
PLAN = Plan(tuple(Account(a, None, Mode.ORGANIZATION) for a in (ACCOUNT, OTHER)), (TARGET,))
ENABLED = a_membership(Status.ENABLED).settled(Outcome.ENABLED, None, NOW)


def a_result(wiring: Wired, **changes: Any) -> Result:
    """The result of a run as the table has it now."""
    return replace(Result(the_record(wiring), (ENABLED,), LATER), **changes)


def notes_of_events(wiring: Wired) -> list[list[str]]:
    return [document["notes"] for _, document in wiring.published.events]


def notes_of_messages(wiring: Wired) -> list[list[str]]:
    return [document["notes"] for _, _, document in wiring.published.messages]


def test_a_result_is_published_on_both_channels_and_says_where_all_of_it_is() -> None:
    wiring = wired()
    begin(wiring)

    assert publish(a_result(wiring), wiring) == {}

    [(kind, event)] = wiring.published.events
    [(subject, text, message)] = wiring.published.messages
    [(key, kept)] = wiring.kept.documents.items()
    assert kind == "Onboarding Completed"
    assert (subject, subject in text) == ("Rollcall: 1 account: 1 enabled", True)
    assert key == f"onboardings/{RUN}/{int(NOW)}-result.json"
    assert event == message == kept | {"complete_document": f"s3://results/{key}"}
    assert wiring.published.attributes == [
        {"kind": "onboarding", "outcome": "complete", "complete": "true", "source": "manual"}
    ]
    assert the_record(wiring).published == {"event": "e-1", "message": "m-1"}


def test_an_interim_result_is_an_event_of_its_own_kind_and_published_beside_the_final() -> None:
    wiring = wired()
    begin(wiring)

    publish(a_result(wiring, final=False), wiring)
    publish(a_result(wiring, final=False), wiring)
    publish(a_result(wiring), wiring)

    kinds = [kind for kind, _ in wiring.published.events]
    assert kinds == ["Onboarding Waiting", "Onboarding Completed"]
    assert len(wiring.published.messages) == len(wiring.kept.documents) == 2


def test_what_an_event_cannot_say_the_message_does() -> None:
    wiring = wired()
    begin(wiring)
    wiring.errors["event"] = repeat(DENIED)

    problems = publish(a_result(wiring), wiring)

    assert problems == {"event": "the event could not be published: SNS Publish: no"}
    assert notes_of_messages(wiring) == [list(problems.values())]
    assert the_record(wiring).published == {"message": "m-1"}


def test_what_a_message_cannot_say_a_further_event_does_once() -> None:
    wiring = wired()
    begin(wiring)
    wiring.errors["message"] = repeat(DENIED)

    problems = [publish(a_result(wiring), wiring) for _ in range(2)]

    expected = "the message could not be published: SNS Publish: no"
    assert problems == [{"message": expected}] * 2
    assert notes_of_events(wiring) == [[], [expected]]
    assert the_record(wiring).published == {"event": "e-1", "again": "e-2"}


def test_what_cannot_be_published_at_all_is_only_told() -> None:
    wiring = wired()
    begin(wiring)
    wiring.errors.update({"event": repeat(DENIED), "message": repeat(DENIED)})

    assert len(publish(a_result(wiring), wiring)) == 2
    assert the_record(wiring).published == {}


@pytest.mark.parametrize("channel", ["event", "message"])
def test_for_what_may_heal_the_other_channel_does_not_wait(channel: str) -> None:
    wiring = wired()
    begin(wiring)
    wiring.errors[channel] = iter([SLOWER])

    with pytest.raises(Throttled):
        publish(a_result(wiring), wiring)
    assert set(the_record(wiring).published) == {"event", "message"} - {channel}

    assert publish(a_result(wiring), wiring) == {}
    assert notes_of_events(wiring) == notes_of_messages(wiring) == [[]]


def test_the_last_time_what_might_heal_is_told_on_the_other_channel() -> None:
    wiring = wired()
    begin(wiring)
    wiring.errors["event"] = repeat(SLOWER)

    problems = publish(a_result(wiring), wiring, last=True)

    assert problems == {"event": "the event could not be published: slower"}
    assert notes_of_messages(wiring) == [list(problems.values())]


def test_the_last_time_nothing_is_raised() -> None:
    wiring = wired()
    begin(wiring)
    wiring.errors.update({"message": repeat(DENIED), "event": iter([None, SLOWER])})

    assert publish(a_result(wiring), wiring, last=True)


@pytest.mark.parametrize(("error", "last"), [(DENIED, False), (SLOWER, True)])
def test_where_the_document_cannot_be_kept_both_channels_say_so(
    error: AccessDenied | Throttled, last: bool
) -> None:
    wiring = wired()
    begin(wiring)
    wiring.errors["archive"] = repeat(error)

    assert publish(a_result(wiring), wiring, last=last) == {}

    note = f"the complete document could not be kept: {error}"
    assert notes_of_events(wiring) == notes_of_messages(wiring) == [[note]]
    assert wiring.published.events[0][1]["complete_document"] is None


def test_nothing_is_published_before_the_document_is_kept() -> None:
    wiring = wired()
    begin(wiring)
    wiring.errors["archive"] = iter([SLOWER])

    with pytest.raises(Throttled):
        publish(a_result(wiring), wiring)

    assert (wiring.published.events, wiring.published.messages) == ([], [])


def found(wiring: Wired) -> Findings:
    findings = wiring.ledger.findings(RUN)
    assert findings is not None
    return findings


def told(wiring: Wired) -> dict[str, tuple[str, str]]:
    """How the last event says that each account ended, and by which reason."""
    entries = wiring.published.events[-1][1]["memberships"]
    return {entry["account_id"]: (entry["outcome"], entry["reason_code"]) for entry in entries}


def reasons(wiring: Wired) -> list[str]:
    """In which words the last event says why."""
    return [entry["reason"] for entry in wiring.published.events[-1][1]["memberships"]]


def test_what_is_open_or_not_even_begun_ends_and_what_has_ended_stays() -> None:
    wiring = wired(now=LATER)
    begin(wiring, a_membership(Status.INVITED), accounts=(ACCOUNT, OTHER))
    wiring.ledger.persist_plan(the_record(wiring), PLAN)

    result = finish(found(wiring), Ending("it was cut short"), wiring)

    assert told(wiring) == dict.fromkeys((ACCOUNT, OTHER), ("failed", "run-ended"))
    assert {str(row.reason) for row in rows(wiring).values()} == set(reasons(wiring))
    assert all("before this was done: it was cut short; " in reason for reason in reasons(wiring))
    assert result == {"complete": False, "cause": "Rollcall: 2 accounts: 2 failed"}
    closed = the_record(wiring)
    assert (closed.outcome, closed.counts["failed"]) == ("incomplete", 2)
    assert (closed.ended_at, closed.closed_at) == (LATER, LATER)


def test_a_run_of_which_all_has_ended_well_is_complete() -> None:
    wiring = wired(now=LATER)
    begin(wiring, ENABLED)

    assert finish(found(wiring), Ending("no"), wiring)["complete"]
    assert rows(wiring)[ACCOUNT] == replace(ENABLED, revision=1)
    assert the_record(wiring).outcome == "complete"


def test_a_run_that_could_not_publish_is_not_complete_and_closed_all_the_same() -> None:
    wiring = wired(now=LATER)
    begin(wiring, ENABLED)
    wiring.errors["message"] = repeat(DENIED)

    result = finish(found(wiring), Ending("no"), wiring)

    assert not result["complete"]
    assert result["cause"].endswith("; the message could not be published: SNS Publish: no")
    assert the_record(wiring).outcome == "incomplete"


def test_an_ending_that_failed_goes_on_where_it_was_and_counts_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wiring = wired(now=LATER)
    begin(wiring, a_membership())
    wiring.errors["message"] = iter([SLOWER])

    with pytest.raises(Throttled):
        finish(found(wiring), Ending("cut short"), wiring)
    assert the_record(wiring).closed_at is None
    finish(found(wiring), Ending("cut short"), replace(wiring, now=lambda: LATER + 9))

    [(_, event)] = wiring.published.events
    [(_, _, message)] = wiring.published.messages
    assert event["ended_at"] == message["ended_at"]
    assert (the_record(wiring).ended_at, the_record(wiring).closed_at) == (LATER, LATER + 9)
    assert capsys.readouterr().out.count('"Memberships":') == len(Outcome)


def test_what_another_run_takes_meanwhile_is_told_as_left_to_it() -> None:
    interrupted = Interrupted()
    wiring = wired(interrupted, now=LATER)
    begin(wiring, a_membership(), a_membership(account_id=OTHER), accounts=(ACCOUNT, OTHER))
    wiring.ledger.persist_plan(the_record(wiring), PLAN)
    taken = a_membership(revision=1).taken("another", Mode.ORGANIZATION, LATER)
    interrupted.between = lambda: wiring.ledger.write([taken], LATER)

    finish(found(wiring), Ending("cut short"), wiring)

    assert told(wiring) == {
        ACCOUNT: ("skipped", "other-run"),
        OTHER: ("failed", "run-ended"),
    }
    assert "onboarding another has this membership in progress" in reasons(wiring)
    assert rows(wiring)[ACCOUNT] == replace(taken, revision=2)


@pytest.mark.parametrize(
    ("begun_at", "outcome"),
    [(LATER - STEP_SECONDS + 1, None), (LATER - STEP_SECONDS, Outcome.FAILED)],
)
def test_what_may_be_under_way_yet_is_told_as_failed_and_left_to_the_lease(
    begun_at: float, outcome: Outcome | None
) -> None:
    wiring = wired(now=LATER)
    acting = a_membership(Status.ABSENT).begun(Action.CREATE, begun_at)
    other = a_membership(account_id=OTHER)
    begin(wiring, acting, other, accounts=(ACCOUNT, OTHER), lease_until=LATER + 5000)

    finish(found(wiring), Ending("aborted", "aborted"), wiring)

    outcomes = {each: row.outcome for each, row in rows(wiring).items()}
    assert outcomes == {ACCOUNT: outcome, OTHER: Outcome.FAILED}
    assert told(wiring) == dict.fromkeys((ACCOUNT, OTHER), ("failed", "run-ended"))
    assert the_record(wiring).lease_until == LATER + LEASE_SECONDS


def test_a_dry_run_ends_beside_the_rows() -> None:
    wiring = wired(now=LATER)
    row = a_membership(Status.INVITED, onboarding_id="another")
    begin(wiring, row, dry_run=True)
    wiring.ledger.persist_plan(the_record(wiring), replace(PLAN, accounts=PLAN.accounts[:1]))

    finish(found(wiring), Ending("cut short"), wiring)

    assert told(wiring) == {ACCOUNT: ("failed", "run-ended")}
    assert [str(m.reason) for m in found(wiring).own] == reasons(wiring)
    assert rows(wiring)[ACCOUNT] == replace(row, revision=1)
