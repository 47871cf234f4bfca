"""Publish Reconcile publishes once, closes the record, and releases the lock, however it ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.aws.archive import GAPS
from functions.aws.executions import Ended
from functions.aws.reconciles import Lock
from functions.enrolment.account import AccountState
from functions.enrolment.errors import AccessDenied, Throttled
from functions.enrolment.membership import Outcome, Status
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.reconcile_record import ReconcileRecord
from functions.enrolment.times import iso
from functions.steps import publish_reconcile
from tests.support.builders import NOW
from tests.unit.steps.reconciling import (
    ACCOUNTS,
    EXECUTION,
    GIVEN,
    ID,
    end_run,
    later,
    organization,
    publish,
    start,
    survey,
    the_reconcile,
)
from tests.unit.steps.support import Wired, run

LATER, DAY = 600, 86_400
ENABLED: dict[Any, Any] = dict.fromkeys(ACCOUNTS, (Outcome.ENABLED, None))
REFUSED = (Outcome.FAILED, Reason(ReasonCode.REFUSED, "the service refused the request"))
FINE: dict[str, Any] = {"complete": True, "error": "", "cause": ""}


def surveyed(**changes: Any) -> Wired:
    wiring = organization()
    survey(wiring, input=GIVEN | changes)
    return wiring


def with_runs(outcome: str, ends: dict[Any, Any]) -> Wired:
    wiring = surveyed()
    start(wiring)
    wiring = later(wiring, LATER)
    end_run(wiring, outcome, ends)
    return wiring


def is_free(wiring: Wired) -> bool:
    """Whether another reconcile can begin."""
    return wiring.reconciles.lock(Lock("next", "arn:next", NOW), lambda _: False) is None


def status_change(status: str, **changes: Any) -> dict[str, Any]:
    return {
        "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "status": status,
            "name": ID,
            "executionArn": EXECUTION,
            "startDate": int(NOW * 1000),
            "stopDate": int((NOW + LATER) * 1000),
            "input": json.dumps(GIVEN),
            **changes,
        },
    }


def test_a_reconcile_that_closed_every_gap_succeeds() -> None:
    wiring = with_runs("complete", ENABLED)

    assert publish(wiring) == FINE

    [(detail_type, document)] = wiring.published.events
    assert (detail_type, document["outcome"]) == ("Reconcile Completed", "complete")
    assert document["targets"][0]["after"] == {"enabled": 10, "left_out": 0, "gaps": 0, "unread": 0}
    assert document["complete_document"] == f"s3://results/reconciles/{ID}/result.json"
    [(subject, text, sent)] = wiring.published.messages
    assert subject == "Rollcall reconcile: complete: 10 enabled, 0 gaps left"
    assert text.startswith(f"{subject}\nReconcile {ID}, manual, took 10 min.")
    assert sent == document
    assert wiring.published.attributes == [
        {"kind": "reconcile", "outcome": "complete", "complete": "true", "source": "manual"}
    ]
    kept = wiring.kept.documents[f"reconciles/{ID}/result.json"]
    assert kept == {name: part for name, part in document.items() if name != "complete_document"}
    record = the_reconcile(wiring)
    assert (record.outcome, record.closed_at) == ("complete", NOW + LATER)
    assert is_free(wiring)


@pytest.mark.parametrize(
    ("wiring", "error", "cause"),
    [
        (
            lambda: with_runs("incomplete", ENABLED | {ACCOUNTS[0]: REFUSED}),
            "ReconcileIncomplete",
            "Rollcall reconcile: incomplete: 9 enabled, 1 gap left, 1 run incomplete",
        ),
        (
            lambda: surveyed(most_changes=3),
            "ConfirmationRequired",
            "Rollcall reconcile: confirmation required: 10 accounts would be created or invited,"
            " 10 gaps left",
        ),
        (lambda: surveyed(report_only=True), "", ""),
        (lambda: with_runs("", {}), "", ""),
        (lambda: with_runs("refused: no", {}), "ReconcileIncomplete", None),
    ],
    ids=["incomplete", "confirmation", "report", "still running", "a refused run"],
)
def test_the_execution_fails_by_what_is_to_be_done(wiring: Any, error: str, cause: str) -> None:
    it = wiring()

    ended = publish(it)

    assert (ended["complete"], ended["error"]) == (error == "", error)
    assert cause is None or ended["cause"] == cause
    assert len(it.published.events) == 1
    [attributes] = it.published.attributes
    assert attributes["complete"] == ("false" if error else "true")
    # The response may have been lost.
    assert publish(it)["error"] == error
    assert len(it.published.events) == 1
    assert is_free(it)


def test_what_is_to_be_confirmed_is_said_exactly() -> None:
    wiring = surveyed(most_changes=3)

    publish(wiring)

    [(_, text, _)] = wiring.published.messages
    assert 'start a reconcile by hand with the input {"most_changes": 10}.' in text
    assert wiring.seen.started == {}


def test_accounts_that_are_no_longer_active_are_left_with_the_reason() -> None:
    wiring = surveyed()
    gone, suspended, pending = ACCOUNTS[:3]
    wiring.known.account_ids.remove(gone)
    wiring.known.states[suspended] = AccountState.SUSPENDED
    wiring.known.states[pending] = AccountState.PENDING_ACTIVATION
    start(wiring)
    wiring = later(wiring, LATER)
    end_run(wiring, "complete", {each: ENABLED[each] for each in ACCOUNTS[3:]})

    assert publish(wiring) == FINE

    [(_, document)] = wiring.published.events
    left = {gap["account_id"]: gap for gap in document["gaps"]}
    assert {gap["disposition"] for gap in left.values()} == {"nothing"}
    assert {gap["run"] for gap in left.values()} == {None}
    assert {account: gap["reason_code"] for account, gap in left.items()} == {
        gone: "account-not-active",
        suspended: "account-not-active",
        pending: "account-pending-activation",
    }
    assert left[gone]["reason"].startswith(
        "Organizations reports the account as not belonging to the organisation"
    )
    assert left[suspended]["reason"].startswith("Organizations reports the account as SUSPENDED")


def test_a_reconcile_without_any_account_left_has_nothing_to_do() -> None:
    wiring = surveyed()
    wiring.known.states = dict.fromkeys(ACCOUNTS, AccountState.SUSPENDED)
    start(wiring)

    assert publish(wiring) == FINE

    [(_, document)] = wiring.published.events
    assert (document["outcome"], document["runs"]) == ("nothing to do", [])
    [left] = document["gaps_left"]
    assert (left["reason_code"], left["count"]) == ("account-not-active", len(ACCOUNTS))
    [(subject, _, _)] = wiring.published.messages
    assert subject == "Rollcall reconcile: nothing to do: 10 gaps left"


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        ({"Error": "AccessDenied", "Cause": '{"errorMessage": "no"}'}, "AccessDenied: no"),
        (
            {"Error": "InvalidInput", "Cause": '{"errorMessage": "regions: takes one"}'},
            "refused: regions: takes one",
        ),
    ],
)
def test_a_failure_before_the_survey_is_published(failure: object, outcome: str) -> None:
    wiring = organization()

    ended = publish(wiring, failure=failure, input={"source": "schedule"})

    assert ended["error"] == "ReconcileFailed"
    assert ended["cause"] == f"Rollcall reconcile failed: {outcome}"
    record = the_reconcile(wiring)
    assert (record.outcome, record.source) == (outcome, "schedule")
    [(_, document)] = wiring.published.events
    assert (document["failure"], document["outcome"]) == (outcome, "failed")
    assert (document["surveyed_at"], document["gaps"]) == (None, [])


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("ABORTED", "the execution was aborted"),
        ("TIMED_OUT", "the execution was timed out"),
        ("FAILED", "States.Runtime: no path"),
    ],
)
def test_an_execution_that_was_stopped_is_published_and_closed(status: str, words: str) -> None:
    wiring = with_runs("", {ACCOUNTS[0]: (Outcome.ENABLED, None)})
    event = status_change(status, error="States.Runtime", cause="no path")

    for _ in range(2):
        assert run(publish_reconcile.handler, event, wiring)["error"] == "ReconcileFailed"

    [(_, document)] = wiring.published.events
    assert (document["outcome"], document["failure"]) == ("failed", words)
    assert document["targets"][0]["after"]["enabled"] == 1
    assert document["runs"][0]["outcome"] == "still running"
    assert the_reconcile(wiring).outcome == words
    assert is_free(wiring)


def test_the_end_of_one_that_failed_as_published_is_not_published_again() -> None:
    wiring = surveyed(most_changes=3)
    publish(wiring)

    run(publish_reconcile.handler, status_change("FAILED", error="ConfirmationRequired"), wiring)

    assert len(wiring.published.events) == 1
    assert the_reconcile(wiring).outcome == "confirmation required"


def test_a_later_reconcile_of_the_same_name_is_not_closed() -> None:
    wiring = surveyed()
    event = status_change("ABORTED", startDate=int(NOW - 9) * 1000, stopDate=int(NOW - 5) * 1000)

    run(publish_reconcile.handler, event, wiring)

    assert the_reconcile(wiring).closed_at is None


def test_what_cannot_be_published_now_is_published_later_once() -> None:
    wiring = with_runs("complete", ENABLED)
    wiring.errors["message"] = iter([Throttled("slow down")])

    with pytest.raises(Throttled):
        publish(wiring)
    assert the_reconcile(wiring).closed_at is None
    assert publish(wiring) == FINE

    assert len(wiring.published.events) == len(wiring.published.messages) == 1


def days_later(wiring: Wired, days: int = 1) -> Wired:
    """Some days later, when another reconcile has been published on each."""
    for day in range(1, days + 1):
        wiring = reports(wiring, f"day-{day}", day * DAY, enabled=10)
    return wiring


def documents_of(wiring: Wired, name: str = ID) -> list[dict[str, Any]]:
    return [document for _, document in wiring.published.events if document["id"] == name]


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Ended("ABORTED", NOW + LATER), "the execution was aborted"),
        (Ended("TIMED_OUT", NOW + LATER), "the execution was timed out"),
        (Ended("FAILED", NOW + LATER), "an error"),
    ],
)
def test_an_earlier_reconcile_that_nobody_closed_is_published_and_closed(
    ended: Ended, words: str
) -> None:
    wiring = surveyed()
    wiring.seen.over[EXECUTION] = ended

    days_later(wiring, 2)

    [document] = documents_of(wiring)
    assert (document["outcome"], document["failure"]) == ("failed", words)
    record = the_reconcile(wiring)
    assert (record.outcome, record.closed_at) == (words, NOW + DAY)


@pytest.mark.parametrize(
    "ended", [None, Ended("ABORTED", NOW + DAY - 60)], ids=["runs", "ended lately"]
)
def test_an_earlier_reconcile_that_may_be_closed_yet_is_left(ended: Ended | None) -> None:
    wiring = surveyed()
    if ended is not None:
        wiring.seen.over[EXECUTION] = ended

    days_later(wiring)

    assert the_reconcile(wiring).closed_at is None
    assert documents_of(wiring) == []


def test_one_that_was_published_before_the_table_was_restored_is_only_closed() -> None:
    wiring = surveyed()
    wiring.seen.over[EXECUTION] = Ended("SUCCEEDED", NOW + LATER)

    days_later(wiring)

    assert the_reconcile(wiring).outcome == "complete"
    assert documents_of(wiring) == []


def test_one_of_a_replaced_machine_is_closed_without_asking_it() -> None:
    wiring = organization()
    elsewhere = "arn:aws:states:eu-west-1:111122223333:execution:Replaced:one"
    wiring.seen.denied.add(elsewhere)
    wiring.reconciles.open(ReconcileRecord("one", "schedule", NOW, elsewhere))

    days_later(wiring)

    [document] = documents_of(wiring, "one")
    assert document["failure"] == "its execution does not exist any more"


def test_one_that_could_not_be_recorded_is_published_once() -> None:
    wiring = organization()
    wiring.seen.over[EXECUTION] = Ended("FAILED", NOW + LATER)

    days_later(wiring, 2)

    [document] = documents_of(wiring)
    assert (document["failure"], document["started_at"]) == ("an error", iso(NOW))
    assert the_reconcile(wiring).closed_at == NOW + DAY


@pytest.mark.parametrize("channel", ["event", "message"])
def test_what_could_not_be_published_at_all_is_published_by_a_later_reconcile_once(
    channel: str,
) -> None:
    wiring = with_runs("complete", ENABLED)
    wiring.errors[channel] = iter([AccessDenied("no")])
    publish(wiring)
    assert the_reconcile(wiring).unfinished == (channel,)

    wiring = days_later(wiring, 2)

    sent = documents_of(wiring)
    if channel == "message":
        sent = [document for *_, document in wiring.published.messages if document["id"] == ID]
    [document] = sent
    assert document["notes"] == [f"the {channel} could not be published at {iso(NOW + LATER)}"]
    assert document["ended_at"] == iso(NOW + LATER)
    assert the_reconcile(wiring).unfinished == ()


def test_a_channel_that_refuses_fails_the_reconcile() -> None:
    wiring = with_runs("complete", ENABLED)
    wiring.errors["message"] = iter([AccessDenied("SNS Publish: no")])

    ended = publish(wiring)

    assert ended["error"] == "ReconcileIncomplete"
    assert "the message could not be published: SNS Publish: no" in ended["cause"]


def test_a_target_that_was_not_read_is_told() -> None:
    wiring = organization()
    wiring.errors["resource"] = iter([AccessDenied("GuardDuty ListDetectors: no")])
    survey(wiring)

    ended = publish(wiring)

    assert ended["cause"] == "Rollcall reconcile: incomplete: 0 gaps left, 1 target not read"
    [(_, document)] = wiring.published.events
    assert document["targets"][0]["problem_code"] == "access-denied"


def test_what_drifted_is_told_with_both_times_and_how_it_ended() -> None:
    wiring = organization()
    wiring.target.statuses = {ACCOUNTS[0]: Status.REMOVED}
    end_run(wiring, "complete", {ACCOUNTS[0]: (Outcome.ENABLED, None)}, number=7)
    wiring = later(wiring, 60)
    survey(wiring)
    wiring = later(wiring, LATER)

    publish(wiring)

    [(_, document)] = wiring.published.events
    [drift] = document["drift"]
    assert (drift["account_id"], drift["status"], drift["outcome"]) == (
        *(ACCOUNTS[0], "Removed"),
        None,
    )
    assert drift["enabled_at"] < drift["found_at"]


EVERYTHING: dict[str, Any] = {"report_only": True}


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, list[float]]:
    """What was measured since the last call, by name and dimension."""
    found: dict[str, list[float]] = {}
    for line in capsys.readouterr().out.splitlines():
        written = json.loads(line)
        [directive] = written.pop("_aws")["CloudWatchMetrics"]
        [metric], [dimensions] = directive["Metrics"], directive["Dimensions"]
        name = "/".join([metric["Name"], *(written[each] for each in dimensions)])
        found.setdefault(name, []).extend(written[metric["Name"]])
    return found


def reports(wiring: Wired, name: str, at: float, enabled: int, **given: Any) -> Wired:
    """A reconcile at a time that only reports, where so many of the ten are Enabled everywhere."""
    wiring = later(wiring, at)
    wiring.target.statuses = dict.fromkeys(ACCOUNTS[:enabled], Status.ENABLED)
    changes = {
        "onboarding_id": name,
        "execution_arn": f"{EXECUTION}-{name}",
        "started_at": iso(NOW + at),
        "input": EVERYTHING | given,
    }
    survey(wiring, **changes)
    publish(wiring, **changes)
    return wiring


def test_a_reconcile_measures_the_coverage_and_the_gaps_that_are_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wiring = organization()

    reports(wiring, "first", 0, enabled=7)

    everywhere = len(wiring.configuration.regions)
    assert metrics(capsys) == {
        "CoverageFell": [0],
        "OldGaps": [0],
        **{f"Enabled/{each.name}": [7 * everywhere] for each in wiring.services},
        **{f"ToBeEnabled/{each.name}": [10 * everywhere] for each in wiring.services},
        "Gaps/create": [3 * everywhere * len(wiring.services)],
    }


def test_what_was_enabled_at_the_reconcile_before_and_is_a_gap_now_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wiring = organization()
    reports(wiring, "first", 0, enabled=7)
    metrics(capsys)

    reports(wiring, "second", DAY, enabled=5)
    fallen = metrics(capsys)["CoverageFell"]
    reports(wiring, "third", 2 * DAY, enabled=5)
    same = metrics(capsys)["CoverageFell"]

    places = len(wiring.configuration.targets)
    assert (fallen, same) == ([2 * places], [0])


def test_gaps_that_daily_reconciles_find_again_are_old_and_say_since_when(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wiring = organization()
    reports(wiring, "first", 0, enabled=9)
    metrics(capsys)

    reports(wiring, "second", DAY - 600, enabled=8)

    places = len(wiring.configuration.targets)
    assert metrics(capsys)["OldGaps"] == [places]
    document = wiring.published.events[-1][1]
    assert {(gap["account_id"], gap["since"]) for gap in document["gaps"]} == {
        (ACCOUNTS[9], iso(NOW)),
        (ACCOUNTS[8], iso(NOW + DAY - 600)),
    }


def test_a_reconcile_of_some_targets_measures_no_coverage_of_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wiring = organization()
    reports(wiring, "first", 0, enabled=9)
    metrics(capsys)

    reports(wiring, "second", DAY, enabled=10, services=["guardduty"])

    # The gaps of the other services are as old as they were when they were found.
    assert metrics(capsys) == {
        **{"CoverageFell": [0], "OldGaps": [0]},
        **{"Enabled/guardduty": [20], "ToBeEnabled/guardduty": [20]},
    }


def test_what_is_known_is_persisted_once_the_result_is_published_and_measured_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wiring = organization()
    reports(wiring, "first", 0, enabled=9)
    metrics(capsys)
    wiring.errors["message"] = iter([Throttled("slow down")])

    with pytest.raises(Throttled):
        reports(wiring, "second", DAY, enabled=8)
    assert metrics(capsys)["CoverageFell"] == [len(wiring.configuration.targets)]
    reports(wiring, "second", DAY, enabled=8)

    assert "CoverageFell" not in metrics(capsys)
    assert {target["at"] for target in wiring.kept.documents[GAPS]["targets"]} == {NOW + DAY}


def test_without_what_reconciles_found_before_everything_is_found_anew(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """S3 answers AccessDenied for a document that does not exist."""
    wiring = surveyed()
    wiring.errors["archive read"] = iter([None, AccessDenied("S3 GetObject: AccessDenied")])

    assert publish(wiring)["error"] == ""

    assert metrics(capsys)["CoverageFell"] == [0]
    assert len(wiring.kept.documents[GAPS]["targets"]) == 1
