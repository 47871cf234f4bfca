"""Deploys the real app to the local AWS with the real CDK CLI."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.aws.ledger import Ledger
from functions.aws.rows import Rows
from functions.services import registry
from infra.cli.local.scenarios import ADMINISTRATOR, HOME_REGION
from infra.cli.stack import stack_outputs
from infra.config import read_config
from infra.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.process import LocalAws

ROOT = Path(__file__).parents[3]
CDK = ROOT / "node_modules" / ".bin" / "cdk"
# The scenarios configure no name.
NAMES = Names()


class DeploymentFailed(Exception):
    """A CDK command failed; the message ends with the command's output."""


@dataclass(frozen=True, slots=True)
class Place:
    """One account in one Region."""

    account_id: str
    region: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """The outputs of the deployed stack ``Rollcall``, and the path of the cloud assembly."""

    machine_arn: str
    bus_name: str
    table_name: str
    topic_arn: str
    assembly: Path


class Deployer:
    """Bootstraps places and deploys stacks to them; ``folder`` is for the cloud assembly."""

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self._aws = aws
        self._folder = folder
        self._assembly = folder / "cdk.out"

    def bootstrap_and_synthesise(self, configuration: dict[str, Any], *places: Place) -> None:
        """``cdk bootstrap`` of every place and ``cdk synth``, in parallel.

        Raises:
            DeploymentFailed: one of them failed.
        """
        context = f"rollcall={json.dumps(configuration)}"
        synth = ("synth", "--quiet", "--context", context, "--output", self._assembly)
        with ExitStack() as stack:
            commands = [stack.enter_context(self._cdk(places[0], *synth))]
            for place in places:
                where = f"aws://{place.account_id}/{place.region}"
                # In a folder without cdk.json, bootstrap does not synthesise the app.
                bootstrap = self._cdk(place, "bootstrap", where, cwd=self._folder)
                commands.append(stack.enter_context(bootstrap))
            for command in commands:
                _finish(command)

    def deploy(self, place: Place, *stacks: str) -> None:
        """``cdk deploy`` of stacks of one account.

        Raises:
            DeploymentFailed: the command failed.
        """
        options = ("--app", self._assembly, "--require-approval", "never", "--exclusively")
        with self._cdk(place, "deploy", *stacks, *options) as deploying:
            _finish(deploying)

    def deploy_rollcall(self, place: Place) -> Deployment:
        """Deploy the stack ``Rollcall``.

        Raises:
            DeploymentFailed: the command failed.
        """
        self.deploy(place, NAMES.stack)
        cloudformation = self._aws.client("cloudformation", place.account_id, place.region)
        wanted = ("StateMachineArn", "BusName", "TableName", "TopicArn")
        outputs = stack_outputs(cloudformation, NAMES.stack, *wanted)
        return Deployment(
            machine_arn=outputs["StateMachineArn"],
            bus_name=outputs["BusName"],
            table_name=outputs["TableName"],
            topic_arn=outputs["TopicArn"],
            assembly=self._assembly,
        )

    @contextmanager
    def _cdk(
        self, place: Place, *arguments: str | Path, cwd: Path = ROOT
    ) -> Iterator[subprocess.Popen[str]]:
        """A running command; leaving the context kills it and its child processes."""
        with subprocess.Popen(  # noqa: S603  # our own command line
            [CDK, *arguments, "--no-notices"],
            cwd=cwd,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
                **self._aws.environment(place.account_id, place.region),
                "CDK_DEFAULT_ACCOUNT": place.account_id,
                "CDK_DEFAULT_REGION": place.region,
                "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


def _finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate()
    if process.returncode:
        assert isinstance(process.args, list)  # noqa: S101  # as passed by _cdk
        raise DeploymentFailed(f"cdk {process.args[1]} failed:\n{output.strip()[-4000:]}")


def forwarders_of(configuration: dict[str, Any]) -> dict[str, Place]:
    """The stacks that forward events in this configuration, and where each is deployed."""
    config = read_config(configuration)
    if config.organization is None:
        return {}
    return {
        forwarder.name: Place(forwarder.account, forwarder.region)
        for forwarder in config.organization.forwarders(
            config.bus, config.names, config.configuration
        )
    }


def ledger_of(aws: LocalAws, deployment: Deployment) -> Ledger:
    """The deployment's table, read as the administrator account."""
    client = aws.client("dynamodb", ADMINISTRATOR, HOME_REGION)
    return Ledger(Rows(client, deployment.table_name), registry.SERVICES)


def deploy_member_role(
    aws: LocalAws, place: Place, deployment: Deployment, administrator_id: str
) -> None:
    """Create the member role's stack in a member account, as a StackSet does."""
    template = json.loads(
        (deployment.assembly / f"{NAMES.member_role_stack}.template.json").read_text()
    )
    cloudformation = aws.client("cloudformation", place.account_id, place.region)
    cloudformation.create_stack(
        StackName=NAMES.member_role_stack,
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[
            {"ParameterKey": "AdministratorId", "ParameterValue": administrator_id},
        ],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=NAMES.member_role_stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
