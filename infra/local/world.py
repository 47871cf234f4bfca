"""The local world: its services, and control over the facts they work on."""

from __future__ import annotations

from dataclasses import asdict
from threading import RLock
from typing import TYPE_CHECKING, Any

from infra.local.api import Caller, ServiceError
from infra.local.commands import Commands
from infra.local.membership import Standing
from infra.local.organization import MemberService
from infra.local.paging import iso
from infra.local.services.account import AccountManagement
from infra.local.services.detective import Detective
from infra.local.services.guardduty import GuardDuty
from infra.local.services.organizations import Organizations
from infra.local.services.securityhub import SecurityHub
from infra.local.state import State
from infra.local.timings import Timings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.api import Operation, Service
    from infra.local.clock import Clock
    from infra.local.delegation import OrganizationMembers
    from infra.local.membership import Membership


class World:
    """Thread-safe: one lock around every operation and command.

    Nothing runs by itself. What has become due by the clock happens, in its order and at its
    own time, before anything is answered.
    """

    def __init__(self, clock: Clock, timings: Timings | None = None, seed: int = 0) -> None:
        self._lock = RLock()
        self._state = State(clock, timings or Timings(), seed)
        organizations = Organizations(self._state)
        self._members: dict[MemberService, OrganizationMembers] = {
            members.service: members
            for members in (
                SecurityHub(self._state),
                GuardDuty(self._state),
                Detective(self._state),
            )
        }
        self._commands = Commands(self._state, self._members, organizations)
        parts: list[Service] = [
            *self._members.values(),
            organizations,
            AccountManagement(self._state),
        ]
        self.services: Mapping[str, Service] = {part.name: self._guarded(part) for part in parts}

    def apply(self, command: dict[str, Any]) -> dict[str, Any]:
        """Change a fact: ``{"do": "add_account", …}``; `commands` lists them. ValueError if bad."""
        with self._lock:
            self._state.agenda.run_due()
            return self._commands.apply(command)

    def snapshot(self) -> dict[str, Any]:
        """What is true now, as JSON: memberships with their history, and invitations sent.

        A membership that ended without a trace in the service has a null status.
        """
        with self._lock:
            self._state.agenda.run_due()
            return {
                "now": self._state.now(),
                "memberships": [
                    self._membership(membership) for membership in self._state.memberships.values()
                ],
                "invitations": [
                    {
                        "service": service.value,
                        "region": region,
                        "administrator": administrator,
                        "account_id": account_id,
                        "sent": sent,
                    }
                    for (service, region, administrator, account_id), sent in sorted(
                        self._state.invitations_sent.items()
                    )
                ],
                "accounts": [asdict(account) for account in self._state.accounts.values()],
                "organizations": [
                    {
                        "id": organization.id,
                        "management": organization.management,
                        "accounts": list(organization.seats),
                        "administrators": [
                            {
                                "service": service.value,
                                "region": region,
                                "account_id": one.account_id,
                            }
                            for (service, region), one in organization.designations.items()
                        ],
                    }
                    for organization in self._state.organizations.values()
                ],
                "enabled": [
                    {
                        "service": service.value,
                        "account_id": account_id,
                        "region": region,
                        "id": installation.id,
                        "enabled": installation.enabled,
                    }
                    for (service, account_id, region), installation in (
                        self._state.installations.items()
                    )
                ],
            }

    def drain_events(self) -> list[dict[str, Any]]:
        """The service events Organizations emitted since the last call, oldest first.

        Each belongs on the default bus of its ``account`` in its ``region``.
        """
        with self._lock:
            self._state.agenda.run_due()
            events, self._state.events = self._state.events, []
            return events

    def reset(self) -> None:
        """Back to an empty world with the timings and the seed it was made with."""
        with self._lock:
            self._state.clear()

    def _membership(self, membership: Membership) -> dict[str, Any]:
        members = self._members[membership.service]
        history: list[dict[str, Any]] = []
        for change in membership.changes:
            gone = change.standing is Standing.GONE
            status = None if gone else members.spelled(change)
            if not history or history[-1]["status"] != status:
                history.append({"status": status, "at": change.at, "time": iso(change.at)})
        current = membership.current
        return {
            "service": membership.service.value,
            "region": membership.region,
            "administrator": membership.administrator,
            "account_id": membership.account_id,
            "status": history[-1]["status"],
            "disabled_reason": current.disabled_reason,
            "organization": current.organization,
            "history": history,
        }

    def _guarded(self, part: Service) -> Service:
        operations = {
            name: self._locked(call, regional=part.name in list(MemberService))
            for name, call in part.operations.items()
        }
        return _Guarded(part.name, operations)

    def _locked(self, call: Operation, *, regional: bool) -> Operation:
        def locked(who: Caller, params: dict[str, Any]) -> dict[str, Any]:
            with self._lock:
                self._state.agenda.run_due()
                account = self._state.account(who.account_id)
                if regional and not account.can_use(who.region):
                    # What AWS answers to credentials of an account that lacks the Region.
                    raise ServiceError(
                        "UnrecognizedClientException",
                        "The security token included in the request is invalid.",
                    )
                return call(who, params)

        return locked


class _Guarded:
    def __init__(self, name: str, operations: Mapping[str, Operation]) -> None:
        self.name = name
        self.operations = operations
