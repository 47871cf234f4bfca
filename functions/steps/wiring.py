"""What a step works with, put together once per Lambda environment."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import boto3

from functions.aws.archive import Archive
from functions.aws.directory import Directory
from functions.aws.executions import Executions
from functions.aws.ledger import Ledger
from functions.aws.publisher import Publisher
from functions.aws.sessions import Clients
from functions.aws.settings import Settings
from functions.enrolment.decide import Circumstances
from functions.services.registry import TRAITS, adapter, invitee

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Configuration
    from functions.enrolment.documents import Loop
    from functions.enrolment.membership import Membership
    from functions.enrolment.target import Target
    from functions.services.protocol import Invitee, SecurityService

# Organizations and Account Management are answered from one Region of each partition.
_GLOBAL_REGIONS = {
    "aws": "us-east-1",
    "aws-cn": "cn-northwest-1",
    "aws-us-gov": "us-gov-west-1",
}


@dataclass(frozen=True)
class Wiring:
    """Settings, clients and the clock (epoch seconds); everything else is made from them."""

    settings: Settings
    clients: Clients
    home_region: str
    now: Callable[[], float]

    @property
    def configuration(self) -> Configuration:
        """What the deployment is configured to do."""
        return self.settings.configuration

    @property
    def ledger(self) -> Ledger:
        """The table."""
        return Ledger(self.clients.table(self.settings.table, self.home_region))

    @property
    def directory(self) -> Directory:
        """Organizations and Account Management."""
        region = _GLOBAL_REGIONS.get(self.settings.partition, self.home_region)
        return Directory(
            self.clients.client("organizations", region), self.clients.client("account", region)
        )

    @property
    def publisher(self) -> Publisher:
        """Bus and topic."""
        return Publisher(
            self.clients.client("events", self.home_region),
            self.clients.client("sns", self.home_region),
            self.settings.bus,
            self.settings.topic,
        )

    @property
    def archive(self) -> Archive:
        """The bucket of complete results."""
        return Archive(self.clients.client("s3", self.home_region), self.settings.results_bucket)

    @property
    def executions(self) -> Executions:
        """The executions of this machine."""
        return Executions(self.clients.client("stepfunctions", self.home_region))

    def service(self, target: Target) -> SecurityService:
        """The adapter of a target, called as its administrator."""
        client = self.clients.client(target.service, target.region)
        return adapter(target.service, client, self.configuration.invitation)

    def invitee(self, target: Target, account_id: AccountId) -> Invitee:
        """The adapter of a target, called as a member account through its member role.

        Raises:
            AccessDenied: the role cannot be assumed.
        """
        invitation = self.configuration.invitation
        member = self.clients.as_member(
            account_id,
            invitation.member_role or "",
            invitation.external_id or "",
            self.settings.partition,
        )
        return invitee(target.service, member.client(target.service, target.region))

    def circumstances(
        self, loop: Loop, now: float, awaited: Mapping[AccountId, Membership] | None = None
    ) -> Circumstances:
        """What a decision at a loop's target rests on."""
        return Circumstances(
            now=now,
            timing=self.configuration.timing,
            traits=TRAITS[loop.target.service],
            accepts=self.configuration.invitation.member_role is not None,
            opted_in=loop.opted_in,
            awaited=awaited or {},
        )


@cache
def wiring() -> Wiring:
    """The wiring of this Lambda environment, from its variables."""
    session = boto3.Session()
    return Wiring(
        Settings.from_environment(os.environ), Clients(session), session.region_name, time.time
    )
