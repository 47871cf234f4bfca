from __future__ import annotations

import json
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from functions.steps import wiring
from infra.cli import plan, runs, show, site, start, status, watch, why
from infra.cli.__main__ import main
from infra.cli.site import Site
from infra.cli.watching import execution_arn
from infra.names import Names
from tests.support.schemas import schema_of

if TYPE_CHECKING:
    from tests.support.rollcall import Rollcall


VERBS = (plan, runs, show, start, status, watch, why)


@dataclass
class Printed:
    """What a command printed, and its exit status."""

    status: int
    output: str
    errors: str

    def document(self, verb: str) -> dict[str, Any]:
        """The document on standard output, once its schema has allowed it."""
        document: dict[str, Any] = json.loads(self.output)
        schema_of(f"cli/{verb}").validate(document)
        return document


@dataclass
class Commands:
    """The command line of a deployment that is in place; ``called`` are the IAM actions used."""

    rollcall: Rollcall
    capsys: pytest.CaptureFixture[str]
    site: Site
    monkeypatch: pytest.MonkeyPatch

    def only_start(self) -> None:
        """Let runs be started by a state machine that does nothing."""
        arn = self.site.outputs["ReconcileMachineArn"]
        self.use(replace(self.site, outputs=dict.fromkeys(self.site.outputs, arn)))

    def use(self, site: Site) -> None:
        """Let the verbs work on this deployment."""
        self.site = site
        for verb in (plan, start, watch):
            self.monkeypatch.setattr(verb, "site_of", lambda *_: site)

    def input_of(self, name: str) -> dict[str, Any]:
        """What an execution of the state machine that does nothing was given."""
        arn = execution_arn(self.site.outputs["ReconcileMachineArn"], name)
        states: Any = self.rollcall.session.client("stepfunctions")
        given: dict[str, Any] = json.loads(states.describe_execution(executionArn=arn)["input"])
        return given

    def executions(self) -> list[str]:
        """The names of the executions of the state machine that does nothing."""
        states: Any = self.rollcall.session.client("stepfunctions")
        arn = self.site.outputs["ReconcileMachineArn"]
        found = states.list_executions(stateMachineArn=arn)["executions"]
        return [one["name"] for one in found]

    def run(self, verb: str, *arguments: str) -> Printed:
        self.capsys.readouterr()  # what steps have logged before
        with self.rollcall.used.of(verb):
            status = main([verb, *arguments])
        printed = self.capsys.readouterr()
        return Printed(status, printed.out, printed.err)

    def plan(self, *arguments: str) -> dict[str, Any]:
        """The plan of these arguments."""
        return self.run("plan", *arguments, "--json").document("plan")

    def start(self, *arguments: str) -> list[str]:
        """The ids of what was started."""
        document = self.run("start", *arguments, "--yes", "--json").document("start")
        return [one["id"] for one in document["started"]]

    def called(self, verb: str) -> set[str]:
        """The IAM actions that a verb has used."""
        return {action for role, action in self.rollcall.used.each if role == verb}


@pytest.fixture
def commands(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    states: Any = rollcall.session.client("stepfunctions")
    passing = {"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}}
    reconciles = states.create_state_machine(
        name="Reconciles",
        definition=json.dumps(passing),
        roleArn="arn:aws:iam::111122223333:role/machine",
    )["stateMachineArn"]
    outputs = {"StateMachineArn": rollcall.machine_arn, "ReconcileMachineArn": reconciles}
    site = Site(Names(), wiring.wiring(), outputs)
    monkeypatch.setattr(start, "time", SimpleNamespace(sleep=rollcall.pass_seconds))
    commands = Commands(rollcall, capsys, site, monkeypatch)
    commands.use(site)
    return commands


@pytest.fixture(autouse=True)
def _verbs_call_what_they_name(rollcall: Rollcall) -> Any:
    """No verb calls anything but its ``ACTIONS``, from which README's policy is made.

    The grants that ``rollcall`` compares with at the end are those of the steps.
    """
    yield
    for verb in VERBS:
        name = verb.__name__.rpartition(".")[2]
        used = {one for one in rollcall.used.each if one[0] == name}
        rollcall.used.each -= used
        assert {action for _, action in used} <= {*verb.ACTIONS, *site.ACTIONS}
