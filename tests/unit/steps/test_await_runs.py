"""Await Runs waits until every run of the reconcile is closed, or their time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.builders import NOW
from tests.unit.steps.reconciling import (
    end_run,
    later,
    organization,
    start,
    survey,
    the_reconcile,
    wait,
)

if TYPE_CHECKING:
    from tests.unit.steps.support import Wired


@pytest.fixture
def wiring() -> Wired:
    wiring = organization()
    survey(wiring)
    start(wiring)
    return wiring


@pytest.mark.parametrize(
    ("age", "seconds"), [(0, 15), (120, 15), (240, 30), (2400, 300), (4000, 300)]
)
@pytest.mark.parametrize("begun", [False, True], ids=["not begun", "open"])
def test_the_wait_grows_with_the_age_of_the_runs(
    wiring: Wired, age: float, seconds: int, begun: bool
) -> None:
    if begun:
        end_run(wiring, "", {})

    assert wait(later(wiring, age)) == {"next": "wait", "wait_seconds": seconds, "open": 1}


@pytest.mark.parametrize("outcome", ["complete", "incomplete", "refused: no"])
def test_when_every_run_is_closed_the_result_is_published(wiring: Wired, outcome: str) -> None:
    end_run(wiring, outcome, {})

    assert wait(later(wiring, 60))["next"] == "publish"


def test_runs_are_not_awaited_for_ever(wiring: Wired) -> None:
    until = (the_reconcile(wiring).await_until or 0) - NOW

    assert wait(later(wiring, until - 1))["next"] == "wait"
    assert wait(later(wiring, until))["next"] == "publish"
