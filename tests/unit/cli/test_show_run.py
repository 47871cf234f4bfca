"""A run whose record and execution do not agree, or that has not begun everything."""

from __future__ import annotations

from dataclasses import replace

import pytest

from functions.aws.executions import Execution
from functions.aws.ledger import Findings
from functions.enrolment.account import Account, Mode
from functions.enrolment.plan import Plan
from infra.cli.begun import State
from infra.cli.show_run import ShownRun, run_document, run_text
from tests.support.builders import (
    ACCOUNT,
    NOW,
    TARGET,
    a_configuration,
    a_membership,
    an_onboarding,
)
from tests.support.schemas import schema_of

PLAN = Plan((Account(ACCOUNT, None, Mode.ORGANIZATION),), (TARGET,))
FINDINGS = Findings(an_onboarding(execution_arn="arn:one"), PLAN, own=(), missing=(a_membership(),))


def shown(findings: Findings, execution: Execution | None, after: float = 60) -> ShownRun:
    return ShownRun(findings, execution, a_configuration(), "results", NOW + after)


def test_what_is_planned_and_not_begun_is_waited_for() -> None:
    run = shown(FINDINGS, Execution("arn:one", "RUNNING", NOW))
    document = run_document(run)

    schema_of("cli/show").validate(document)
    assert (document["waiting"], document["complete_document"]) == (1, None)
    (membership,) = document["memberships"]
    assert (membership["outcome"], membership["reason_code"]) == (None, "not-read")
    *_, line = [text.plain for text in run_text(run, None)]
    assert line == f"{ACCOUNT}  GuardDuty  eu-west-1  waiting  waits: not read yet"


@pytest.mark.parametrize(
    ("execution", "after", "state"),
    [
        (None, 60, State.RUNNING),
        (None, 1000, State.INTERRUPTED),
        (Execution("arn:one", "RUNNING", NOW), 1000, State.RUNNING),
        (Execution("arn:one", "ABORTED", NOW, NOW + 30), 60, State.INTERRUPTED),
    ],
    ids=["unknown", "unknown, no lease", "running, no lease", "aborted"],
)
def test_a_run_without_an_outcome_stands_as_its_execution_does(
    execution: Execution | None, after: float, state: State
) -> None:
    assert shown(FINDINGS, execution, after).begun.state is state


def test_where_it_could_not_be_published_is_told() -> None:
    record = replace(
        FINDINGS.onboarding,
        outcome="incomplete",
        closed_at=NOW,
        published={"message": "m-1"},
        unfinished=("event", "memberships"),
    )
    run = shown(replace(FINDINGS, onboarding=record), None)
    document = run_document(run)

    schema_of("cli/show").validate(document)
    assert document["unpublished"] == ["event"]
    lines = [text.plain.strip() for text in run_text(run, None)]
    assert "Not published: event; the next reconcile tries again" in lines
