"""Looks at every request that changes members, at the moment at which it takes effect."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.builders import ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.wire.http import Request
    from infra.local.world import World
    from tests.simulation.processes import Process
    from tests.simulation.services.dynamodb import DynamoDb

# What changes members; as the product's action, where it is one.
_CHANGES = {
    "CreateMembers": "create",
    "InviteMembers": "invite",
    "StartMonitoringMember": "restart",
    "StartMonitoringMembers": "restart",
    "AcceptAdministratorInvitation": "accept",
    "AcceptInvitation": "accept",
    "DisassociateMembers": None,
    "DeleteMembers": None,
    "StopMonitoringMembers": None,
}
_ADDS = frozenset({"CreateMembers", "InviteMembers"})
_UNTOUCHABLE = frozenset({"enabled", "resigned"})

# Who is whose member, and how: (administrator, account) to status.
State = dict[tuple[str, str], str | None]


class Watch:
    """``not_owned``, ``not_noted`` and ``touched`` are what should not have happened.
    ``acting`` are the runs that changed anything, with the accounts that each created or invited.
    """

    def __init__(self, world: World, table: DynamoDb) -> None:
        self._world = world
        self._table = table
        self.actions = 0
        self.not_owned: list[str] = []
        self.not_noted: list[str] = []
        self.touched: list[str] = []
        self.acting: dict[str, set[str]] = {}

    def before(
        self, process: Process | None, service: str, region: str, operation: str, request: Request
    ) -> State | None:
        """Called before a request takes effect; returns what ``after`` takes."""
        if process is None or operation not in _CHANGES:
            return None
        self.actions += 1
        accounts = _accounts(process, operation, request)
        added = self.acting.setdefault(process.onboarding_id, set())
        if operation in _ADDS:
            added.update(accounts)
        for account in accounts:
            key = (f"account#{account}", f"membership#{service}#{region}")
            row = self._table.items.get(key)
            owner = row["onboarding_id"]["S"] if row else None
            if row is None or owner != process.onboarding_id or "outcome" in row:
                ended = row is not None and "outcome" in row
                self.not_owned.append(
                    f"{process.name} of {process.onboarding_id} calls {service} {operation} in"
                    f" {region} for {account}, which is {owner}'s{' and ended' if ended else ''}"
                )
            elif not _is_begun(row, _CHANGES[operation]):
                self.not_noted.append(
                    f"{process.name} of {process.onboarding_id} calls {service} {operation} in"
                    f" {region} for {account}, and the row does not say so: {row.get('attempts')}"
                )
        return self._state(service, region)

    def after(self, before: State, process: Process, service: str, region: str) -> None:
        """Called after it took effect."""
        after = self._state(service, region)
        for key, status in before.items():
            administrator, account = key
            same = after.get(key) == status
            strange = administrator != ADMINISTRATOR
            if not same and (strange or (status or "").casefold() in _UNTOUCHABLE):
                self.touched.append(
                    f"{process.name} of {process.onboarding_id} made {account} of {administrator}"
                    f" {after.get(key)} at {service} in {region}, which was {status}"
                )

    def _state(self, service: str, region: str) -> State:
        return {
            (one["administrator"], one["account_id"]): one["status"]
            for one in self._world.snapshot()["memberships"]
            if (one["service"], one["region"]) == (service, region)
        }


def _is_begun(row: Mapping[str, Any], action: str | None) -> bool:
    """Whether the row has the action as begun and not answered. Where a version that stored less
    has written it, it is not known.
    """
    attempt = row["attempts"]["M"].get(action, {}) if "attempts" in row else {}
    return "N" in attempt or ("M" in attempt and "verdict" not in attempt["M"])


def _accounts(process: Process, operation: str, request: Request) -> list[str]:
    if operation.startswith("Accept"):
        # Called with the member's credentials.
        return [request.headers["authorization"].split("Credential=")[1].split("/")[0]]
    given: dict[str, Any] = json.loads(request.body)
    named = {name.casefold(): value for name, value in given.items()}
    if "accountid" in named:
        return [named["accountid"]]
    accounts = named.get("accountids") or named.get("accountdetails") or named.get("accounts")
    return [
        one if isinstance(one, str) else {k.casefold(): v for k, v in one.items()}["accountid"]
        for one in accounts or ()
    ]
