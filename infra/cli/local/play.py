"""Plays a scenario: deploys, starts a run and follows it to its result."""

from __future__ import annotations

import json
import shlex
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.enrolment.membership import Outcome
from infra.cli.doctor.verb import CONFIG_VARIABLE
from infra.cli.follow import by_reason, follow
from infra.cli.local.backfill import UNTOUCHED, Backfill
from infra.cli.local.deployment import (
    NAMES,
    Deployer,
    Place,
    deploy_member_role,
    forwarders_of,
    ledger_of,
)
from infra.cli.local.played_events import CREATED, play_events
from infra.cli.local.scenarios import (
    ADMINISTRATOR,
    HOME_REGION,
    INVITED_WITH_ROLE,
    MANAGEMENT,
    Input,
    found_organization,
)
from infra.cli.local.subscriber import Subscriber
from infra.cli.progress import doing
from infra.cli.site import deployed_site
from infra.cli.watching import Watching, execution_arn
from infra.local.environment import exports
from infra.local.process import LocalAwsFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from functions.enrolment.membership import Membership
    from infra.cli.local.deployment import Deployment
    from infra.cli.local.scenarios import Creation, Scenario
    from infra.local.process import LocalAws

LOG = Path(__file__).parents[3] / ".build" / "local" / "aws.log"
RUN_SECONDS = 120
START_SECONDS = 30
RESULT_SECONDS = 10
_ENABLED = (Outcome.ENABLED, Outcome.ALREADY_ENABLED)


class Play:
    """One scenario on a running local AWS."""

    def __init__(self, console: Console, aws: LocalAws, scenario: Scenario, folder: Path) -> None:
        self._console = console
        self._aws = aws
        self._scenario = scenario
        self._folder = folder
        self._began = time.monotonic()
        self._configuration: dict[str, Any] = {}

    def run(self, *, keep: bool) -> int:
        """Play the scenario; returns the exit status."""
        self._console.print(f"Scenario {self._scenario.name}: {self._scenario.about}.\n")
        self._note(f"local AWS at {self._aws.url}")
        deployment = self._deploy()
        if self._scenario.prepare is None:
            status, account = self._play_more(deployment)
            if keep:
                self._keep(deployment, Input({"accounts": [{"id": account}]}))
            return status
        subscriber = Subscriber(self._aws, ADMINISTRATOR, HOME_REGION, deployment)
        start = self._scenario.prepare(self._aws)
        started = time.monotonic()
        onboarding_id = self._start(deployment, start)
        self._console.print(f"\nOnboarding {onboarding_id}")
        records = self._follow(deployment, onboarding_id)
        received = subscriber.receive(
            lambda result: result.get("onboarding_id") == onboarding_id and result["final"],
            seconds=RESULT_SECONDS,
        )
        status = self._report(deployment, onboarding_id, records, received)
        if received:
            took = time.monotonic() - started
            self._console.print(f"\n{took:.1f} s from start to published result", style="dim")
        if keep:
            self._keep(deployment, start)
        return status

    def _play_more(self, deployment: Deployment) -> tuple[int, str]:
        """Play a scenario of more than one run; returns the exit status and one of its accounts."""
        if self._scenario.name in ("backfill", "gaps"):
            site = deployed_site(self._aws.session(ADMINISTRATOR, HOME_REGION), NAMES)
            backfill = Backfill(self._console, self._aws, deployment, site, self._note)
            gaps = self._scenario.name == "gaps"
            return backfill.play_and_damage() if gaps else backfill.play(), UNTOUCHED[0]
        return play_events(self._console, self._aws, deployment), CREATED

    def _deploy(self) -> Deployment:
        organization_id = found_organization(self._aws, self._scenario.regions)
        self._configuration = configuration = self._scenario.configuration(organization_id)
        administrator = Place(ADMINISTRATOR, HOME_REGION)
        forwarders = forwarders_of(configuration)
        deployer = Deployer(self._aws, self._folder)
        places = dict.fromkeys([administrator, *forwarders.values()])
        with self._doing("cdk bootstrap and cdk synth"):
            deployer.bootstrap_and_synthesise(configuration, *places)
        with self._doing(f"cdk deploy {NAMES.stack}"):
            deployment = deployer.deploy_rollcall(administrator)
        # The bus and its policy come first: EventBridge checks the policy of a target's bus.
        for account_id, whose in ((ADMINISTRATOR, "administrator"), (MANAGEMENT, "management")):
            stacks = [name for name, place in forwarders.items() if place.account_id == account_id]
            if stacks:
                with self._doing(f"cdk deploy {' '.join(stacks)} to the {whose} account"):
                    deployer.deploy(forwarders[stacks[0]], *stacks)
        if self._scenario.member_role:
            member = Place(INVITED_WITH_ROLE, HOME_REGION)
            with self._doing(f"member role deployed to {INVITED_WITH_ROLE}"):
                deploy_member_role(self._aws, member, deployment, ADMINISTRATOR)
        return deployment

    def _start(self, deployment: Deployment, start: Input | Creation) -> str:
        """Start the run as the scenario defines; returns the onboarding's id."""
        machines = self._aws.client("stepfunctions", ADMINISTRATOR, HOME_REGION)
        if isinstance(start, Input):
            execution = machines.start_execution(
                stateMachineArn=deployment.machine_arn, input=json.dumps(start.document)
            )
            self._note("execution started by hand")
            return str(execution["executionArn"].rpartition(":")[2])
        self._note(f"account {start.account_id} created; its events are on the bus")
        ledger = ledger_of(self._aws, deployment)
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:
            found = machines.list_executions(stateMachineArn=deployment.machine_arn)["executions"]
            for execution in found:
                name: str = execution["name"]
                # The creation causes several events; one of their executions acts.
                findings = ledger.findings(name)
                acts = findings is not None and findings.own
                if acts or execution["status"] not in ("RUNNING", "SUCCEEDED"):
                    return name
            time.sleep(0.1)
        raise LocalAwsFailed("the events started no run")

    def _follow(self, deployment: Deployment, onboarding_id: str) -> Sequence[Membership]:
        machines = self._aws.client("stepfunctions", ADMINISTRATOR, HOME_REGION)
        arn = execution_arn(deployment.machine_arn, onboarding_id)
        site = deployed_site(self._aws.session(ADMINISTRATOR, HOME_REGION), NAMES)
        runs = Watching(site, [onboarding_id], started=True)
        seen = follow(self._console, runs.look, seconds=RUN_SECONDS)
        # The run's record is closed by its last step, shortly before the execution ends.
        while (execution := machines.describe_execution(executionArn=arn))["status"] == "RUNNING":
            time.sleep(0.1)
        result = f"\nExecution {execution['status']}"
        if "error" in execution:
            result += f": {execution['error']}: {execution.get('cause', '')}"
        self._console.print(result, markup=False)
        return seen.memberships

    def _report(
        self,
        deployment: Deployment,
        onboarding_id: str,
        records: Sequence[Membership],
        received: dict[str, dict[str, Any]],
    ) -> int:
        """Print what was published; returns the exit status."""
        for channel in ("topic", "bus"):
            arrived = "arrived" if channel in received else "did NOT arrive"
            self._console.print(f"Result from the {channel} {arrived}")
        not_enabled = [record for record in records if record.outcome not in _ENABLED]
        if received:
            counts = next(iter(received.values()))["counts"]
            summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
            self._console.print(f"Published: {summary}")
        if not_enabled:
            self._console.print("\nNot enabled:")
            width = self._console.width if self._console.is_terminal else sys.maxsize
            for text in by_reason(not_enabled, width):
                self._console.print(text)
        return 0 if records and not not_enabled and len(received) == 2 else 1

    def _keep(self, deployment: Deployment, start: Input | Creation) -> None:
        """Print commands to use the local AWS, and wait for Ctrl-C.

        Raises:
            LocalAwsFailed: the local AWS ended by itself.
        """
        self._console.print(
            f"\nThe local AWS is running at {self._aws.url}; Ctrl-C stops it. In another shell:\n"
        )
        cdk_json = self._folder / "deployed.cdk.json"
        cdk_json.write_text(json.dumps({"context": {"rollcall": self._configuration}}))
        variables = exports(
            self._aws.environment(ADMINISTRATOR, HOME_REGION) | {CONFIG_VARIABLE: str(cdk_json)}
        )
        document = json.dumps(start.document)
        key = json.dumps({":pk": {"S": f"account#{start.document['accounts'][0]['id']}"}})
        self._console.print(
            f"{variables}\n\n"
            "# Start an execution for the same accounts again\n"
            f"aws stepfunctions start-execution --state-machine-arn {deployment.machine_arn}"
            f" --input {shlex.quote(document)}\n\n"
            "# Create an account: Organizations then puts its events on the bus\n"
            f"AWS_ACCESS_KEY_ID={MANAGEMENT} aws organizations create-account"
            " --email another@example.com --account-name Another\n\n"
            "# Query the table for an account\n"
            f"aws dynamodb query --table-name {deployment.table_name}"
            f" --key-condition-expression 'pk = :pk'"
            f" --expression-attribute-values {shlex.quote(key)}\n",
            markup=False,
            soft_wrap=True,
        )
        try:
            self._aws.process.wait()
        except KeyboardInterrupt:
            self._console.print("Stopped.")
        else:
            raise LocalAwsFailed(f"the local AWS ended by itself; see its log: {LOG}")

    @contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        with doing(what, self._console):
            yield
        self._note(what)

    def _note(self, what: str) -> None:
        self._console.print(f"{time.monotonic() - self._began:6.1f} s  {what}", markup=False)
