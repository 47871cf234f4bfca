"""Deploying the real app with the real CDK command line to the local AWS."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        with ThreadPoolExecutor() as both:
            # Where there is no cdk.json, bootstrap does not synthesise the app as well.
            bootstrap = both.submit(self._cdk, "bootstrap", self._place, cwd=self._folder)
            synth = both.submit(
                self._cdk, "synth", "--quiet", "--context", context, "--output", self._assembly
            )
            synth.result()
            bootstrap.result()

    def deploy(self) -> Deployment:
        """``cdk deploy Rollcall``.

        Raises:
            DeploymentFailed: it failed.
        """
        self._cdk(
            "deploy",
            "Rollcall",
            "--app",
            self._assembly,
            "--require-approval",
            "never",
            "--outputs-file",
            self._outputs,
        )
        outputs = json.loads(self._outputs.read_text())["Rollcall"]
        return Deployment(
            machine_arn=outputs["StateMachineArn"],
            bus_name=outputs["BusName"],
            bus_arn=outputs["BusArn"],
            table_name=outputs["TableName"],
            topic_arn=outputs["TopicArn"],
            assembly=self._assembly,
        )

    def _cdk(self, *arguments: str | Path, cwd: Path = ROOT) -> None:
        command: Sequence[str | Path] = [CDK, *arguments, "--no-notices"]
        done = subprocess.run(  # noqa: S603  # our own command line
            command, cwd=cwd, env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            told = (done.stdout + done.stderr)[-4000:]
            raise DeploymentFailed(f"cdk {arguments[0]} failed:\n{told}")


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
