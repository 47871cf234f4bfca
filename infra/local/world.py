"""The local world: its services, and control over the facts they work on."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any

from infra.local.api import Caller, ServiceError
from infra.local.commands import Commands
from infra.local.facts.membership import LocalStatus
from infra.local.facts.regions import OPT_IN_REGIONS
from infra.local.facts.state import State
from infra.local.facts.timings import TIMINGS, Amounts
from infra.local.services.registry import SERVICES
from infra.local.services.shared.members import Members
from infra.local.wire.paging import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from infra.local.api import Operation, Service, Wording
    from infra.local.facts.clock import Clock
    from infra.local.facts.membership import LocalMembership
    from infra.local.facts.state import NewRole
    from infra.local.services.service import LocalService
    from infra.local.wire.constraints import Violation


class World:
    """Thread-safe: one lock around every operation and command.

    Nothing runs by itself. What has become due by the clock happens, in its order and at its
    own time, before anything is answered. ``timings`` are seconds by name, in place of defaults.
    ``make_role`` is called for the roles that accounts are described or created with: IAM is not
    part of it.
    """

    def __init__(
        self,
        clock: Clock,
        timings: Mapping[str, float | None] | None = None,
        seed: int = 0,
        services: Sequence[type[LocalService]] = SERVICES,
        make_role: Callable[[NewRole], object] = lambda _: None,
    ) -> None:
        self._lock = RLock()
        seconds, counts = dict(TIMINGS), dict[str, float]()
        for kind in services:
            seconds.update(kind.timings)
            counts.update(kind.limits)
        given = Amounts(seconds).replaced(timings or {})
        self._state = State(clock, given, Amounts(counts), seed, make_role)
        parts = {kind.name: kind(self._state) for kind in services}
        self._members = {name: part for name, part in parts.items() if isinstance(part, Members)}
        self._commands = Commands(self._state, self._members, parts)
        self.services: Mapping[str, Service] = {
            name: self._guarded(part) for name, part in parts.items()
        }

    def apply(self, command: dict[str, Any]) -> dict[str, Any]:
        """Change a fact: ``{"do": "add_account", …}``; `commands` lists them. ValueError if bad."""
        with self._lock:
            self._state.agenda.run_due()
            return self._commands.apply(command)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Meanwhile nothing takes time, and no event comes of it."""
        with self._lock:
            timings = self._state.timings
            self._state.timings = timings.replaced(dict.fromkeys(timings, 0))
            try:
                yield
                self._state.agenda.run_due()
            finally:
                self._state.timings, self._state.events = timings, []

    def make_role(self, role: NewRole) -> None:
        """Make a role in an account; one that is there already stays."""
        self._state.make_role(role)

    def snapshot(self) -> dict[str, Any]:
        """What is true now, as JSON: memberships with their history, and invitations sent.

        A membership that ended without a trace in the service has a null status.
        """
        with self._lock:
            self._state.agenda.run_due()
            return {
                "now": self._state.now(),
                "memberships": [
                    self._membership(membership) for membership in self._state.memberships
                ],
                "invitations": [
                    {
                        "service": service,
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
                                "service": service,
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
                        "service": service,
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
        """The events the services emitted since the last call, oldest first.

        Each belongs on the default bus of its ``account`` in its ``region``.
        """
        with self._lock:
            self._state.agenda.run_due()
            events, self._state.events = self._state.events, []
            return events

    def switch(self, name: str) -> str:
        """The value of a switch (``facts/switches.py``)."""
        with self._lock:
            return self._state.switches[name]

    def organization_of(self, account_id: str) -> str | None:
        """The id of the account's organisation."""
        with self._lock:
            self._state.agenda.run_due()
            organization = self._state.organization_of(account_id)
            return None if organization is None else organization.id

    def is_open(self, account_id: str) -> bool:
        """Whether AWS takes the account's calls; an account nobody has described is open."""
        with self._lock:
            self._state.agenda.run_due()
            account = self._state.accounts.get(account_id)
            return account is None or self._state.is_open(account)

    def can_use(self, account_id: str, region: str) -> bool:
        """Whether the account has the Region; one nobody has described has opted in to none."""
        with self._lock:
            self._state.agenda.run_due()
            account = self._state.accounts.get(account_id)
            return region not in OPT_IN_REGIONS if account is None else account.can_use(region)

    def reset(self) -> None:
        """Back to an empty world with the timings and the seed it was made with."""
        with self._lock:
            self._state.clear()

    def _membership(self, membership: LocalMembership) -> dict[str, Any]:
        members = self._members[membership.service]
        history: list[dict[str, Any]] = []
        for change in membership.changes:
            gone = change.status is LocalStatus.GONE
            status = None if gone else members.spelled(change)
            if not history or history[-1]["status"] != status:
                history.append({"status": status, "at": change.at, "time": iso(change.at)})
        current = membership.current
        return {
            "service": membership.service,
            "region": membership.region,
            "administrator": membership.administrator,
            "account_id": membership.account_id,
            "status": history[-1]["status"],
            "disabled_reason": current.disabled_reason,
            "organization": current.organization,
            "history": history,
        }

    def _guarded(self, part: LocalService) -> Service:
        operations = {
            name: self._locked(part, name, call) for name, call in part.operations.items()
        }
        return _Guarded(part, operations)

    def _locked(self, part: LocalService, name: str, call: Operation) -> Operation:
        def locked(who: Caller, params: dict[str, Any]) -> dict[str, Any]:
            with self._lock:
                self._state.agenda.run_due()
                account = self._state.account(who.account_id)
                if not self._state.is_open(account):
                    raise ServiceError(
                        "AccessDeniedException",
                        f"User: arn:aws:iam::{who.account_id}:root is not authorized to perform: "
                        f"{part.name}:{name}",
                    )
                if part.regional and not account.can_use(who.region):
                    # What AWS answers to credentials of an account that lacks the Region.
                    raise ServiceError(
                        "UnrecognizedClientException",
                        "The security token included in the request is invalid.",
                    )
                if not self._state.buckets.take(part.rates(who, name), self._state.now()):
                    raise ServiceError(part.wording.throttling, "Rate exceeded")
                return call(who, params)

        return locked


@dataclass(frozen=True, slots=True)
class _Guarded:
    part: LocalService
    operations: Mapping[str, Operation]

    @property
    def name(self) -> str:
        return self.part.name

    @property
    def wording(self) -> Wording:
        return self.part.wording

    def refused(self, broken: Sequence[Violation]) -> Sequence[Violation]:
        return self.part.refused(broken)
