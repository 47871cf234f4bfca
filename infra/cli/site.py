"""The deployment that a verb works on: its stack's outputs, and what its steps work with."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from functions.aws.calls import CLIENT_CONFIG, calling
from functions.aws.sessions import Clients
from functions.aws.settings import Settings
from functions.enrolment.account import AccountId
from functions.enrolment.errors import InvalidInput, RollcallError
from functions.services.registry import SERVICES
from functions.steps.wiring import Wiring
from infra.cli.failures import print_unread_once
from infra.cli.stack import NotDeployed, stack_outputs
from infra.cli.words import but_not, nearest
from infra.config import read_config
from infra.names import DEFAULT, Names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from functions.enrolment.configuration import Configuration
    from infra.config import DeploymentConfig

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
        for option, is_given in (("--name", name != DEFAULT), ("--home-region", bool(region))):
            if is_given:
                raise InvalidInput(option, "is not taken with --config: the file has it")
        return configured_site(session, cdk_json)
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


def configured_site(session: boto3.Session, cdk_json: Path) -> Site:
    """What a file configures, whether it is deployed or not.

    Raises:
        InvalidInput: there is no such file, its configuration is invalid, or the credentials are
            not those of its administrator account.
        RollcallError: STS refused the call.
        BotoCoreError: there are no credentials or no connection.
    """
    config = config_in(cdk_json)
    configuration, organization = config.configuration, config.organization
    region = configuration.regions[0]
    caller = _caller(session, region)
    if organization is not None and caller != organization.administrator_account:
        raise InvalidInput(
            "--profile",
            f"takes credentials of {organization.administrator_account}, the administrator account"
            f" in {cdk_json}, not of {caller}",
        )
    partition = session.get_partition_for_region(region)
    settings = Settings(caller, partition, configuration)
    return Site(config.names, _wiring(session, settings, region))


def _caller(session: boto3.Session, region: str) -> AccountId:
    """The account of the credentials.

    Raises:
        RollcallError: STS refused the call.
        BotoCoreError: there are no credentials or no connection.
    """
    sts: Any = session.client("sts", region_name=region, config=CLIENT_CONFIG)
    with calling("STS", "GetCallerIdentity"):
        return AccountId(sts.get_caller_identity()["Account"])


def _wiring(session: boto3.Session, settings: Settings, home_region: str) -> Wiring:
    return Wiring(
        settings, Clients(session), home_region, time.time, SERVICES, unread=print_unread_once()
    )


def _outputs(session: boto3.Session, names: Names) -> dict[str, str]:
    cloudformation: Any = session.client("cloudformation", config=CLIENT_CONFIG)
    try:
        return stack_outputs(cloudformation, names.stack, *_WANTED)
    except EndpointConnectionError:
        if _is_known(session):
            raise
        known = _regions(session)
        raise InvalidInput(
            "--home-region", f"takes a Region of AWS, {but_not(session.region_name, known)}"
        ) from None
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        guess = "" if _is_known(session) else nearest(session.region_name, _regions(session))
        raise NotDeployed(
            f"there is no stack {names.stack} in {session.region_name}{guess} of"
            f" {_whose(session)}; to do: give --profile and --home-region of the deployment (and"
            " --name, if it has one), or deploy it"
        ) from error


def _whose(session: boto3.Session) -> str:
    try:
        return f"account {_caller(session, session.region_name)}"
    except (RollcallError, BotoCoreError):
        return "the account of these credentials"


def _is_known(session: boto3.Session) -> bool:
    """Whether botocore knows the Region; it does not know those that are newer than it."""
    return session.region_name in _regions(session)


def _regions(session: boto3.Session) -> list[str]:
    return [
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("cloudformation", partition)
    ]


def config_in(path: Path) -> DeploymentConfig:
    """The configuration in a cdk.json, for the option ``--config``.

    Raises:
        InvalidInput: there is no such file, it has no configuration, or an invalid one.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        beside = [each.name for each in path.parent.glob("*.json")]
        raise InvalidInput(
            "--config",
            f"takes a file that can be read: {path}: {error.strerror}{nearest(path.name, beside)}",
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput("--config", f"takes a file of JSON, not {path}: {error}") from None
    context = document.get("context") if isinstance(document, dict) else None
    if not isinstance(context, dict) or "rollcall" not in context:
        raise InvalidInput("--config", f"takes a cdk.json with context.rollcall; {path} has none")
    return read_config(context["rollcall"])
