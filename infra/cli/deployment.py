"""Deploying the real app with the real CDK command line to the local AWS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.process import LocalAws

ROOT = Path(__file__).parents[2]
CDK = ROOT / "node_modules" / ".bin" / "cdk"


class DeploymentFailed(Exception):
    """A command of the CDK failed; the message ends with what it printed."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What was deployed: the outputs of the stack ``Rollcall``, and where its assembly is."""

    machine_arn: str
    bus_name: str
    bus_arn: str
    table_name: str
    topic_arn: str
    assembly: Path


class Deployer:
    """Bootstraps and deploys to one account and Region; ``folder`` keeps assembly and outputs."""

    def __init__(self, aws: LocalAws, account_id: str, region: str, folder: Path) -> None:
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            **aws.environment(account_id, region),
            "CDK_DEFAULT_ACCOUNT": account_id,
            "CDK_DEFAULT_REGION": region,
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        }
        self._folder = folder
        self._place = f"aws://{account_id}/{region}"
        self._assembly = folder / "cdk.out"
        self._outputs = folder / "outputs.json"

    def bootstrap_and_synthesise(self, configuration: dict[str, Any]) -> None:
        """``cdk bootstrap`` and ``cdk synth``, side by side.

        Raises:
            DeploymentFailed: one of them failed.
        """
        context = f"rollcall={json.dumps(configuration)}"
        synth = ("synth", "--quiet", "--context", context, "--output", self._assembly)
        with (
            # Where there is no cdk.json, bootstrap does not synthesise the app as well.
            self._cdk("bootstrap", self._place, cwd=self._folder) as bootstrapping,
            self._cdk(*synth) as synthesising,
        ):
            _finish(synthesising)
            _finish(bootstrapping)

    def deploy(self) -> Deployment:
        """``cdk deploy Rollcall``.

        Raises:
            DeploymentFailed: it failed.
        """
        where = ("--app", self._assembly, "--outputs-file", self._outputs)
        with self._cdk("deploy", "Rollcall", *where, "--require-approval", "never") as deploying:
            _finish(deploying)
        outputs = json.loads(self._outputs.read_text())["Rollcall"]
        return Deployment(
            machine_arn=outputs["StateMachineArn"],
            bus_name=outputs["BusName"],
            bus_arn=outputs["BusArn"],
            table_name=outputs["TableName"],
            topic_arn=outputs["TopicArn"],
            assembly=self._assembly,
        )

    @contextmanager
    def _cdk(self, *arguments: str | Path, cwd: Path = ROOT) -> Iterator[subprocess.Popen[str]]:
        """A command under way; leaving the context ends it and whatever it started."""
        with subprocess.Popen(  # noqa: S603  # our own command line
            [CDK, *arguments, "--no-notices"],
            cwd=cwd,
            env=self._environment,
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
    told, _ = process.communicate()
    if process.returncode:
        assert isinstance(process.args, list)  # noqa: S101  # as _cdk gave them
        raise DeploymentFailed(f"cdk {process.args[1]} failed:\n{told.strip()[-4000:]}")


def deploy_member_role(
    aws: LocalAws, account_id: str, region: str, deployment: Deployment, administrator_id: str
) -> None:
    """Create the member role's stack in a member account, as a StackSet would."""
    template = json.loads((deployment.assembly / "RollcallMemberRole.template.json").read_text())
    cloudformation = aws.client("cloudformation", account_id, region)
    cloudformation.create_stack(
        StackName="RollcallMemberRole",
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[
            {"ParameterKey": "AdministratorId", "ParameterValue": administrator_id},
        ],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="RollcallMemberRole", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
