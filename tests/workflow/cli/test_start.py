"""``rollcall start``: what it starts, what it asks before, and what it refuses."""

from __future__ import annotations

import io
import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from functions.aws.executions import Executions
from functions.enrolment.account import AccountId
from functions.enrolment.errors import Throttled
from infra.cli import start, watch
from infra.cli.follow import follow, watch_quietly
from tests.support.builders import ACCOUNT, MANAGEMENT, OTHER
from tests.support.schemas import schema_of
from tests.workflow.hands import HERE, at, email, of_run, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.rollcall import Rollcall
    from tests.workflow.cli.conftest import Commands

MANY = tuple(AccountId(f"{200_000_000_000 + number}") for number in range(51))
TAKEN_ANSWER = "The request is rejected because it is associated with another master account"
TAKEN = "the last run failed: the account belongs to another administrator: "
ONE_TARGET = ("--service", "securityhub", "--region", HERE)


class Terminal(io.StringIO):
    """A terminal at which somebody gives this answer."""

    def isatty(self) -> bool:
        return True


def found(rollcall: Rollcall, *accounts: AccountId) -> None:
    rollcall.found_organization()
    for account in accounts:
        rollcall.add_account(account, email=email(account))


def test_fifty_one_accounts_become_two_runs(rollcall: Rollcall, commands: Commands) -> None:
    found(rollcall, *MANY)
    commands.only_start()

    started = commands.start(*MANY, *ONE_TARGET)

    given = [commands.input_of(one) for one in started]
    assert [len(one["accounts"]) for one in given] == [50, 1]
    assert [one["id"] for document in given for one in document["accounts"]] == list(MANY)
    assert {(*one["services"], *one["regions"]) for one in given} == {("securityhub", HERE)}
    assert commands.called("start") <= set(start.ACTIONS)


def test_the_same_command_within_a_minute_starts_nothing_twice(
    rollcall: Rollcall, commands: Commands
) -> None:
    found(rollcall, ACCOUNT, OTHER)
    commands.only_start()

    first = commands.start(ACCOUNT, *ONE_TARGET)
    again = commands.start(ACCOUNT, *ONE_TARGET)
    other = commands.start(OTHER, *ONE_TARGET)
    rollcall.pass_seconds(60)
    later = commands.start(ACCOUNT, *ONE_TARGET)

    assert first == again
    assert len({*first, *other, *later}) == 3
    assert set(commands.executions()) == {*first, *other, *later}


def test_accounts_with_nothing_to_do_are_left_out(rollcall: Rollcall, commands: Commands) -> None:
    found(rollcall, ACCOUNT, OTHER)
    rollcall.run({"accounts": [{"id": OTHER}]})
    commands.only_start()

    printed = commands.run("start", ACCOUNT, OTHER)

    (name,) = commands.executions()
    assert commands.input_of(name) == {"accounts": [{"id": ACCOUNT}]}
    assert printed.status == 0
    assert "1 account needs no run" in printed.output
    assert printed.output.splitlines()[-2:] == [name, f"To watch: rollcall watch {name}"]


def test_nothing_to_do_starts_nothing(rollcall: Rollcall, commands: Commands) -> None:
    found(rollcall, ACCOUNT)
    rollcall.run({"accounts": [{"id": ACCOUNT}]})
    commands.only_start()

    printed = commands.run("start", ACCOUNT, "--json")

    assert (printed.status, printed.document("start")["started"]) == (0, [])
    assert commands.executions() == []


@pytest.mark.parametrize(
    ("accounts", "options", "answer", "asked", "started"),
    [
        ((ACCOUNT,), (), None, False, True),
        ((ACCOUNT, OTHER), (), "y\n", True, True),
        ((ACCOUNT, OTHER), (), "\n", True, False),
        ((ACCOUNT, OTHER), (), "", True, False),
        ((ACCOUNT, OTHER), (), None, False, False),
        ((ACCOUNT, OTHER), ("--yes",), None, False, True),
        ((ACCOUNT, OTHER), ("--dry-run",), None, False, True),
    ],
    ids=["one", "yes", "no", "end of input", "no terminal", "--yes", "--dry-run"],
)
def test_it_asks_before_several_accounts_change(
    rollcall: Rollcall,
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
    accounts: tuple[str, ...],
    options: tuple[str, ...],
    answer: str | None,
    asked: bool,
    started: bool,
) -> None:
    found(rollcall, ACCOUNT, OTHER)
    commands.only_start()
    monkeypatch.setattr("sys.stdin", io.StringIO() if answer is None else Terminal(answer))

    printed = commands.run("start", *accounts, *options)

    assert ("Start 1 run for 2 accounts? [y/N]" in printed.errors) is asked
    assert len(commands.executions()) == started
    assert printed.status == (0 if started else 2)
    if answer is None and not started:
        (line,) = printed.errors.splitlines()
        assert line.startswith("rollcall start: give --yes to start 1 run for 2 accounts")


def test_all_gaps_are_left_to_one_reconcile_with_the_changes_that_were_shown(
    rollcall: Rollcall, commands: Commands
) -> None:
    found(rollcall, ACCOUNT, OTHER)
    commands.only_start()

    (name,) = commands.start("--gaps", "--service", "guardduty", "--region", HERE)
    (only_reported,) = commands.start("--gaps", "--dry-run")

    assert commands.input_of(name) == {
        "services": ["guardduty"],
        "regions": [HERE],
        "most_changes": len({ACCOUNT, OTHER, MANAGEMENT}),
    }
    assert commands.input_of(only_reported) == {"most_changes": 3, "report_only": True}


def test_no_reconcile_is_started_while_another_one_runs(
    rollcall: Rollcall, commands: Commands
) -> None:
    found(rollcall, ACCOUNT)
    rollcall.step("survey_organization", of_run({}, "nightly", rollcall.execution_arn("nightly")))
    commands.only_start()

    printed = commands.run("start", "--gaps", "--yes", "--name", "Trial")
    planned = commands.plan("--gaps")
    rollcall.step("publish_reconcile", of_run({}, "nightly", rollcall.execution_arn("nightly")))

    assert (printed.status, printed.output, commands.executions()) == (2, "", [])
    assert printed.errors == (
        "rollcall start: nothing was started: reconcile nightly is running, and only one runs at a"
        " time; to watch it: rollcall watch nightly --name Trial\n"
    )
    assert planned["notes"] == [
        "reconcile nightly is running: until it has ended, another one starts nothing"
    ]
    assert len(commands.start("--gaps")) == 1


def test_runs_that_are_working_on_all_of_it_are_named(
    rollcall: Rollcall, commands: Commands
) -> None:
    found(rollcall, ACCOUNT)
    document = {"accounts": [{"id": ACCOUNT}], **at("securityhub")}
    rollcall.step("plan_onboarding", of_run(document, "held"))
    commands.only_start()

    printed = commands.run("start", ACCOUNT, *ONE_TARGET)

    assert (printed.status, commands.executions()) == (2, [])
    assert printed.errors.splitlines() == [
        "Nothing was started.",
        "Runs are working on it; to watch: rollcall watch held",
    ]


def test_an_account_outside_is_started_as_the_file_says(
    rollcall: Rollcall, commands: Commands, tmp_path: Path
) -> None:
    found(rollcall)
    rollcall.add_outside(ACCOUNT, email=email(ACCOUNT))
    commands.only_start()
    file = tmp_path / "partners.csv"
    file.write_text(f"id,email,mode\n{ACCOUNT},{email(ACCOUNT)},invitation\n")

    printed = commands.run("start", "--file", str(file))

    (name,) = commands.executions()
    account = {"id": ACCOUNT, "email": email(ACCOUNT), "mode": "invitation"}
    assert commands.input_of(name) == {"accounts": [account]}
    assert "@" not in printed.output + printed.errors + name


def test_after_a_failure_half_way_what_was_started_is_said(
    rollcall: Rollcall, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(rollcall, *MANY)
    commands.only_start()
    real = Executions.start

    def fails_after_the_first(self: Executions, arn: str, name: str, document: object) -> bool:
        if commands.executions():
            raise Throttled("Step Functions StartExecution: ThrottlingException")
        return real(self, arn, name, document)  # type: ignore[arg-type]  # as it was given

    monkeypatch.setattr(Executions, "start", fails_after_the_first)

    printed = commands.run("start", *MANY, *ONE_TARGET, "--yes", "--json")

    assert printed.status == 1
    assert [one["id"] for one in printed.document("start")["started"]] == commands.executions()
    assert printed.errors.startswith("rollcall start: 1 run not started: Step Functions")


def test_what_could_not_be_read_is_not_taken_for_nothing_to_do(
    rollcall: Rollcall, commands: Commands
) -> None:
    found(rollcall, ACCOUNT)
    rollcall.fail(kind="access_denied", service="securityhub", operation="GetMembers", region=HERE)
    commands.only_start()

    printed = commands.run("start", ACCOUNT, *ONE_TARGET)

    assert (printed.status, commands.executions()) == (2, [])
    assert "1 target not read" in printed.output


def test_gaps_that_a_run_has_failed_to_close_are_tried_again_if_that_is_asked_for(
    rollcall: Rollcall, commands: Commands
) -> None:
    found(rollcall, ACCOUNT)
    say(rollcall, "guardduty", "CreateMembers", TAKEN_ANSWER)
    rollcall.run({"accounts": [{"id": ACCOUNT}], **at("guardduty")})
    target = ("--service", "guardduty", "--region", HERE)
    commands.only_start()

    alone = commands.run("start", "--gaps", *target, "--yes")
    (first,) = commands.executions()
    retried = commands.run("start", "--gaps", "--retry-failed", *target, "--yes")

    (name,) = {*commands.executions()} - {first}
    assert commands.input_of(first)["most_changes"] == len({MANAGEMENT})
    assert "retry_failed" not in commands.input_of(first)
    assert "Left alone: 1 gap" in alone.output
    assert "--retry-failed tries them now" in alone.output
    assert commands.input_of(name)["retry_failed"] is True
    assert commands.input_of(name)["most_changes"] == len({MANAGEMENT, ACCOUNT})
    assert "Left alone" not in retried.output
    assert f"create ({TAKEN}" in retried.output


def test_what_failed_last_time_is_said_before_it_is_started_again(
    rollcall: Rollcall, commands: Commands
) -> None:
    found(rollcall, ACCOUNT)
    say(rollcall, "guardduty", "CreateMembers", TAKEN_ANSWER)
    rollcall.run({"accounts": [{"id": ACCOUNT}], **at("guardduty")})
    commands.only_start()

    printed = commands.run("start", ACCOUNT, "--service", "guardduty", "--region", HERE)

    assert f"Absent: create ({TAKEN}" in printed.output
    assert len(commands.executions()) == 1


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["text", "--json"])
def test_a_run_is_watched_to_its_end(
    rollcall: Rollcall,
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
    as_json: tuple[str, ...],
) -> None:
    found(rollcall, ACCOUNT)

    def ended(_seconds: float) -> None:
        for execution in rollcall.session.client("stepfunctions").list_executions(
            stateMachineArn=rollcall.machine_arn
        )["executions"]:
            rollcall.ended(execution["executionArn"])

    monkeypatch.setattr(watch, "follow", partial(follow, sleep=ended))
    monkeypatch.setattr(watch, "watch_quietly", partial(watch_quietly, sleep=ended))

    printed = commands.run("start", ACCOUNT, *ONE_TARGET, "--watch", *as_json)

    assert printed.status == 0, printed
    if not as_json:
        assert "1 of 1 enabled" in printed.output
        return
    # The steps log to standard output, too.
    lines = [line for line in printed.output.splitlines() if line.startswith('{"version"')]
    begun, seen = map(json.loads, lines)
    schema_of("cli/start").validate(begun)
    schema_of("cli/watch").validate(seen)
    assert [one["id"] for one in begun["started"]] == [one["id"] for one in seen["runs"]]
    assert seen["complete"]
