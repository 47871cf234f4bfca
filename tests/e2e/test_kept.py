"""A local AWS that is kept running after the invitations: its state, and further runs in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.ledger import Ledger
from functions.aws.rows import Rows
from functions.enrolment.account import AccountId
from functions.enrolment.membership import Status
from functions.services import registry
from infra.cli.local.deployment import NAMES, Deployer, Place
from infra.cli.local.scenarios import (
    ADMINISTRATOR,
    HOME_REGION,
    INVITED,
    INVITED_WITH_ROLE,
    MANAGEMENT,
    REGIONS,
    SCENARIOS,
    SERVICES,
)
from infra.cli.stack import stack_outputs
from infra.local.process import LocalAws
from tests.e2e.support import (
    LABELS,
    PATIENCE,
    ROOT,
    assert_nothing_is_left,
    eventually,
    memberships,
)
from tests.support.events import create_account_result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from functions.enrolment.membership import Membership
    from functions.enrolment.records import OnboardingRecord
    from tests.e2e.support import Command

TARGETS = set(product(SERVICES, REGIONS))


class Kept:
    """The command after its run, and the AWS that it keeps running."""

    def __init__(self, command: Command) -> None:
        self.command = command
        command.line("^aws dynamodb query .*\n")
        url = command.line(r"^export AWS_ENDPOINT_URL=(\S+)")[1]
        self.aws = LocalAws(command.process, url)
        self._machines = self.aws.client("stepfunctions", ADMINISTRATOR, HOME_REGION)
        stacks = self.aws.client("cloudformation", ADMINISTRATOR, HOME_REGION)
        outputs = stack_outputs(stacks, NAMES.stack, "StateMachineArn")
        self.machine_arn: str = outputs["StateMachineArn"]
        dynamodb = self.aws.client("dynamodb", ADMINISTRATOR, HOME_REGION)
        (table,) = dynamodb.list_tables()["TableNames"]
        self.ledger = Ledger(Rows(dynamodb, table), registry.SERVICES)

    def start(self, **document: object) -> str:
        """Start an execution by hand; returns the onboarding's id."""
        execution = self._machines.start_execution(
            stateMachineArn=self.machine_arn, input=json.dumps(document)
        )
        return str(execution["executionArn"].rpartition(":")[2])

    def ended(
        self, onboarding_id: str, statuses: Sequence[str] = ("SUCCEEDED",)
    ) -> OnboardingRecord:
        """The record of an onboarding whose execution ended with one of ``statuses``."""
        arn = self.execution_arn(onboarding_id)
        described = eventually(lambda: self._unless_running(arn), f"the end of {onboarding_id}")
        assert described["status"] in statuses, described
        record = self.ledger.onboarding(onboarding_id)
        assert record is not None
        return record

    def execution_arn(self, onboarding_id: str) -> str:
        return f"{self.machine_arn.replace(':stateMachine:', ':execution:')}:{onboarding_id}"

    def closed(self, onboarding_id: str) -> OnboardingRecord | None:
        """The record of an onboarding, once it is closed."""
        record = self.ledger.onboarding(onboarding_id)
        return record if record and record.closed_at else None

    def stop(self, onboarding_id: str) -> None:
        """Stop an execution, as a person does in the console."""
        self._machines.stop_execution(executionArn=self.execution_arn(onboarding_id))

    def memberships(self, onboarding_id: str) -> Sequence[Membership]:
        """A run's own memberships."""
        found = self.ledger.findings(onboarding_id)
        return found.own if found else ()

    def onboardings_of(self, account_id: str) -> Sequence[OnboardingRecord]:
        return [one for one in self.ledger.recent(20) if account_id in one.accounts]

    def enrolment_of(self, account_id: str) -> OnboardingRecord:
        """The onboarding of the account that acted, once it is closed."""

        def look() -> OnboardingRecord | None:
            found = (one for one in self.onboardings_of(account_id) if one.outcome)
            return next((one for one in found if not str(one.outcome).startswith("dup")), None)

        return eventually(look, f"the enrolment of {account_id}")

    def created(self, request: str) -> str:
        """The account created by a CreateAccount request."""
        organizations = self.aws.client("organizations", MANAGEMENT, HOME_REGION)

        def look() -> str | None:
            answer = organizations.describe_create_account_status(CreateAccountRequestId=request)
            account_id: str | None = answer["CreateAccountStatus"].get("AccountId")
            return account_id

        return eventually(look, "the account that is created")

    def calls(self) -> list[dict[str, Any]]:
        """The calls to the member services."""
        calls = self.aws.control("GET", "calls")["calls"]
        return [call for call in calls if call["service"] in SERVICES]

    def _unless_running(self, arn: str) -> dict[str, Any] | None:
        described: dict[str, Any] = self._machines.describe_execution(executionArn=arn)
        return None if described["status"] == "RUNNING" else described


@pytest.fixture(scope="module")
def kept(side_by_side: Mapping[str, Command]) -> Kept:
    return Kept(side_by_side["invitation"])


@pytest.fixture
def aws_cli(tmp_path: Path) -> Path:
    """A folder with the program ``aws``."""
    program = tmp_path / "bin" / "aws"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.support.aws_cli "$@"\n')
    program.chmod(0o755)
    return program.parent


@pytest.fixture
def account(kept: Kept, request: pytest.FixtureRequest) -> str:
    """An account of the organisation that Rollcall has never processed."""
    account_id = f"{abs(hash(request.node.name)) % 10**12:012}"
    kept.aws.world(do="add_account", organization=MANAGEMENT, account_id=account_id)
    return account_id


def outcomes_of(record: OnboardingRecord) -> dict[str, int]:
    return {outcome: int(count) for outcome, count in record.counts.items() if count}


def at_once(act: Callable[[], str]) -> tuple[str, str]:
    """The results of two threads that start at the same instant."""
    begin = Barrier(2)

    def wait_and_act() -> str:
        begin.wait()
        return act()

    with ThreadPoolExecutor(2) as both:
        first, second = both.submit(wait_and_act), both.submit(wait_and_act)
        return first.result(), second.result()


def test_accounts_outside_the_organisation_are_enabled_after_an_invitation(kept: Kept) -> None:
    output = kept.command.output

    ended = memberships(output)
    expected = product((INVITED, INVITED_WITH_ROLE), LABELS, REGIONS)
    assert sorted((m.account_id, m.service, m.region) for m in ended) == sorted(expected)
    assert {m.outcome for m in ended} == {"enabled"}
    assert "Execution SUCCEEDED" in output
    assert "Result from the topic arrived" in output
    assert "Result from the bus arrived" in output


def test_rollcall_accepts_for_the_account_with_the_role_and_for_no_other(kept: Kept) -> None:
    accepted = [call for call in kept.calls() if (call["operation"] or "").startswith("Accept")]

    assert {call["account_id"] for call in accepted} == {INVITED_WITH_ROLE}
    assert Counter((c["service"], c["region"]) for c in accepted) == dict.fromkeys(TARGETS, 1)
    assert INVITED not in {call["account_id"] for call in kept.calls()}


def test_every_account_is_invited_once(kept: Kept) -> None:
    invitations = kept.aws.control("GET", "state")["invitations"]

    expected = product(SERVICES, REGIONS, (INVITED, INVITED_WITH_ROLE))
    sent = {(one["service"], one["region"], one["account_id"]): one["sent"] for one in invitations}
    assert sent == dict.fromkeys(expected, 1)


def test_the_printed_commands_work_when_pasted(kept: Kept, aws_cli: Path) -> None:
    printed = kept.command.output[kept.command.output.index("export ") :]
    path = f"{aws_cli}{os.pathsep}{os.environ['PATH']}"
    before = len(kept.calls())

    done = subprocess.run(  # noqa: S603  # what is to be tested
        ["bash", "-eu", "-c", printed],  # noqa: S607  # wherever bash is
        cwd=ROOT,
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    execution, creation, table = map(json.loads, done.stdout.splitlines())
    assert table["Count"] == len(TARGETS)
    again = kept.ended(execution["executionArn"].rpartition(":")[2])
    assert outcomes_of(again) == {"already enabled": 24}
    created = kept.enrolment_of(kept.created(creation["CreateAccountStatus"]["Id"]))
    assert outcomes_of(created) == {"enabled": 12}
    assert Counter(
        (call["service"], call["region"])
        for call in kept.calls()[before:]
        if call["operation"] == "CreateMembers"
    ) == dict.fromkeys(TARGETS, 1)


def test_the_doctor_finds_that_all_is_there(kept: Kept, tmp_path: Path) -> None:
    """The deployment is watched by nobody, and the management account has enabled nothing."""
    profile = tmp_path / "config"
    profile.write_text(
        f"[profile management]\naws_access_key_id = {MANAGEMENT}\naws_secret_access_key = local\n"
    )
    config = tmp_path / "cdk.json"
    organization = kept.aws.client("organizations", ADMINISTRATOR, HOME_REGION)
    organization_id = organization.describe_organization()["Organization"]["Id"]
    context = {"rollcall": SCENARIOS["invitation"].configuration(organization_id)}
    config.write_text(json.dumps({"context": context}))
    options = ("--config", str(config), "--management-profile", "management", "--rehearse")
    done = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-m", "infra.cli", "doctor", "--json", *options],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            **kept.aws.environment(ADMINISTRATOR, HOME_REGION),
            "AWS_CONFIG_FILE": str(profile),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )

    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["counts"]["fail"] == 0
    warned = {one["check"] for one in document["findings"] if one["level"] == "warn"}
    assert warned == {
        "alarms-topic",
        "management-account",
        "member-role-trust",
        "recorded-events",
    }


def test_of_two_executions_at_the_same_instant_one_acts(kept: Kept, account: str) -> None:
    before = len(kept.calls())

    both = at_once(lambda: kept.start(accounts=[{"id": account}], regions=[HOME_REGION]))

    # A run that leaves everything to another run fails and names the run to watch.
    ends = [outcomes_of(kept.ended(one, ("SUCCEEDED", "FAILED"))) for one in both]
    acted = both[ends.index({"enabled": 3})]
    assert ends[acted == both[0]] == {"skipped": 3}
    assert {membership.outcome for membership in kept.memberships(acted)} == {"enabled"}
    created = [call for call in kept.calls()[before:] if call["operation"] == "CreateMembers"]
    assert sorted(call["service"] for call in created) == sorted(SERVICES)


def test_an_execution_that_starts_during_another_does_not_interfere(
    kept: Kept, account: str
) -> None:
    document = {"accounts": [{"id": account}], "regions": [HOME_REGION]}
    first = kept.start(**document)
    eventually(lambda: any(m.outcome for m in kept.memberships(first)), "a first outcome")

    second = kept.start(**document)

    # Memberships with an outcome are free; the others are left to the run that owns them.
    counts = outcomes_of(kept.ended(second))
    assert counts["already enabled"] + counts.get("skipped", 0) == 3
    assert outcomes_of(kept.ended(first)) == {"enabled": 3}


def test_an_aborted_run_is_closed_by_its_event_and_another_continues_from_there(kept: Kept) -> None:
    silent = AccountId("121212121212")
    email = "silent-one@example.com"
    kept.aws.world(do="add_account", account_id=silent, email=email)
    account = {"id": silent, "email": email, "mode": "invitation"}
    document = {"accounts": [account], "regions": [HOME_REGION]}
    aborted = kept.start(**document)
    eventually(
        lambda: [m.status for m in kept.memberships(aborted)].count(Status.INVITED) == 3,
        "the invitations",
    )

    kept.stop(aborted)

    record = eventually(lambda: kept.closed(aborted), "the closing of the run")
    assert (record.outcome, outcomes_of(record)) == ("the execution was aborted", {"failed": 3})
    assert record.published.keys() >= {"event", "message"}
    eventually(
        lambda: not any(m.is_acting(time.time()) for m in kept.memberships(aborted)),
        "the end of what it had begun",
    )
    kept.aws.world(do="set_account", account_id=silent, accepts_after=0)
    again = kept.ended(kept.start(**document))
    assert (
        sum(outcomes_of(again).values())
        == again.counts["enabled"] + again.counts["already enabled"]
    )
    invitations = kept.aws.control("GET", "state")["invitations"]
    assert {one["sent"] for one in invitations if one["account_id"] == silent} == {1}


def test_of_two_events_at_the_same_instant_one_acts(kept: Kept, account: str) -> None:
    before = len(kept.calls())
    event = {"account": MANAGEMENT, "region": "us-east-1", "event": create_account_result(account)}

    at_once(lambda: str(kept.aws.control("POST", "events", event)))

    acted = kept.enrolment_of(account)
    assert outcomes_of(acted) == {"enabled": 12}
    ends = {one.outcome for one in kept.onboardings_of(account)}
    assert ends == {"complete", f"duplicate of {acted.id}"}
    created = [call for call in kept.calls()[before:] if call["operation"] == "CreateMembers"]
    assert Counter((c["service"], c["region"]) for c in created) == dict.fromkeys(TARGETS, 1)


def test_its_variables_tell_doctor_what_was_deployed(kept: Kept) -> None:
    cdk_json = kept.command.line(r"^export ROLLCALL_CONFIG=(\S+)")[1]
    variables = kept.aws.environment(ADMINISTRATOR, HOME_REGION) | {"ROLLCALL_CONFIG": cdk_json}

    doctor = subprocess.run(
        [sys.executable, "-m", "infra.cli", "doctor", "--json"],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )

    findings = json.loads(doctor.stdout)["findings"]
    (compared,) = [one for one in findings if one["check"] == "configuration"]
    assert (compared["level"], cdk_json in compared["reason"]) == ("ok", True)


def test_it_can_be_deployed_over(kept: Kept, account: str, tmp_path: Path) -> None:
    configuration = SCENARIOS["invitation"].configuration(
        kept.aws.control("GET", "state")["organizations"][0]["id"]
    )
    deployer, place = Deployer(kept.aws, tmp_path), Place(ADMINISTRATOR, HOME_REGION)

    deployer.bootstrap_and_synthesise(configuration | {"regions": [HOME_REGION]}, place)
    deployment = deployer.deploy_rollcall(place)

    assert deployment.machine_arn == kept.machine_arn
    dry_run = kept.ended(kept.start(accounts=[{"id": account}], dry_run=True))
    assert dry_run.outcome == "complete"
    assert sum(outcomes_of(dry_run).values()) == len(SERVICES)


def test_ctrl_c_ends_it_with_the_runs_status(kept: Kept) -> None:
    kept.command.signal(signal.SIGINT)

    assert kept.command.ended() == 0, kept.command.output
    assert_nothing_is_left(kept.command)
