"""What a step works with, put together once per Lambda environment."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from functions.aws.archive import Archive
from functions.aws.directory import Directory
from functions.aws.executions import Executions
from functions.aws.ledger import Ledger
from functions.aws.pacing import Pacing
from functions.aws.publisher import Publisher
from functions.aws.reconciles import Reconciles
from functions.aws.rows import Rows
from functions.aws.sessions import Clients
from functions.aws.settings import Settings
from functions.enrolment.decide import RECENT_SECONDS, Circumstances
from functions.enrolment.documents import loop_from_json
from functions.enrolment.service import find_service
from functions.services.rates import survey_rates
from functions.services.registry import SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Configuration
    from functions.enrolment.documents import Loop
    from functions.enrolment.errors import Unreadable
    from functions.enrolment.membership import Membership
    from functions.enrolment.rate import Rate
    from functions.enrolment.target import Target
    from functions.services.protocol import Invitee, SecurityService
    from functions.services.record import ServiceRecord

# Organizations and Account Management are answered from one Region of each partition.
_GLOBAL_REGIONS = {
    "aws": "us-east-1",
    "aws-cn": "cn-northwest-1",
    "aws-us-gov": "us-gov-west-1",
}


@dataclass(frozen=True)
class Wiring:
    """Settings, clients, the clock (epoch seconds) and the known services; all else is made from
    them.

    ``unread`` takes the rows of the table that cannot be read; None, as for the steps: they are
    errors.
    """

    settings: Settings
    clients: Clients
    home_region: str
    now: Callable[[], float]
    services: tuple[ServiceRecord, ...]
    unread: Callable[[Unreadable], None] | None = field(default=None, kw_only=True)

    @property
    def configuration(self) -> Configuration:
        """What the deployment is configured to do."""
        return self.settings.configuration

    @property
    def ledger(self) -> Ledger:
        """The table."""
        return Ledger(self._rows, self.services, self.configuration.record_retention_days)

    @property
    def reconciles(self) -> Reconciles:
        """The reconciles of the table."""
        return Reconciles(self._rows, self.services, self.configuration.record_retention_days)

    @property
    def _rows(self) -> Rows:
        client = self.clients.client("dynamodb", self.home_region)
        return Rows(client, self.settings.table, self.unread)

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
        """The executions of the state machines."""
        return Executions(self.clients.client("stepfunctions", self.home_region))

    @property
    def rates(self) -> Mapping[str, Rate]:
        """The rates that a reconcile keeps to."""
        return survey_rates(self.services, self.configuration.reconcile.rates)

    @property
    def paced(self) -> Wiring:
        """The same with clients that stay within the rates of a reconcile."""
        return replace(self, clients=self.clients.paced(Pacing(self.rates)))

    def service(self, target: Target) -> SecurityService:
        """The adapter of a target, called as its administrator."""
        invitation = self.configuration.invitation
        return self.record(target).adapter_in(target.region, self.clients.client, invitation)

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
        client = member.client(target.service.name, target.region)
        return self.record(target).invitee(client, invitation)

    def loop(self, document: Mapping[str, Any]) -> Loop:
        """A target's loop, from the document between the states.

        Raises:
            InvalidInput: it is no target's loop.
        """
        return loop_from_json(document, self.services)

    def record(self, target: Target) -> ServiceRecord:
        """All that is known of a target's service."""
        found = find_service(self.services, target.service.name)
        if found is None:
            raise LookupError(f"there is no service {target.service}")
        return found

    def circumstances(
        self, loop: Loop, now: float, awaited: Mapping[AccountId, Membership] | None = None
    ) -> Circumstances:
        """What a decision at a loop's target rests on."""
        return Circumstances(
            now=now,
            timing=self.configuration.timing,
            accepts=self.configuration.invitation.member_role is not None,
            opted_in=loop.opted_in,
            recent=loop.joined_since(now - RECENT_SECONDS),
            awaited=awaited or {},
        )


@cache
def wiring() -> Wiring:
    """The wiring of this Lambda environment, from its variables."""
    session = boto3.Session()
    settings = Settings.from_environment(os.environ, SERVICES)
    return Wiring(settings, Clients(session), session.region_name, time.time, SERVICES)
