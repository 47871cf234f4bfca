"""The identity of a profile, with every call checked by the guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from functions.aws.calls import calling, redacted_line
from functions.aws.sessions import Clients
from functions.enrolment.errors import InvalidInput, RollcallError
from tests.contract.beliefs.answers import Site
from tests.contract.beliefs.guard import Guard
from tests.contract.beliefs.settings import PROFILE, REGIONS

if TYPE_CHECKING:
    from tests.contract.beliefs.settings import Settings


def guarded_session(settings: Settings) -> boto3.Session:
    """A session of the profile, of which every client is guarded.

    The credentials are resolved first, and once: a profile may call other services for them (SSO,
    another role), which the guard would refuse.

    Raises:
        InvalidInput: the profile does not exist or gives no credentials.
    """
    try:
        found = boto3.Session(profile_name=settings.profile).get_credentials()
        credentials = None if found is None else found.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:
        raise InvalidInput(PROFILE, redacted_line(f"gives no credentials: {error}")) from error
    if credentials is None or not (credentials.access_key and credentials.secret_key):
        raise InvalidInput(PROFILE, "takes a profile with credentials")
    core = botocore.session.Session(profile=settings.profile)
    core.set_credentials(credentials.access_key, credentials.secret_key, credentials.token)
    session = boto3.Session(botocore_session=core)
    Guard(account.id for account in settings.accounts).watch(session)
    return session


def sites_of(settings: Settings) -> list[Site]:
    """The caller in each Region.

    Raises:
        InvalidInput: the profile gives no credentials or no Region, or AWS refuses them.
    """
    session = guarded_session(settings)
    regions = settings.regions or tuple(filter(None, [session.region_name]))
    if not regions:
        raise InvalidInput(REGIONS, f"is required: {settings.profile} has no Region")
    clients = Clients(session)
    try:
        with calling("STS", "GetCallerIdentity"):
            found = clients.client("sts", session.region_name or regions[0]).get_caller_identity()
    except RollcallError as error:
        raise InvalidInput(PROFILE, f"takes a profile that AWS knows: {error}") from error
    partition = found["Arn"].split(":")[1]
    return [
        Site(
            clients,
            region,
            caller=found["Account"],
            partition=partition,
            accounts=settings.accounts,
        )
        for region in regions
    ]
