"""``rollcall watch``: how runs ended, and what is no run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.ownership import LEASE_SECONDS
from functions.enrolment.reconcile_record import ReconcileRecord
from infra.cli import watch
from infra.cli.follow import follow
from tests.support.builders import ACCOUNT, MANAGEMENT, OTHER
from tests.workflow.hands import HERE, at, email, of_run, reconcile

if TYPE_CHECKING:
    from tests.support.rollcall import Rollcall
    from tests.workflow.cli.conftest import Commands

SUSPENDED = AccountId("666677778888")


def found(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, email=email(ACCOUNT))
    rollcall.add_account(SUSPENDED, email=email(SUSPENDED), state="SUSPENDED")


@pytest.mark.parametrize(
    ("document", "broken", "status", "outcome", "said"),
    [
        pytest.param(
            {"accounts": [{"id": ACCOUNT}], **at("securityhub")},
            False,
            0,
            "complete",
            "1 of 1 enabled",
            id="complete",
        ),
        pytest.param(
            {"accounts": [{"id": ACCOUNT}, {"id": SUSPENDED}], **at("securityhub")},
            True,
            1,
            "incomplete",
            "0 of 2 enabled, 1 failed, 1 skipped",
            id="incomplete",
        ),
        pytest.param(
            {"accounts": [{"id": "4"}]},
            False,
            2,
            "refused: accounts[0].id: takes an account id: a string of 12 digits",
            "",
            id="refused",
        ),
    ],
)
def test_the_exit_status_and_the_last_lines_say_how_a_run_ended(
    rollcall: Rollcall,
    commands: Commands,
    document: dict[str, Any],
    broken: bool,
    status: int,
    outcome: str,
    said: str,
) -> None:
    found(rollcall)
    if broken:
        rollcall.fail(kind="access_denied", service="securityhub", operation="GetMembers")
    rollcall.run(document)

    printed = commands.run("watch", "onboarding-1")
    told = commands.run("watch", rollcall.execution_arn("onboarding-1"), "--json")

    assert (printed.status, told.status) == (status, status)
    lines = printed.output.splitlines()
    assert f"Run onboarding-1: {outcome}" in lines
    assert said in printed.output
    (run,) = told.document("watch")["runs"]
    assert (run["outcome"], run["complete"]) == (outcome, status == 0)
    assert commands.called("watch") <= set(watch.ACTIONS)


def test_the_id_of_a_reconcile_follows_its_runs(rollcall: Rollcall, commands: Commands) -> None:
    found(rollcall)
    rollcall.add_account(OTHER, email=email(OTHER))
    rollcall.world.apply(
        {"do": "enable", "service": "securityhub", "account_id": MANAGEMENT, "regions": [HERE]}
    )
    reconcile(rollcall, at("securityhub"), "weekly")

    printed = commands.run("watch", "weekly", "--json")

    document = printed.document("watch")
    assert printed.status == 0
    assert [(run["id"], run["kind"]) for run in document["runs"]] == [
        ("weekly", "reconcile"),
        ("weekly-0", "run"),
    ]
    enabled = {one["account_id"] for one in document["memberships"] if one["outcome"] == "enabled"}
    assert enabled == {ACCOUNT, OTHER, MANAGEMENT}


def test_a_run_whose_execution_is_gone_is_waited_for_as_long_as_its_lease_lasts(
    rollcall: Rollcall, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(rollcall)
    document = {"accounts": [{"id": ACCOUNT}], **at("securityhub")}
    rollcall.step("plan_onboarding", of_run(document, "gone"))
    monkeypatch.setattr(watch, "follow", partial(follow, sleep=lambda _: rollcall.pass_seconds(60)))
    began = rollcall.clock.now()

    printed = commands.run("watch", "gone")

    assert printed.status == 1
    assert rollcall.clock.now() - began >= LEASE_SECONDS
    assert "Run gone: the execution ended before the run: unknown to" in printed.output


def test_a_run_that_a_reconcile_never_started_is_not_waited_for(
    rollcall: Rollcall, commands: Commands
) -> None:
    found(rollcall)
    rollcall.step("survey_organization", of_run({}, "cut"))
    now, reconciles = rollcall.clock.now(), commands.site.wiring.reconciles
    reconciles.begin_runs("cut", [0], now, now + 60)
    reconciles.close("cut", "the execution was aborted", now)

    printed = commands.run("watch", "cut")

    assert printed.status == 1
    assert printed.output.splitlines() == [
        "Reconcile cut: the execution was aborted",
        "Run cut-0: never started",
    ]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("complete", 0),
        ("already running: other", 0),
        ("incomplete", 1),
        ("confirmation required", 1),
        ("the execution was aborted", 1),
        ("refused: most_changes: takes a whole number", 2),
    ],
)
def test_a_reconcile_ends_the_watching_with_the_status_that_a_run_would(
    rollcall: Rollcall, commands: Commands, outcome: str, status: int
) -> None:
    now, reconciles = rollcall.clock.now(), commands.site.wiring.reconciles
    reconciles.open(ReconcileRecord("nightly", "manual", now, "arn:nightly"))
    reconciles.close("nightly", outcome, now)

    printed = commands.run("watch", "nightly")

    assert (printed.status, printed.errors) == (status, "")
    assert printed.output.splitlines() == [f"Reconcile nightly: {outcome}"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "nobody",
            "ID: there is no run and no reconcile with the id nobody; rollcall runs lists them",
        ),
        (
            "no body",
            "ID: takes the id of a run or of a reconcile, or its execution's ARN, not no body",
        ),
    ],
)
def test_an_id_that_is_none_is_refused(
    rollcall: Rollcall, commands: Commands, name: str, message: str
) -> None:
    found(rollcall)

    printed = commands.run("watch", name)

    assert (printed.status, printed.output) == (2, "")
    assert printed.errors == f"rollcall watch: {message}\n"


def test_ctrl_c_says_how_to_watch_again(
    rollcall: Rollcall, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(rollcall)
    document = {"accounts": [{"id": ACCOUNT}], **at("securityhub")}
    rollcall.step("plan_onboarding", of_run(document, "long"))

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "follow", partial(follow, sleep=interrupted))

    printed = commands.run("watch", "long", "--name", "Trial", "--profile", "security")

    assert printed.status == 130
    assert printed.errors == (
        "Stopped watching; the runs go on. To watch again:"
        " rollcall watch long --profile security --name Trial\n"
    )


def test_an_execution_that_ended_without_a_record_is_not_waited_for(
    rollcall: Rollcall, commands: Commands
) -> None:
    found(rollcall)
    commands.only_start()
    (name,) = commands.start(ACCOUNT)

    printed = commands.run("watch", name)

    assert printed.status == 1
    assert "ended before its record was made: SUCCEEDED" in printed.output
