"""A small local world with its actors, for tests of the local services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.api import Caller, ServiceError
from infra.local.facts.clock import ManualClock
from infra.local.services.registry import SERVICES
from infra.local.world import World
from tests.support import shapes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.local.services.service import LocalService

MANAGEMENT = "111122223333"
ADMINISTRATOR = "222233334444"
MEMBER = "444455556666"
OTHER_MEMBER = "555566667777"
OUTSIDER = "666677778888"
STRANGER = "777788889999"
REGION = "eu-west-1"
OTHER_REGION = "us-east-1"
OPT_IN_REGION = "ap-east-1"


def email(account_id: str) -> str:
    return f"account-{account_id}@example.com"


@dataclass(frozen=True, slots=True)
class Actor:
    """One account in one Region, calling one service."""

    world: World
    service: str
    account_id: str
    region: str = REGION

    def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        who = Caller(self.account_id, self.region)
        return shapes.call(self.world, who, self.service, operation, **params)

    def fails(self, operation: str, **params: Any) -> ServiceError:
        with pytest.raises(ServiceError) as caught:
            self(operation, **params)
        return caught.value


class Lab:
    """An organisation of four accounts and one account outside it, on a clock moved by hand."""

    def __init__(
        self,
        timings: Mapping[str, float | None] | None = None,
        services: Sequence[type[LocalService]] = SERVICES,
    ) -> None:
        self.clock = ManualClock()
        self.world = World(self.clock, timings, services=services)
        self.do("create_organization", management=MANAGEMENT)
        for account_id in (ADMINISTRATOR, MEMBER, OTHER_MEMBER):
            self.do(
                "add_account",
                account_id=account_id,
                organization=MANAGEMENT,
                email=email(account_id),
            )
        self.do("add_account", account_id=OUTSIDER, email=email(OUTSIDER))

    def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        return self.world.apply({"do": command, **arguments})

    def actor(self, service: str, account_id: str, region: str = REGION) -> Actor:
        return Actor(self.world, service, account_id, region)

    def pass_seconds(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def status(
        self,
        service: str,
        account_id: str,
        administrator: str = ADMINISTRATOR,
        region: str = REGION,
    ) -> str | None:
        """The true status; None for no membership."""
        wanted = (service, administrator, account_id, region)
        for one in self.world.snapshot()["memberships"]:
            if wanted == (one["service"], one["administrator"], one["account_id"], one["region"]):
                status: str | None = one["status"]
                return status
        return None

    def history(self, service: str, account_id: str) -> list[str | None]:
        return next(
            [change["status"] for change in one["history"]]
            for one in self.world.snapshot()["memberships"]
            if (one["service"], one["account_id"]) == (service, account_id)
        )

    def invitations_sent(self) -> int:
        return sum(one["sent"] for one in self.world.snapshot()["invitations"])
