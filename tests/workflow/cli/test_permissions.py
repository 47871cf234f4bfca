"""Each action that a verb names is used by it, and the verb says so where it is denied.

All commands share one world, which none of them changes.
"""

from __future__ import annotations

import io
import itertools
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.pacing import Pacing
from functions.aws.reconciles import RECENT_SECONDS
from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Configuration
from functions.enrolment.scope import Scope
from functions.services import registry
from functions.steps import wiring
from functions.steps.needs import actions_of
from infra.cli import plan, redrive, runs, show, site, start, status, watch, watching, why
from infra.cli.__main__ import app, main
from infra.cli.follow import follow
from tests.support.builders import ACCOUNT, ADMINISTRATOR
from tests.support.events import sample
from tests.support.rollcall import REGION, Rollcall
from tests.support.rollcall import rollcall as in_place
from tests.workflow.hands import apply_policy, configure_centrally, email, of_run, reconcile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from botocore.model import OperationModel

GAP, HELD = AccountId("666677778888"), AccountId("777788889999")
ROLE = f"arn:aws:iam::{ADMINISTRATOR}:role/any"
PASSING_ARN = f"arn:aws:states:{REGION}:{ADMINISTRATOR}:stateMachine:Reconciles"
PASSING = {"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}}
# The commands that use, together, every action which their verb names.
COMMANDS: dict[ModuleType, tuple[str, ...]] = {
    plan: (f"plan {GAP}", "plan --gaps"),
    redrive: (
        f"redrive --state-machine-arn {PASSING_ARN}",
        f"redrive --state-machine-arn {PASSING_ARN} --dry-run",
    ),
    runs: ("runs",),
    show: ("show enrolled", "show nightly"),
    start: ("start --gaps --yes --watch", f"start {GAP} --dry-run --watch"),
    status: ("status --gaps", "status --html PAGE"),
    watch: ("watch enrolled", "watch unplanned"),
    why: (f"why {GAP}",),
}
MEMBERS = {
    action
    for service in registry.SERVICES
    for action in actions_of(service.permissions, "observe", "list")
}
# What a survey goes on without.
SURVEYED = MEMBERS | {
    "account:ListRegions",
    "organizations:ListDelegatedAdministrators",
    "organizations:ListRoots",
    *(each for one in registry.SERVICES for each in one.permissions["automation"]),
}
# What else a verb goes on without, and what it says then if that is not the action.
NOT_NEEDED: dict[ModuleType, dict[str, str]] = {
    redrive: {
        "events:ListRuleNamesByTarget": "",
        "sqs:ChangeMessageVisibility": "",
        "sqs:DeleteMessage": "",
        "states:StartExecution": "",
    },
    show: {"s3:GetObject": "", "states:DescribeExecution": ""},
    status: {
        "organizations:DescribeOrganizationalUnit": "",
        "s3:GetObject": '"history_unread":1',
    },
}
NAMES = {verb: verb.__name__.rpartition(".")[2] for verb in COMMANDS}


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed, and wrote to its page, its exit status, and the actions it used."""

    status: int
    output: str
    errors: str
    page: str
    used: frozenset[str]

    @property
    def said(self) -> str:
        """All that it said."""
        return f"{self.output}\n{self.errors}\n{self.page}"


@dataclass
class Operator:
    """Someone with the administrator's credentials."""

    rollcall: Rollcall
    page: Path
    queue: str
    done: dict[str, Done] = field(default_factory=dict)

    def runs(self, command: str, *, denied: str | None = None) -> Done:
        """Run a command, by default with every permission: once for all tests."""
        if denied is None and command in self.done:
            return self.done[command]
        words = [str(self.page) if word == "PAGE" else word for word in command.split()]
        used, output, errors = self.rollcall.used, io.StringIO(), io.StringIO()
        self.page.unlink(missing_ok=True)
        if words[0] == "redrive":
            self._undeliver()
        with redirect_stdout(output), redirect_stderr(errors), used.of(words[0]):
            used.denied = denied
            try:
                ended = main(words)
            finally:
                used.denied = None
        mine = {one for one in used.each if one[0] == words[0]}
        used.each -= mine
        actions = frozenset(action for _, action in mine)
        page = self.page.read_text() if self.page.exists() else ""
        done = Done(ended, output.getvalue(), errors.getvalue(), page, actions)
        if denied is None:
            self.done[command] = done
        return done

    def _undeliver(self) -> None:
        """Let the queue have one event that could not be delivered."""
        queues: Any = self.rollcall.session.client("sqs")
        event = json.dumps(sample("create_account_result_succeeded"))
        queues.send_message(QueueUrl=self.queue, MessageBody=event)


@pytest.fixture(scope="module")
def rollcall(definition: dict[str, Any]) -> Iterator[Rollcall]:
    """Rollcall in one process, with rows, runs and results of every kind."""
    scope = Scope(exclude_tags={"enrol": "no"})
    configuration = Configuration((REGION, "ap-east-1"), registry.SERVICES, scope=scope)
    with (
        pytest.MonkeyPatch.context() as patch,
        in_place(definition, configuration, patch, {}) as running,
    ):
        # All clients are made once, and would wait for the pacing of every command.
        patch.setattr(Pacing, "attach", lambda *_: None)
        yield running


@pytest.fixture(scope="module")
def operator(rollcall: Rollcall, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    furnish(rollcall)
    session = SimpleNamespace(Session=lambda **_: rollcall.session)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "boto3", session)
        patch.setattr(site, "time", SimpleNamespace(time=rollcall.clock.now))
        patch.setattr(redrive, "boto3", session)
        patch.setattr(redrive, "LONG_POLL_SECONDS", 0)
        made = Operator(rollcall, tmp_path_factory.mktemp("page") / "x.html", deploy(rollcall))
        # Executions are watched without pauses, while the virtual time stands still.
        patch.setattr(watching, "DESCRIBE_SECONDS", 0)
        quickly = partial(follow, now=itertools.count().__next__, sleep=lambda _: None)
        patch.setattr(watch, "follow", quickly)
        # What is started in the same minute again is not: no step runs beside a command.
        main(["start", GAP, "--dry-run"])
        states: Any = rollcall.session.client("stepfunctions")
        for each in states.list_executions(stateMachineArn=rollcall.machine_arn)["executions"]:
            rollcall.ended(each["executionArn"])
        yield made


def furnish(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    for account in (ACCOUNT, GAP, HELD):
        rollcall.add_account(account, email=email(account))
    root = rollcall.organizations("ListRoots")["Roots"][0]["Id"]
    unit = rollcall.organizations("CreateOrganizationalUnit", ParentId=root, Name="Some")
    rollcall.organizations(
        "MoveAccount",
        AccountId=ACCOUNT,
        SourceParentId=root,
        DestinationParentId=unit["OrganizationalUnit"]["Id"],
    )
    rollcall.run({"accounts": [{"id": ACCOUNT}]}, "enrolled")
    rollcall.step("plan_onboarding", of_run({"accounts": [{"id": HELD}]}, "held"))
    reconcile(rollcall, {"report_only": True}, "nightly")
    # A reconcile whose execution ended before it released the lock.
    dead = of_run({"report_only": True}, "dead", rollcall.execution_arn("dead"))
    rollcall.step("survey_organization", dead)
    rollcall.pass_seconds(2 * RECENT_SECONDS)
    configure_centrally(rollcall)
    apply_policy(rollcall, GAP, enabled=True)


def deploy(rollcall: Rollcall) -> str:
    """The stack's outputs, and the settings of its function, for which moto would need more
    packages and more resources. Returns the URL of the queue.
    """
    session: Any = rollcall.session
    settings = wiring.wiring().settings
    reconciles = session.client("stepfunctions").create_state_machine(
        name="Reconciles", definition=json.dumps(PASSING), roleArn=ROLE
    )["stateMachineArn"]
    queue: str = session.client("sqs").create_queue(QueueName="undelivered")["QueueUrl"]
    outputs = {
        "StateMachineArn": rollcall.machine_arn,
        "ReconcileMachineArn": reconciles,
        "StartRunsFunctionArn": "StartRuns",
        "UndeliveredEventsUrl": queue,
        "BusName": "default",
        "BusArn": f"arn:aws:events:{REGION}:{ADMINISTRATOR}:event-bus/default",
        "EventArchiveArn": f"arn:aws:events:{REGION}:{ADMINISTRATOR}:archive/arrivals",
    }
    stack = {"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()]}
    variables = {
        "ROLLCALL_ADMINISTRATOR": settings.administrator_id,
        "ROLLCALL_PARTITION": settings.partition,
        "ROLLCALL_CONFIGURATION": json.dumps(settings.configuration.to_json()),
        "ROLLCALL_TABLE": settings.table_name,
        "ROLLCALL_RESULTS_BUCKET": settings.results_bucket_name,
    }
    answers = {
        "DescribeStacks": {"Stacks": [stack]},
        "GetFunctionConfiguration": {"Environment": {"Variables": variables}},
    }

    def answer(model: OperationModel, **_: object) -> Any:
        parsed = answers.get(model.name)
        return (SimpleNamespace(status_code=200), parsed) if parsed else None

    session.events.register_last("before-call", answer)
    return queue


def test_every_verb_has_commands_here() -> None:
    """But ``local``, which calls nothing of AWS, and ``doctor`` (tests/unit/cli/doctor)."""
    assert {*NAMES.values(), "doctor", "local"} == {each.name for each in app.registered_commands}


def needed(verb: ModuleType) -> set[str]:
    """The actions that a verb names; ``redrive`` reads less of the deployment than the others."""
    return {*verb.ACTIONS, *(() if verb is redrive else site.ACTIONS)}


@pytest.mark.parametrize("verb", COMMANDS, ids=NAMES.get)
def test_a_verb_uses_the_actions_that_it_names_and_no_other(
    operator: Operator, verb: ModuleType
) -> None:
    used = {action for command in COMMANDS[verb] for action in operator.runs(command).used}

    assert [f"{NAMES[verb]} uses {each}" for each in sorted(used - needed(verb))] == []
    assert [f"{NAMES[verb]} never uses {each}" for each in sorted(needed(verb) - used)] == []


@pytest.mark.parametrize(
    ("verb", "action"),
    [(verb, action) for verb in COMMANDS for action in sorted(needed(verb))],
    ids=lambda value: NAMES.get(value, value),
)
def test_an_action_that_is_denied_is_named(
    operator: Operator, verb: ModuleType, action: str
) -> None:
    """In one line, and nothing is done; or in what the verb prints of all else."""
    commands = (each for each in COMMANDS[verb] if action in operator.runs(each).used)

    done = operator.runs(next(commands), denied=action)

    if action in SURVEYED or action in NOT_NEEDED.get(verb, ()):
        operation = action.partition(":")[2]
        ways = (
            f" {operation}: AccessDeniedException: User: ",
            f"({action} was refused)",
            f"; to do: allow {action} (README.md, The operator's permissions)",
            NOT_NEEDED.get(verb, {}).get(action) or "never",
        )
        assert any(way in done.said for way in ways), done.said
        # What is not read may be a gap; a run that is started reads it again.
        assert done.status == 1 or action not in MEMBERS or verb is start
        return
    (line,) = done.errors.splitlines()
    assert line.startswith(f"rollcall {NAMES[verb]}: ")
    assert line.endswith(f"; to do: allow {action} (README.md, The operator's permissions)")
    assert done.status == (1 if verb is plan else 2)
    if action in {*plan.ACTIONS, *site.ACTIONS}:
        assert "states:StartExecution" not in done.used
        assert done.output == ""
