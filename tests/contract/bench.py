"""One service of a small organisation on the local AWS, with adapters at either end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Invitation
from functions.services import registry
from infra.local.api import Caller
from infra.local.facts.clock import ManualClock
from infra.local.gateway.calls import CallLog
from infra.local.gateway.endpoint import Endpoint
from infra.local.gateway.faults import Fault, FaultKind, Faults
from infra.local.services.registry import SERVICES as LOCAL
from infra.local.world import World
from tests.support.in_process import local_client
from tests.support.macie.local import Macie
from tests.support.macie.record import MACIE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from functions.enrolment.membership import Answer, Observation
    from functions.services.protocol import Invitee, SecurityService
    from functions.services.record import ServiceRecord
    from infra.local.services.service import LocalService

REGION = "eu-west-1"
OPT_IN_REGION = "af-south-1"
MANAGEMENT = "999988887777"
ADMINISTRATOR = AccountId("111122223333")
STRANGER = AccountId("000011112222")
MEMBER = AccountId("444455556666")
OTHER = AccountId("555566667777")

SERVICES = tuple(dict.fromkeys((*registry.SERVICES, MACIE)))
LOCAL_SERVICES: tuple[type[LocalService], ...] = tuple(dict.fromkeys((*LOCAL, Macie)))

DEFAULTS = Invitation()

# More than any of the member's transitions takes by the local timings.
A_WHILE = 60.0


class Bench:
    """The service ``service``, administered by ADMINISTRATOR for its organisation unless told so.

    A client's call is made once: what botocore would repeat is seen by the test.
    """

    def __init__(
        self, service: ServiceRecord, *, region: str = REGION, set_up: bool = True
    ) -> None:
        self.service = service
        self.region = region
        self.clock = ManualClock()
        self.world = World(self.clock, services=LOCAL_SERVICES)
        self.faults = Faults()
        self.calls = CallLog()
        self._endpoint = Endpoint(self.world, self.clock, self.faults, self.calls)
        self.world.apply({"do": "create_organization", "management": MANAGEMENT})
        opted_in = [] if region == REGION else [region]
        self.add(ADMINISTRATOR, organization=MANAGEMENT, regions=opted_in)
        if set_up:
            self.command("designate", account_id=ADMINISTRATOR, regions=[self.region])
        self.administrator = self.adapter_of(ADMINISTRATOR)

    def command(self, do: str, **arguments: Any) -> None:
        self.world.apply({"do": do, "service": self.service.name, **arguments})

    def add(self, account: str, **facts: Any) -> None:
        """An account with the e-mail ``email_of`` it, whose data volume Detective can tell."""
        command = {"do": "add_account", "account_id": account, "volume": "known"}
        self.world.apply(command | {"email": email_of(account)} | facts)

    def adapter_of(self, account: str) -> SecurityService:
        def clients(service: str, region: str) -> Any:
            return local_client(self._endpoint, service, account, region)

        return self.service.adapter_in(self.region, clients, DEFAULTS)

    def invitee_of(
        self, account: str, invitation: Invitation = DEFAULTS, *, attempts: int = 1
    ) -> Invitee:
        retries = {"mode": "standard", "total_max_attempts": attempts}
        name = self.service.name
        client = local_client(self._endpoint, name, account, self.region, retries=retries)
        return self.service.invitee(client, invitation)

    def direct(self, account: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """An operation asked of the world itself, past endpoint, faults and log."""
        operations = self.world.services[self.service.name].operations
        return operations[operation](Caller(account, self.region), parameters)

    def fail(self, kind: FaultKind, operation: str = "*", **options: Any) -> None:
        self.faults.add(Fault(kind, service=self.service.name, operation=operation, **options))

    def operations_of(self, verb: str) -> list[str]:
        """The operations that a verb calls."""
        return [action.partition(":")[2] for action in self.service.permissions[verb]]

    def later(self) -> None:
        self.clock.advance(A_WHILE)

    @property
    def resource(self) -> str:
        return self.administrator.administrator_resource()

    def observe(self, *accounts: AccountId) -> tuple[Observation, ...]:
        return self.administrator.observe(self.resource, accounts)

    def members(self) -> Iterator[Observation]:
        return self.administrator.members(self.resource)

    def create(self, *accounts: AccountId) -> dict[AccountId, Answer]:
        emails = {account: email_of(account) for account in accounts}
        return dict(self.administrator.create(self.resource, emails))

    def invite(self, *accounts: AccountId) -> dict[AccountId, Answer]:
        """Invite as the service does it: by a call of its own, or by creating the member."""
        created = self.create(*accounts)
        if self.service.create_invites:
            return created
        return dict(self.administrator.invite(self.resource, accounts))

    def invite_from(self, administrator: str, account: AccountId) -> None:
        """An invitation from another administrator, sent past the adapters."""
        self.add(administrator)
        self.command("enable", account_id=administrator, regions=[self.region])
        self.command(
            "invite", administrator=administrator, account_id=account, regions=[self.region]
        )

    def status(self, administrator: str, account: str) -> str:
        """What the service itself holds, in capitals throughout."""
        (status,) = (
            membership["status"]
            for membership in self.world.snapshot()["memberships"]
            if (membership["administrator"], membership["account_id"]) == (administrator, account)
        )
        return str(status).upper()

    def invitations_sent(self) -> int:
        return sum(entry["sent"] for entry in self.world.snapshot()["invitations"])

    def is_on(self, account: str) -> bool:
        return any(entry["account_id"] == account for entry in self.world.snapshot()["enabled"])

    def operations_called(self) -> set[str]:
        return {f"{call.service}:{call.operation}" for call in self.calls.read()}


def email_of(account: str) -> str:
    return f"root-{account}@example.com"
