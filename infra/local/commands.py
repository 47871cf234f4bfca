"""The commands that change facts of the local world: JSON objects, told apart by ``do``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from functions.enrolment.account import is_account_id
from infra.local.api import Caller, ServiceError
from infra.local.facts.organization import AccountState, AutoEnable, Joined, LocalOrganization
from infra.local.facts.regions import OPT_IN_REGIONS, OptStatus
from infra.local.facts.state import Forced, LocalAccount, NewRole, Volume
from infra.local.facts.switches import switched
from infra.local.facts.timings import is_amount

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from enum import StrEnum

    from infra.local.facts.state import State
    from infra.local.services.service import LocalService
    from infra.local.services.shared.members import Members

    Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class About:
    """The keys a command takes, those it requires before the semicolon, and what it does."""

    keys: str
    does: str


_FACTS = "email, name, state, accepts_after, volume, regions, tags"
COMMANDS: Mapping[str, About] = {
    "create_organization": About("management", "makes an organization; returns its id and root"),
    "add_account": About(
        f"account_id; {_FACTS}, organization (its management account), parent, joined",
        "adds an account, or describes one that calls already; an account that an organization"
        " CREATED has the role OrganizationAccountAccessRole",
    ),
    "set_account": About(f"account_id; {_FACTS}", "changes facts of an account"),
    "remove_account": About("account_id", "takes an account out of its organization"),
    "create_account": About(
        "management, email, name", "creates an account as Organizations does, with its events"
    ),
    "add_unit": About("management, name; parent", "adds an organizational unit; returns its id"),
    "trust": About("management, principal", "enables trusted access of a service principal"),
    "enable": About(
        "service, account_id, regions", "creates a hub, a detector or a behavior graph"
    ),
    "disable": About("service, account_id, regions", "deletes it, whatever depends on it"),
    "designate": About(
        "service, account_id, regions; auto_enable",
        "makes the delegated administrator; `auto_enable`: NONE, NEW or ALL",
    ),
    "invite": About(
        "service, administrator, account_id, regions",
        "does what the administrator does: creates the member, and invites it if it is outside the"
        " organization",
    ),
    "fail_association": About(
        "management, account_id; text",
        "lets the account's associations with a configuration policy of Security Hub fail with this"
        " text from then on; null ends that",
    ),
    "set_timings": About("any timings", "changes how long things take"),
    "set_limits": About("any limits", "changes how many there may be"),
    "set_switches": About("any switches", "chooses where AWS's behaviour is not certain"),
    "stale_reads": About("seconds", "lets reads of members lag behind writes"),
    "unprocess": About(
        "service, operation, account_id, text; times, region",
        "returns the account in UnprocessedAccounts with this text",
    ),
    "process": About("", "ends what unprocess began"),
}


class Commands:
    def __init__(
        self,
        state: State,
        members: Mapping[str, Members],
        services: Mapping[str, LocalService],
    ) -> None:
        self._state = state
        self._members = members
        self._services = services
        self._table: dict[str, Callable[[_Arguments], dict[str, Any]]] = {
            "create_organization": self._create_organization,
            "add_account": self._add_account,
            "set_account": self._set_account,
            "remove_account": self._remove_account,
            "create_account": self._create_account,
            "add_unit": self._add_unit,
            "trust": self._trust,
            "enable": self._enable,
            "disable": self._disable,
            "designate": self._designate,
            "invite": self._invite,
            "fail_association": self._fail_association,
            "set_timings": self._set_timings,
            "set_limits": self._set_limits,
            "set_switches": self._set_switches,
            "stale_reads": self._stale_reads,
            "unprocess": self._unprocess,
            "process": self._process,
        }

    def apply(self, command: dict[str, Any]) -> dict[str, Any]:
        """What the command made, often nothing. ValueError names the key that is wrong."""
        name = command.get("do")
        if not isinstance(name, str) or name not in self._table:
            raise ValueError(f"do: one of {', '.join(self._table)}")
        arguments = _Arguments(name, {key: value for key, value in command.items() if key != "do"})
        try:
            return self._table[name](arguments)
        except ServiceError as error:
            raise ValueError(f"{name}: {error.message}") from error

    def _create_organization(self, given: _Arguments) -> dict[str, Any]:
        management = given.account_id("management")
        given.no_more()
        if self._state.organization_of(management):
            raise ValueError(f"management: {management} is in an organization already")
        organization = self._state.found_organization(management)
        return {"organization": organization.id, "root": organization.root_id}

    def _add_account(self, given: _Arguments) -> dict[str, Any]:
        account_id = given.account_id("account_id")
        email = given.text("email", f"account-{account_id}@example.com")
        name = given.text("name", f"Account {account_id}")
        management = given.maybe_account_id("organization")
        parent, joined = given.maybe_text("parent"), given.choice("joined", Joined, Joined.CREATED)
        if self._state.organization_of(account_id):
            raise ValueError(f"account_id: {account_id} is in an organization already")
        organization = None if management is None else self._organization(management)
        if organization and parent and not organization.has_parent(parent):
            raise ValueError(f"parent: {parent} is not in the organization")
        account = LocalAccount(account_id, email, name)
        tags = self._set_facts(account, given)
        given.no_more()
        self._state.describe(account)
        if organization is not None:
            self._state.join(organization, account_id, joined, parent)
            organization.tags[account_id] = tags
            if joined is Joined.CREATED:
                role = NewRole.of_organization(account_id, organization.management)
                self._state.make_role(role)
        return {}

    def _set_account(self, given: _Arguments) -> dict[str, Any]:
        account_id = given.account_id("account_id")
        if account_id not in self._state.accounts:
            raise ValueError(f"account_id: {account_id} is unknown")
        account = self._state.accounts[account_id]
        changed = replace(
            account,
            email=given.text("email", account.email),
            name=given.text("name", account.name),
            accepts_after=dict(account.accepts_after),
            regions=dict(account.regions),
        )
        tags = self._set_facts(changed, given)
        given.no_more()
        self._state.describe(changed)
        organization = self._state.organization_of(account_id)
        if organization is not None and tags:
            organization.tags[account_id] = tags
        self._state.account_changed(account_id)
        return {}

    def _set_facts(self, account: LocalAccount, given: _Arguments) -> dict[str, str]:
        account.state = given.choice("state", AccountState, account.state)
        account.volume = given.choice("volume", Volume, account.volume)
        if "accepts_after" in given:
            account.accepts_after = _acceptance(given.take("accepts_after"), self._members)
        if "regions" in given:
            regions = given.texts("regions")
            unknown = sorted(set(regions) - OPT_IN_REGIONS)
            if unknown:
                raise ValueError(f"regions: {', '.join(unknown)} cannot be opted in to")
            account.regions = dict.fromkeys(regions, OptStatus.ENABLED)
        tags = given.take("tags", {})
        if not isinstance(tags, dict):
            raise ValueError("tags: an object of strings")
        return {str(key): str(value) for key, value in tags.items()}

    def _remove_account(self, given: _Arguments) -> dict[str, Any]:
        account_id = given.account_id("account_id")
        given.no_more()
        organization = self._state.organization_of(account_id)
        if organization is None or organization.management == account_id:
            raise ValueError(f"account_id: {account_id} is not a member of an organization")
        if organization.is_delegate(account_id):
            raise ValueError(f"account_id: {account_id} is a delegated administrator")
        self._state.leave(organization, account_id)
        return {}

    def _create_account(self, given: _Arguments) -> dict[str, Any]:
        management = self._organization(given.account_id("management")).management
        params = {"Email": given.text("email"), "AccountName": given.text("name")}
        given.no_more()
        create = self._services["organizations"].operations["CreateAccount"]
        status = create(Caller(management, "us-east-1"), params)["CreateAccountStatus"]
        return {"request": status["Id"]}

    def _add_unit(self, given: _Arguments) -> dict[str, Any]:
        organization = self._organization(given.account_id("management"))
        name, parent = given.text("name"), given.text("parent", organization.root_id)
        given.no_more()
        if not organization.has_parent(parent):
            raise ValueError(f"parent: {parent} is not in the organization")
        return {"unit": self._state.add_unit(organization, name, parent).id}

    def _trust(self, given: _Arguments) -> dict[str, Any]:
        organization = self._organization(given.account_id("management"))
        principal = given.text("principal")
        given.no_more()
        organization.service_access.setdefault(principal, self._state.now())
        return {}

    def _enable(self, given: _Arguments) -> dict[str, Any]:
        members, account_id, regions = self._target(given)
        given.no_more()
        self._state.account(account_id)
        for region in regions:
            members.switch_on(account_id, region)
        return {}

    def _disable(self, given: _Arguments) -> dict[str, Any]:
        members, account_id, regions = self._target(given)
        given.no_more()
        for region in regions:
            self._state.installations.pop((members.name, account_id, region), None)
            self._state.account_changed(account_id)
        return {}

    def _designate(self, given: _Arguments) -> dict[str, Any]:
        members, account_id, regions = self._target(given)
        auto_enable = given.choice("auto_enable", AutoEnable) if "auto_enable" in given else None
        given.no_more()
        organization = self._state.organization_of(account_id)
        if organization is None:
            raise ValueError(f"account_id: {account_id} is in no organization")
        for region in regions:
            try:
                members.delegation.designate(Caller(organization.management, region), account_id)
            except ServiceError as error:
                raise ValueError(f"account_id: {error.message}") from error
            if auto_enable is not None:
                members.delegation.set_auto_enable(Caller(account_id, region), auto_enable)
        return {}

    def _invite(self, given: _Arguments) -> dict[str, Any]:
        """An account of the administrator's organization needs no invitation: it is created."""
        administrator = given.account_id("administrator")
        members, account_id, regions = self._target(given)
        given.no_more()
        for region in regions:
            if self._state.installation(members.name, administrator, region) is None:
                raise ValueError(
                    f"administrator: {administrator} has not enabled {members.label} in {region}"
                )
        email = self._state.account(account_id).email
        for region in regions:
            who = Caller(administrator, region)
            refused = members.create(who, account_id, email)
            invited = members.invites_on_creation or members.shared_organization(who, account_id)
            if not refused and not invited:
                refused = members.invite(who, account_id)
            if refused:
                raise ValueError(f"account_id: {refused}")
        return {}

    def _fail_association(self, given: _Arguments) -> dict[str, Any]:
        organization = self._organization(given.account_id("management"))
        account_id, text = given.account_id("account_id"), given.maybe_text("text")
        given.no_more()
        if organization.central is None:
            raise ValueError("management: the organization has no central configuration")
        if text is None:
            organization.central.failures.pop(account_id, None)
        else:
            organization.central.failures[account_id] = text
        return {}

    def _set_timings(self, given: _Arguments) -> dict[str, Any]:
        self._state.timings = self._state.timings.replaced(given.rest())
        return {}

    def _set_limits(self, given: _Arguments) -> dict[str, Any]:
        self._state.limits = self._state.limits.replaced(given.rest())
        return {}

    def _set_switches(self, given: _Arguments) -> dict[str, Any]:
        self._state.switches = switched(self._state.switches, given.rest())
        return {}

    def _stale_reads(self, given: _Arguments) -> dict[str, Any]:
        seconds = given.number("seconds")
        given.no_more()
        self._state.timings = self._state.timings.replaced({"stale_reads": seconds})
        return {}

    def _unprocess(self, given: _Arguments) -> dict[str, Any]:
        service = given.name("service", self._members)
        operation = given.text("operation")
        if operation not in self._members[service].operations:
            raise ValueError(f"operation: {service} has no {operation}")
        forced = Forced(
            service,
            operation,
            given.account_id("account_id"),
            given.text("text"),
            int(given.number("times", 1)),
            given.maybe_text("region"),
        )
        given.no_more()
        self._state.forced.append(forced)
        return {}

    def _process(self, given: _Arguments) -> dict[str, Any]:
        given.no_more()
        self._state.forced.clear()
        return {}

    def _target(self, given: _Arguments) -> tuple[Members, str, list[str]]:
        members = self._members[given.name("service", self._members)]
        return members, given.account_id("account_id"), given.texts("regions")

    def _organization(self, management: str) -> LocalOrganization:
        for organization in self._state.organizations.values():
            if organization.management == management:
                return organization
        raise ValueError(f"{management} is not the management account of an organization")


class _Arguments:
    """A command's keys, each taken once; what is left over at the end is unknown."""

    def __init__(self, command: str, given: dict[str, Any]) -> None:
        self._command = command
        self._given = given

    def __contains__(self, key: str) -> bool:
        return key in self._given

    def take(self, key: str, default: Any = None) -> Any:
        return self._given.pop(key, default)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.take(key, default)
        if not isinstance(value, str) or not value:
            raise ValueError(f"{key}: a string that is not empty")
        return value

    def maybe_text(self, key: str) -> str | None:
        return self.text(key) if self._given.get(key) is not None else self.take(key)

    def texts(self, key: str) -> list[str]:
        value = self.take(key)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ValueError(f"{key}: a list of strings")
        return value

    def account_id(self, key: str) -> str:
        value = self.take(key)
        if not isinstance(value, str) or not is_account_id(value):
            raise ValueError(f"{key}: twelve digits, as a string")
        return value

    def maybe_account_id(self, key: str) -> str | None:
        return self.account_id(key) if self._given.get(key) is not None else self.take(key)

    def number(self, key: str, default: float | None = None) -> float:
        value = self.take(key, default)
        if not is_amount(value):
            raise ValueError(f"{key}: a number, not negative")
        return float(value)

    def rest(self) -> dict[str, Any]:
        given, self._given = self._given, {}
        return given

    def name(self, key: str, names: Collection[str]) -> str:
        value = self.take(key)
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"{key}: one of {', '.join(names)}")
        return value

    def choice(self, key: str, kind: type[Choice], default: Choice | None = None) -> Choice:
        value = self.take(key, default)
        if value not in list(kind):
            raise ValueError(f"{key}: one of {', '.join(kind)}")
        return kind(value)

    def no_more(self) -> None:
        if self._given:
            raise ValueError(f"{', '.join(self._given)}: not a key of {self._command}")


def _acceptance(value: Any, services: Collection[str]) -> dict[str, float | None]:
    by_service = value if isinstance(value, dict) else {"*": value}
    for service, seconds in by_service.items():
        if service != "*" and service not in services:
            raise ValueError(f"accepts_after: {service} is not one of {', '.join(services)}")
        if seconds is not None and not is_amount(seconds):
            raise ValueError("accepts_after: seconds, null, or an object of those by service")
    return by_service
