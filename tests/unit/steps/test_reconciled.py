"""A run that a reconcile starts is planned from the survey, and its first turn makes no reading."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.archive import survey_key
from functions.aws.executions import Ended
from functions.enrolment.account import AccountState, OrganizationAccount
from functions.enrolment.automation import Automation, auto_enable
from functions.enrolment.configuration import Timing
from functions.enrolment.coverage import Listing
from functions.enrolment.errors import InvalidInput, Throttled
from functions.enrolment.handover import Batch, batch_to_json
from functions.enrolment.membership import SURVEY_VALID_SECONDS, Action, Outcome, Status
from functions.enrolment.plan import Facts
from functions.enrolment.target import Target
from functions.enrolment.times import iso
from functions.services import registry
from functions.steps import get_members, plan_onboarding
from tests.support.builders import (
    ACCOUNT,
    ADMINISTRATOR,
    EMAIL,
    MANAGEMENT,
    NOW,
    OTHER,
    RUN,
    TARGET,
    a_membership,
)
from tests.unit.aws.support import an_onboarding
from tests.unit.steps.support import Known, Wired, rows, run, wired

if TYPE_CHECKING:
    from functions.aws.directory import Organization
    from functions.enrolment.membership import Membership

LATER = NOW + 600
TOO_LATE = NOW + SURVEY_VALID_SECONDS + 1
RECONCILE = "arn:aws:states:eu-west-1:111122223333:execution:Reconcile:reconcile-1"
INPUT = {
    "reconcile": {"id": "reconcile-1", "batch": 1},
    "accounts": [{"id": ACCOUNT, "email": EMAIL}],
}
DETECTIVE = Target(registry.DETECTIVE, TARGET.region)


class Unasked(Known):
    """Organizations must not be asked."""

    def organization(self) -> Organization | None:
        raise AssertionError("Organizations was asked")


def batch(*targets: Target, said: Automation | None = None) -> Batch:
    known = OrganizationAccount(ACCOUNT, "", AccountState.ACTIVE, joined_at=NOW - 60)
    delegated: dict[Any, bool | None] = dict.fromkeys(registry.SERVICES, True)
    facts = Facts(ADMINISTRATOR, MANAGEMENT, {ACCOUNT: known}, delegated, {ACCOUNT: None})
    found = [
        Listing(target, {}, {ACCOUNT: said or auto_enable("NONE")}, resource="detector-1")
        for target in targets or (TARGET,)
    ]
    return Batch("reconcile-1", 1, NOW, RECONCILE, facts, tuple(found))


def handing_over(handed: Batch | None = None, now: float = LATER, **configured: Any) -> Wired:
    wiring = replace(wired(now=now, **configured), known=Unasked())
    if now > LATER:
        wiring = replace(wiring, known=Known())
        wiring.known.account_ids.append(ACCOUNT)
    key = survey_key("reconcile-1", "batches/1")
    wiring.kept.documents[key] = batch_to_json(handed or batch())
    return wiring


def plan(wiring: Wired, given: object = INPUT) -> dict[str, Any]:
    place = {"onboarding_id": RUN, "started_at": iso(NOW), "execution_arn": "arn:run"}
    return run(plan_onboarding.handler, {"input": given} | place, wiring)


def turn(wiring: Wired, planned: dict[str, Any], number: int = 0) -> dict[str, Any]:
    """The first turn of one of the planned targets."""
    item = {"target": planned["targets"][number], "reports": True}
    return run(get_members.handler, planned | item, wiring)


def test_a_run_is_planned_from_the_survey_without_asking_organizations() -> None:
    wiring = handing_over(batch(TARGET, DETECTIVE))

    planned = plan(wiring)

    assert planned["verdict"] == "enrol"
    assert [account["email"] for account in planned["accounts"]] == [EMAIL]
    assert [target["service"] for target in planned["targets"]] == ["guardduty", "detective"]
    row = rows(wiring)[ACCOUNT]
    assert (row.status, row.surveyed_at, row.taken_at) == (Status.ABSENT, NOW, LATER)


def test_a_target_that_is_no_longer_configured_is_left_out() -> None:
    wiring = handing_over(batch(TARGET, DETECTIVE), services=(registry.DETECTIVE,))

    assert [target["service"] for target in plan(wiring)["targets"]] == ["detective"]


def test_the_first_turn_acts_on_the_survey_and_the_second_reads() -> None:
    wiring = handing_over()

    first = turn(wiring, plan(wiring))
    row = rows(wiring)[ACCOUNT]
    wiring.target.statuses = {ACCOUNT: Status.ENABLED}
    second = run(get_members.handler, first, wiring)

    assert (first["next"], first["acting"], first["resource"]) == (
        "create",
        [ACCOUNT],
        "detector-1",
    )
    assert (row.due, row.surveyed_at) == (Action.CREATE, None)
    assert wiring.target.calls == [("observe", [ACCOUNT])]
    assert (wiring.target.lookups, wiring.target.asked_automation) == (0, [])
    assert second["next"] == "stop"


def test_a_wait_for_the_service_itself_is_read_at_its_end() -> None:
    wiring = handing_over(batch(said=auto_enable("ALL")))

    first = turn(wiring, plan(wiring))
    second = run(get_members.handler, first, wiring)

    assert (first["next"], second["next"]) == ("wait", "wait")
    assert wiring.target.calls == [("observe", [ACCOUNT])]


def test_what_the_survey_read_does_not_shorten_the_time_that_a_membership_has() -> None:
    wiring = handing_over(timing=Timing(organization_deadline=60))

    assert turn(wiring, plan(wiring))["next"] == "create"


def test_a_target_without_a_known_resource_has_it_looked_up() -> None:
    listing = replace(batch().listings[0], resource=None)
    wiring = handing_over(replace(batch(), listings=(listing,)))

    assert turn(wiring, plan(wiring))["resource"] == "detector-1"
    assert (wiring.target.calls, wiring.target.lookups) == ([], 1)


def test_detective_acts_on_the_survey_once_it_is_let_go() -> None:
    wiring = handing_over(batch(TARGET, DETECTIVE))
    planned = plan(wiring)

    held = turn(wiring, planned, 1)
    calls_while_held = list(wiring.target.calls)
    wiring.target.statuses = {ACCOUNT: Status.ENABLED}
    ended = rows(wiring)[ACCOUNT].settled(Outcome.ENABLED, None, LATER)
    assert not wiring.ledger.write([ended], LATER)
    let_go = run(get_members.handler, held, wiring)

    assert (held["next"], calls_while_held) == ("wait", [])
    assert (let_go["next"], wiring.target.calls) == ("create", [])


def test_a_survey_that_is_too_old_is_read_again_by_planning_and_by_the_first_turn() -> None:
    wiring = handing_over(now=TOO_LATE)
    wiring.target.statuses = {ACCOUNT: Status.ENABLED}

    planned = plan(wiring)

    assert rows(wiring)[ACCOUNT].surveyed_at is None
    assert turn(wiring, planned)["next"] == "stop"
    assert wiring.target.calls == [("observe", [ACCOUNT])]


@pytest.mark.parametrize("now", [LATER, TOO_LATE], ids=["valid", "too old"])
def test_an_account_that_has_left_is_not_invited(now: float) -> None:
    wiring = handing_over(now=now)

    planned = plan(wiring, INPUT | {"accounts": [{"id": OTHER, "email": EMAIL}]})

    assert (planned["verdict"], planned["accounts"]) == ("settled", [])
    findings = wiring.ledger.findings(RUN)
    assert findings is not None
    assert findings.plan is not None
    assert OTHER in findings.plan.notes[0]


BEFORE = a_membership(Status.ENABLED, onboarding_id="before", at=NOW - 60)


@pytest.mark.parametrize(
    ("settled_at", "verdict"), [(NOW - 1, "enrol"), (NOW, "duplicate"), (NOW + 30, "duplicate")]
)
@pytest.mark.parametrize("now", [LATER, TOO_LATE], ids=["valid", "too old"])
def test_what_was_enabled_since_the_survey_is_left(
    settled_at: float, verdict: str, now: float
) -> None:
    wiring = handing_over(now=now)
    wiring.ledger.open(an_onboarding("before", started_at=NOW - 60, closed_at=NOW + 30))
    ended: Membership = BEFORE.settled(Outcome.ENABLED, None, settled_at)
    assert not wiring.ledger.write([ended], NOW)

    assert plan(wiring)["verdict"] == verdict


def test_what_changed_since_the_survey_is_read_again() -> None:
    wiring = handing_over()
    wiring.ledger.open(an_onboarding("before", started_at=NOW - 60))
    assert not wiring.ledger.write([replace(BEFORE, taken_at=NOW + 1)], NOW)
    wiring.ledger.close("before", "failed", {}, NOW + 2)

    turn(wiring, plan(wiring))

    assert wiring.target.calls == [("observe", [ACCOUNT])]


def test_a_batch_that_is_not_stored_is_refused() -> None:
    wiring = handing_over()
    wiring.kept.documents.clear()

    with pytest.raises(InvalidInput, match=r"^reconcile: .* surveys/reconcile-1/batches/1.json"):
        plan(wiring)


def test_a_batch_with_an_unknown_service_is_refused() -> None:
    wiring = handing_over()
    document = wiring.kept.documents[survey_key("reconcile-1", "batches/1")]
    document["listings"][0]["service"] = "shield"

    with pytest.raises(InvalidInput, match=r"^reconcile: takes a batch of known .*shield"):
        plan(wiring)


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT"])
def test_the_run_of_a_reconcile_that_was_stopped_is_refused(status: str) -> None:
    wiring = handing_over()
    wiring.seen.over[RECONCILE] = Ended(status, NOW)

    with pytest.raises(InvalidInput, match=r"^reconcile: takes one that was not stopped"):
        plan(wiring)
    assert wiring.rows.items == {}


@pytest.mark.parametrize("status", ["FAILED", "SUCCEEDED"])
def test_the_run_of_a_reconcile_that_ended_goes_on(status: str) -> None:
    wiring = handing_over()
    wiring.seen.over[RECONCILE] = Ended(status, NOW)

    assert plan(wiring)["verdict"] == "enrol"


def test_where_it_cannot_be_looked_up_whether_the_reconcile_was_stopped_the_run_goes_on() -> None:
    wiring = handing_over()
    wiring.seen.errors["ended"] = iter([Throttled("too many")])

    assert plan(wiring)["verdict"] == "enrol"
