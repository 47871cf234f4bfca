"""README.md says what an operator has to be allowed: what the verbs say that they call."""

from __future__ import annotations

import json
import re

from infra.cli import plan, redrive, runs, show, site, start, status, watch, why
from infra.cli.__main__ import app
from infra.cli.doctor import verb as doctor
from tests.conftest import ROOT

READING = (doctor, plan, runs, show, status, watch, why)
# ``local`` calls nothing of AWS, ``redrive`` reads a queue and starts executions.
OTHERS = {"local", "redrive", "start"}


def section() -> str:
    readme = (ROOT / "README.md").read_text()
    return readme.partition("### The operator's permissions")[2].partition("\n## ")[0]


def policies() -> list[list[str]]:
    """The actions of each policy in the section, in its order."""
    blocks = re.findall(r"```json\n(.*?)```", section(), re.DOTALL)
    return [json.loads(block)["Action"] for block in blocks]


def test_the_verbs_that_only_read_need_the_first_policy() -> None:
    needed = {action for verb in READING for action in verb.ACTIONS} | set(site.ACTIONS)

    assert policies()[0] == sorted(needed)


def test_starting_runs_needs_one_action_more() -> None:
    assert set(start.ACTIONS) - set(policies()[0]) == {"states:StartExecution"}


def test_redriving_needs_that_and_the_actions_on_the_queue() -> None:
    beside = set(redrive.ACTIONS) - set(policies()[0])

    (words,) = re.findall(r"and `redrive` that and (.*?) on the queue", section(), re.DOTALL)
    assert beside == {"states:StartExecution", *re.findall(r"`(.*?)`", words)}


def test_the_doctor_needs_the_second_policy_in_the_management_account() -> None:
    assert policies()[1] == sorted(doctor.MANAGEMENT_ACTIONS)


def test_every_verb_is_covered() -> None:
    covered = {verb.__name__.split(".")[2] for verb in READING}
    assert {verb.name for verb in app.registered_commands} == covered | OTHERS
