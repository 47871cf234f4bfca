"""Survey Organization finds the gaps, decides, and persists both; one reconcile at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from functions.aws.executions import Ended
from functions.aws.reconciles import RECENT_SECONDS, Lock
from functions.enrolment.coverage import Listing
from functions.enrolment.errors import InvalidInput, Throttled
from functions.enrolment.handover import batch_from_json, listing_to_json
from functions.enrolment.membership import Outcome, Status
from functions.services import registry
from tests.support.builders import EMAIL, NOW, TARGET, a_membership, an_onboarding
from tests.unit.steps.reconciling import (
    ACCOUNTS,
    EXECUTION,
    GIVEN,
    ID,
    later,
    organization,
    publish,
    survey,
    the_reconcile,
)
from tests.unit.steps.support import rows

OTHER = Lock("another", f"{EXECUTION.removesuffix(ID)}another", NOW - 2 * RECENT_SECONDS)


def test_a_survey_persists_its_plan_and_a_batch_for_each_run() -> None:
    wiring = organization()
    wiring.target.statuses = {ACCOUNTS[0]: Status.ENABLED, ACCOUNTS[1]: Status.CREATED}

    assert survey(wiring) == {"next": "start", "wait_seconds": 0}

    plan = wiring.kept.documents[f"surveys/{ID}/plan.json"]
    assert (plan["verdict"], plan["accounts"], plan["surveyed_at"]) == ("start", 10, NOW)
    assert plan["changes"] == {"needed": 9, "most_changes": 100}
    assert plan["targets"][0]["before"] == {"enabled": 1, "left_out": 0, "gaps": 9, "unread": 0}
    batch = batch_from_json(
        wiring.kept.documents[f"surveys/{ID}/batches/0.json"], registry.SERVICES
    )
    assert (batch.targets, batch.execution_arn) == ((TARGET,), EXECUTION)
    assert list(batch.facts.directory) == ACCOUNTS[1:]
    assert list(batch.listings[0].members) == [ACCOUNTS[1]]
    record = the_reconcile(wiring)
    assert (record.source, record.surveyed_at, record.closed_at) == ("manual", NOW, None)


def test_what_is_stored_contains_no_email_address() -> None:
    wiring = organization()

    survey(wiring)

    assert EMAIL not in f"{wiring.kept.documents} {wiring.rows.items}"
    assert wiring.target.calls
    assert {name for name, _ in wiring.target.calls} == {"observe"}


@pytest.mark.parametrize(
    ("given", "verdict"),
    [({"most_changes": 3}, "confirm"), ({"report_only": True}, "report")],
    ids=["more changes than allowed", "report only"],
)
def test_where_no_run_is_to_start_there_are_no_batches(
    given: dict[str, object], verdict: str
) -> None:
    wiring = organization()

    assert survey(wiring, input=GIVEN | given)["next"] == "publish"

    assert list(wiring.kept.documents) == [f"surveys/{ID}/plan.json"]
    assert wiring.kept.documents[f"surveys/{ID}/plan.json"]["verdict"] == verdict


def test_a_reconcile_right_after_another_starts_nothing() -> None:
    wiring = organization()
    failed = [
        a_membership(Status.ABSENT, account_id=account).settled(Outcome.FAILED, None, NOW + 60)
        for account in ACCOUNTS
    ]
    wiring.ledger.write(failed, NOW + 60)

    assert survey(later(wiring, 120))["next"] == "publish"


def test_a_second_reconcile_leaves_the_organisation_to_the_first() -> None:
    wiring = organization()
    wiring.reconciles.lock(OTHER, lambda _: False)

    assert survey(wiring) == {"next": "publish", "wait_seconds": 0}

    record = the_reconcile(wiring)
    assert (record.outcome, record.closed_at) == ("already running: another", NOW)
    assert wiring.target.calls == []
    assert survey(wiring)["next"] == "publish"
    assert publish(wiring)["complete"] is True
    assert (wiring.published.events, wiring.published.messages) == ([], [])


def test_a_reconcile_whose_execution_has_ended_blocks_no_other() -> None:
    wiring = organization()
    wiring.reconciles.lock(OTHER, lambda _: False)
    wiring.seen.over[OTHER.execution_arn] = Ended("ABORTED", NOW)

    assert survey(wiring)["next"] == "start"


def test_a_refused_input_calls_nothing() -> None:
    wiring = organization()

    with pytest.raises(InvalidInput, match="accounts: is not known here"):
        survey(wiring, input={"accounts": []})

    assert (wiring.rows.items, wiring.target.calls) == ({}, [])


def test_a_repeated_survey_decides_again() -> None:
    wiring = organization()
    wiring.errors["archive"] = iter([Throttled("slow down")])
    with pytest.raises(Throttled):
        survey(wiring)
    wiring.target.statuses = dict.fromkeys(ACCOUNTS[:4], Status.ENABLED)

    survey(later(wiring, 30))

    plan = wiring.kept.documents[f"surveys/{ID}/plan.json"]
    assert (plan["surveyed_at"], plan["batches"][0]["accounts"]) == (NOW + 30, ACCOUNTS[4:])


def test_a_run_that_is_at_work_keeps_its_membership() -> None:
    wiring = organization()
    own = a_membership(Status.CREATED, account_id=ACCOUNTS[0], onboarding_id="their-run")
    wiring.ledger.open(an_onboarding(id="their-run"))
    wiring.ledger.write([own], NOW)

    survey(wiring)

    plan = wiring.kept.documents[f"surveys/{ID}/plan.json"]
    [progress] = [gap for gap in plan["gaps"] if gap["disposition"] == "in progress"]
    assert (progress["accounts"], progress["run"]) == ([ACCOUNTS[0]], "their-run")
    assert plan["batches"][0]["accounts"] == ACCOUNTS[1:]
    assert rows(wiring)[ACCOUNTS[0]].onboarding_id == "their-run"


def test_a_survey_that_takes_longer_than_a_step_goes_on_in_the_next() -> None:
    wiring = organization()
    times = iter([NOW, *[NOW + 600] * 3])
    slow = replace(wiring, now=lambda: next(times))

    assert survey(slow)["next"] == "survey"
    assert wiring.target.calls == []
    assert survey(later(wiring, 700))["next"] == "start"

    record = the_reconcile(wiring)
    assert (record.paused_at, record.surveyed_at) == (NOW, NOW + 700)


def test_a_survey_that_an_earlier_version_began_is_as_old_as_its_beginning() -> None:
    wiring = organization()
    times = iter([NOW, *[NOW + 600] * 3])
    assert survey(replace(wiring, now=lambda: next(times)))["next"] == "survey"
    [part] = wiring.kept.documents.values()
    listing = listing_to_json(Listing(TARGET))
    del listing["read_at"]
    part["listings"] = [listing]

    assert survey(later(wiring, 700))["next"] == "start"

    assert the_reconcile(wiring).surveyed_at == NOW
    assert wiring.target.calls == []
