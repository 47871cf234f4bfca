"""The deployment that a verb works on: its stack's outputs, and what its steps work with."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from functions.aws.calls import CLIENT_CONFIG, calling
from functions.aws.sessions import Clients
from functions.aws.settings import Settings
from functions.enrolment.account import AccountId
from functions.enrolment.errors import InvalidInput
from functions.services.registry import SERVICES
from functions.steps.wiring import Wiring
from infra.cli.stack import NotDeployed, stack_outputs
from infra.config import read_config
from infra.names import Names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from functions.enrolment.configuration import Configuration

# What reading a deployment calls.
ACTIONS = ("cloudformation:DescribeStacks", "lambda:GetFunctionConfiguration")
_WANTED = ("StateMachineArn", "ReconcileMachineArn", "StartRunsFunctionArn")


@dataclass(frozen=True)
class Site:
    """A deployment. ``outputs`` are its stack's, none if only a configuration is known: then there
    is no table and nothing can be started.
    """

    names: Names
    wiring: Wiring
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_deployed(self) -> bool:
        """Whether there is a table to read, and a state machine."""
        return bool(self.outputs)

    @property
    def configuration(self) -> Configuration:
        """The deployed configuration, or that of the file given in its place."""
        return self.wiring.configuration

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client, in the home Region unless another is given."""
        return self.wiring.clients.client(service, region or self.wiring.home_region)


def site_of(
    profile: str | None, region: str | None, name: str, cdk_json: Path | None = None
) -> Site:
    """The deployment of this name, or what a file configures.

    ``profile`` and ``region`` are of the administrator account and the Region that Rollcall is
    deployed to; None for those of the AWS settings.

    Raises:
        NotDeployed, InvalidInput, RollcallError, BotoCoreError, ClientError: as the functions below
            do, or there is no such profile.
    """
    session = boto3.Session(profile_name=profile, region_name=region)
    if cdk_json is not None:
        return configured_site(session, Names(name), cdk_json)
    return deployed_site(session, Names(name))


def deployed_site(session: boto3.Session, names: Names) -> Site:
    """The deployment, with the settings of its own functions.

    Raises:
        NotDeployed: the account has no such stack in this Region, or one of an earlier version.
        InvalidInput: a function's setting is invalid, as of a later version.
        BotoCoreError: there are no credentials, no Region or no connection.
        ClientError: a call was refused.
    """
    outputs = _outputs(session, names)
    functions: Any = session.client("lambda", config=CLIENT_CONFIG)
    described = functions.get_function_configuration(FunctionName=outputs["StartRunsFunctionArn"])
    settings = Settings.from_environment(described["Environment"]["Variables"], SERVICES)
    return Site(names, _wiring(session, settings, session.region_name), outputs)


def configured_site(session: boto3.Session, names: Names, cdk_json: Path) -> Site:
    """What a file configures, whether it is deployed or not.

    Raises:
        InvalidInput: there is no such file, or its configuration is invalid.
        RollcallError: STS refused the call.
        BotoCoreError: there are no credentials or no connection.
    """
    configuration = _configuration_in(cdk_json)
    region = configuration.regions[0]
    sts: Any = session.client("sts", region_name=region, config=CLIENT_CONFIG)
    with calling("STS", "GetCallerIdentity"):
        caller = sts.get_caller_identity()
    partition = session.get_partition_for_region(region)
    settings = Settings(AccountId(caller["Account"]), partition, configuration)
    return Site(names, _wiring(session, settings, region))


def _wiring(session: boto3.Session, settings: Settings, home_region: str) -> Wiring:
    return Wiring(settings, Clients(session), home_region, time.time, SERVICES)


def _outputs(session: boto3.Session, names: Names) -> dict[str, str]:
    cloudformation: Any = session.client("cloudformation", config=CLIENT_CONFIG)
    try:
        return stack_outputs(cloudformation, names.stack, *_WANTED)
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        raise NotDeployed(
            f"there is no stack {names.stack} in {session.region_name} with these credentials; to"
            " do: give --profile and --home-region of the deployment (and --name, if it has one),"
            " or deploy it"
        ) from error


def _configuration_in(path: Path) -> Configuration:
    try:
        context = json.loads(path.read_text())["context"]["rollcall"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            "--config", f"takes a cdk.json with context.rollcall, not {path} ({error!r})"
        ) from None
    return read_config(context).configuration
