"""What the scenario ``backfill`` says of runs and of gaps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.coverage import Cell, State
from functions.enrolment.membership import Action, Membership, Outcome
from functions.enrolment.reason import Reason, ReasonCode
from infra.cli.local.backfill import (
    DRIFTED,
    RESIGNED,
    UNTOUCHED,
    Reconciled,
    as_membership,
    is_as_expected,
    progress,
)
from tests.support.builders import ACCOUNT, NOW, OTHER, a_membership, an_onboarding

TARGET = a_membership().target
LEFT = Reason(ReasonCode.RESIGNED, "the member left")
OTHERS = Reason(ReasonCode.OTHER_ADMINISTRATOR, "a member of another administrator")


def shown(*runs: Any) -> str:
    ledger: Any = SimpleNamespace(recent=lambda limit: runs[:limit])
    return progress(ledger, "r1")


def test_progress_counts_the_runs_of_the_reconcile_and_what_the_ended_ones_did() -> None:
    both = (ACCOUNT, OTHER)
    running = an_onboarding(id="r1-1", accounts=both)
    ended = an_onboarding(
        id="r1-0",
        accounts=both,
        closed_at=NOW,
        counts={Outcome.FAILED: 1, Outcome.ENABLED: 23, Outcome.SKIPPED: 0},
    )
    another = an_onboarding(id="r11-0", accounts=both, closed_at=NOW)

    assert shown(another) == "0 runs of 0 accounts, 0 ended"
    assert shown(running, another) == "1 run of 2 accounts, 0 ended"
    assert shown(running, ended) == "2 runs of 4 accounts, 1 ended: 23 enabled, 1 failed"


@pytest.mark.parametrize(
    ("gap", "row", "reason"),
    [
        pytest.param(
            Cell(ACCOUNT, TARGET, State.GAP, "Absent", Action.CREATE),
            a_membership().settled(Outcome.FAILED, OTHERS, NOW),
            str(OTHERS),
            id="that of the last run",
        ),
        pytest.param(
            Cell(ACCOUNT, TARGET, State.GAP, "Resigned", Action.STOP, LEFT),
            None,
            str(LEFT),
            id="why no run is started",
        ),
        pytest.param(
            Cell(ACCOUNT, TARGET, State.GAP, "Removed", Action.CREATE),
            a_membership().settled(Outcome.ENABLED, None, NOW),
            "Removed; a run would create",
            id="what a run would do",
        ),
    ],
)
def test_a_gap_has_a_reason(gap: Cell, row: Membership | None, reason: str) -> None:
    found = as_membership(gap, row)

    assert (found.account_id, found.target, str(found.reason)) == (ACCOUNT, TARGET, reason)


WAITED = {"outcome": "confirmation required", "drift": []}
CHANGED = {"outcome": "complete", "drift": [{"account_id": one} for one in DRIFTED]}


def published(result: dict[str, Any], *channels: str) -> Reconciled:
    return Reconciled({}, dict.fromkeys(channels or ("topic", "bus"), result))


@pytest.mark.parametrize(
    ("first", "last", "with_gaps", "expected"),
    [
        pytest.param(published(WAITED), published(CHANGED), [], True, id="no gaps"),
        pytest.param(published(WAITED), published(CHANGED), [RESIGNED], True, id="a problem"),
        pytest.param(published(WAITED), published(CHANGED), UNTOUCHED[:1], False, id="a gap"),
        pytest.param(published(CHANGED), published(CHANGED), [], False, id="did not wait"),
        pytest.param(published(WAITED), published(WAITED), [], False, id="drift not reported"),
        pytest.param(published(WAITED), published(CHANGED, "bus"), [], False, id="one channel"),
        pytest.param(published(WAITED, "topic"), published(CHANGED), [], False, id="the other"),
    ],
)
def test_the_scenario_succeeds_if_all_that_can_be_enabled_is(
    first: Reconciled, last: Reconciled, with_gaps: list[str], expected: bool
) -> None:
    gaps = [Cell(AccountId(one), TARGET, State.GAP, "Absent") for one in with_gaps]

    assert is_as_expected(first, last, gaps) is expected
