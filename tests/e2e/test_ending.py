"""How a run ends: its exit status and output, and that nothing is left of it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import assert_nothing_is_left

if TYPE_CHECKING:
    from tests.e2e.conftest import Starts

BAD_CONFIGURATION = """
import sys
from dataclasses import replace
from infra.cli.__main__ import main
from infra.cli.local.scenarios import SCENARIOS

SCENARIOS["creation"] = replace(SCENARIOS["creation"], timing={"hold": "soon"})
sys.exit(main(["local"]))
"""


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_deployment_that_is_stopped_leaves_nothing(
    start: Starts, number: signal.Signals, status: int
) -> None:
    command = start("local")
    command.runs("infra.app")

    command.signal(number)

    assert command.ended() == status, command.output
    assert "Traceback" not in command.output
    assert_nothing_is_left(command)


def test_a_run_that_is_stopped_leaves_nothing(start: Starts) -> None:
    command = start("local")
    command.line("^Onboarding ")
    command.runs("_worker.py")

    command.signal(signal.SIGINT)

    assert command.ended() == 130, command.output
    assert "Traceback" not in command.output
    assert_nothing_is_left(command)


def test_a_deployment_that_fails_reports_the_cause_and_leaves_nothing(start: Starts) -> None:
    command = start(program=("-c", BAD_CONFIGURATION))
    command.line("local AWS at ")
    command.note_descendants()

    assert command.ended() == 1, command.output
    assert "rollcall.timing.hold: takes " in command.output
    assert "Traceback" not in command.output
    assert_nothing_is_left(command)


def test_an_unknown_scenario_is_refused_in_one_line(start: Starts) -> None:
    command = start("local", "--scenario", "nonsense")

    assert command.ended() == 2
    (line,) = command.output.splitlines()
    assert "nonsense" in line
    for name in ("creation", "invitation", "trouble", "organization", "backfill"):
        assert name in line
