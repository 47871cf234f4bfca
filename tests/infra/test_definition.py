"""The state machines' definitions: valid, and in step with the code they run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment import errors
from functions.enrolment.configuration import MOST_REGIONS
from functions.enrolment.documents import REPORT
from functions.enrolment.membership import Action
from functions.services import registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
VALIDATOR = ROOT / "node_modules" / ".bin" / "asl-validator"
MAP = "Enrol In Targets"
# What Step Functions and Lambda raise themselves.
THEIRS = ("States.", "Lambda.", "Sandbox.", "Runtime.")


@pytest.fixture(params=["definition", "reconcile_definition"])
def each(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each machine's definition."""
    definition: dict[str, Any] = request.getfixturevalue(request.param)
    return definition


@pytest.fixture
def loop(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The states of a child execution."""
    states: dict[str, Any] = definition["States"][MAP]["ItemProcessor"]["States"]
    return states


def all_states(definition: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in definition["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from all_states(state["ItemProcessor"])


def tasks(definition: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: s for name, s in all_states(definition) if s["Type"] == "Task"}


def retried(state: Mapping[str, Any]) -> set[str]:
    return {error for retrier in state["Retry"] for error in retrier["ErrorEquals"]}


def test_the_validator_accepts_it(each: Mapping[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "definition.json"
    path.write_text(json.dumps(each))

    done = subprocess.run(  # noqa: S603  # pinned in package-lock.json
        [VALIDATOR, "--json-path", path], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "is valid" in done.stdout


def test_every_task_is_named_as_the_step_it_runs(each: Mapping[str, Any]) -> None:
    for name, task in tasks(each).items():
        module, alias = task["Resource"].split(":")[-2:]
        assert alias == "live"
        assert name == module.replace("_", " ").title()


def test_errors_are_named_as_their_classes(each: Mapping[str, Any]) -> None:
    handled = {
        error
        for _, state in all_states(each)
        for handler in (*state.get("Retry", ()), *state.get("Catch", ()))
        for error in handler["ErrorEquals"]
    }
    ours = {error for error in handled if not error.startswith(THEIRS)}

    assert ours
    for error in ours:
        assert issubclass(getattr(errors, error), errors.RollcallError)


def test_every_task_retries_what_heals_and_only_by_name(each: Mapping[str, Any]) -> None:
    for name, task in tasks(each).items():
        assert retried(task) >= {
            "Throttled",
            "ServiceUnavailable",
            "Conflict",
            "Lambda.TooManyRequestsException",
            "Lambda.Unknown",
            "Runtime.ExitError",
        }, name
        assert not {"States.ALL", "States.TaskFailed"} & retried(task), name
        permanent = {error.__name__ for error in errors.Permanent.__subclasses__()}
        assert not permanent & retried(task), name
        for retrier in task["Retry"]:
            assert retrier["BackoffRate"] == 2
            assert retrier["MaxDelaySeconds"] > retrier["IntervalSeconds"]


def test_a_run_begins_after_the_time_that_its_input_gives(definition: Mapping[str, Any]) -> None:
    begins_later = definition["States"][definition["StartAt"]]
    (choice,) = begins_later["Choices"]
    whole = definition["States"][choice["Next"]]
    wait = definition["States"][whole["Next"]]

    assert choice["And"] == [
        {"Variable": "$.begin_after", "IsPresent": True},
        {"Variable": "$.begin_after", "IsNumeric": True},
        {"Variable": "$.begin_after", "NumericGreaterThanEquals": 1},
        {"Variable": "$.begin_after", "NumericLessThanEquals": 3600},
    ]
    assert whole["Parameters"] == {"seconds.$": "States.MathAdd($.begin_after, 0)"}
    assert (wait["Type"], wait["SecondsPath"]) == ("Wait", "$.seconds")
    assert {begins_later["Default"], wait["Next"]} == {"Plan Onboarding"}


def test_only_planning_waits_for_an_account_to_be_ready(definition: Mapping[str, Any]) -> None:
    waiting = [
        name for name, task in tasks(definition).items() if "AccountNotReady" in retried(task)
    ]

    assert waiting == ["Plan Onboarding"]


def test_whatever_planning_and_publishing_end_with_closes_the_run(
    definition: Mapping[str, Any],
) -> None:
    for name in ("Plan Onboarding", "Publish Results"):
        (catcher,) = definition["States"][name]["Catch"]
        # The error becomes the whole input: an execution's own input may be anything.
        assert catcher == {"ErrorEquals": ["States.ALL"], "Next": "Close Run"}
    close = definition["States"]["Close Run"]
    assert close["Parameters"] == {
        "failure.$": "$",
        "input.$": "$$.Execution.Input",
        "onboarding_id.$": "$$.Execution.Name",
        "started_at.$": "$$.Execution.StartTime",
        "execution_arn.$": "$$.Execution.Id",
    }
    failed = definition["States"][close["Next"]]
    assert (failed["Type"], failed["ErrorPath"], failed["CausePath"]) == (
        "Fail",
        "$.error",
        "$.cause",
    )


def test_a_child_is_given_what_its_target_needs(definition: Mapping[str, Any]) -> None:
    enrol = definition["States"][MAP]

    assert enrol["ItemProcessor"]["ProcessorConfig"] == {
        "Mode": "DISTRIBUTED",
        "ExecutionType": "STANDARD",
    }
    assert enrol["ItemsPath"] == "$.targets"
    # A target that waits for people keeps no other from its place.
    assert enrol["MaxConcurrency"] >= MOST_REGIONS * len(registry.SERVICES)
    # A child that fails of what cannot be caught stops no other.
    assert enrol["ToleratedFailureCount"] >= MOST_REGIONS * len(registry.SERVICES)
    assert enrol["ItemSelector"] == {
        "onboarding_id.$": "$.onboarding_id",
        "dry_run.$": "$.dry_run",
        "accounts.$": "$.accounts",
        "target.$": "$$.Map.Item.Value",
        "reports": True,
    }


def test_nothing_large_comes_back_from_a_child(
    definition: Mapping[str, Any], loop: Mapping[str, Any]
) -> None:
    (end,) = [state for state in loop.values() if state.get("End")]

    assert end["Type"] == "Pass"
    assert end["Result"] == {}
    assert definition["States"][MAP]["ResultPath"] is None


def test_no_error_leaves_a_child(loop: Mapping[str, Any]) -> None:
    for name, state in loop.items():
        assert state["Type"] != "Fail"
        if state["Type"] == "Task":
            (catcher,) = state["Catch"]
            assert catcher["ErrorEquals"] == ["States.ALL"]
            # What cannot be published in between is published in the end.
            ends = {"Fail Target": "Settled", "Publish Interim": "Wait"}
            assert catcher["Next"] == ends.get(name, "Fail Target")


def test_a_map_that_fails_is_published_too(definition: Mapping[str, Any]) -> None:
    (catcher,) = definition["States"][MAP]["Catch"]

    assert catcher == {
        "ErrorEquals": ["States.ALL"],
        "ResultPath": "$.map_failure",
        "Next": "Publish Results",
    }


def test_every_action_leads_to_its_step_and_back_through_the_wait(loop: Mapping[str, Any]) -> None:
    choices = {choice["StringEquals"]: choice["Next"] for choice in loop["Next Action"]["Choices"]}

    assert choices == {
        Action.CREATE: "Create Members",
        Action.INVITE: "Invite Members",
        Action.ACCEPT: "Accept Invitations",
        Action.RESTART: "Restart Members",
        REPORT: "Publish Interim",
        Action.WAIT: "Wait",
        Action.STOP: "Settled",
    }
    assert loop["Next Action"]["Default"] == "Fail Target"
    for action in (Action.CREATE, Action.INVITE, Action.ACCEPT, Action.RESTART, REPORT):
        assert loop[choices[action]]["Next"] == "Wait"
    assert loop["Wait"]["SecondsPath"] == "$.wait_seconds"
    assert loop["Wait"]["Next"] == "Get Members"


def test_every_verdict_has_its_end(definition: Mapping[str, Any]) -> None:
    planned = definition["States"]["What Is Planned"]
    choices = {choice["StringEquals"]: choice["Next"] for choice in planned["Choices"]}

    assert choices["enrol"] == MAP
    assert definition["States"][choices["duplicate"]]["Type"] == "Succeed"
    assert planned["Default"] == "Publish Results"


def test_an_incomplete_onboarding_fails_with_its_cause(definition: Mapping[str, Any]) -> None:
    complete = definition["States"]["Is It Complete"]
    incomplete = definition["States"][complete["Default"]]

    (choice,) = complete["Choices"]
    assert (choice["Variable"], choice["BooleanEquals"]) == ("$.result.complete", True)
    assert definition["States"][choice["Next"]]["Type"] == "Succeed"
    assert (incomplete["Error"], incomplete["CausePath"]) == (
        "OnboardingIncomplete",
        "$.result.cause",
    )


def test_each_step_of_a_reconcile_is_told_of_the_execution(
    reconcile_definition: Mapping[str, Any],
) -> None:
    states = reconcile_definition["States"]
    run = {
        "input.$": "$$.Execution.Input",
        "onboarding_id.$": "$$.Execution.Name",
        "started_at.$": "$$.Execution.StartTime",
        "execution_arn.$": "$$.Execution.Id",
    }

    for name in ("Survey Organization", "Start Runs", "Await Runs"):
        assert states[name]["Parameters"] == run
        # The error becomes the whole input: an execution's own input may be anything.
        assert states[name]["Catch"] == [{"ErrorEquals": ["States.ALL"], "Next": "Failure"}]
    assert states["Failure"]["Parameters"] == run | {"failure.$": "$"}
    assert states["No Failure"]["Parameters"] == run
    for name in ("Failure", "No Failure"):
        assert states[name]["Next"] == "Publish Reconcile"
