"""What happens in an organisation, done to the simulated site."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Timing
from functions.services import registry
from infra.local.api import ServiceError
from tests.simulation.machine import ABORTED, FAILED, RUNNING, TIMED_OUT
from tests.simulation.site import BEGIN, ONBOARDING, RECONCILE
from tests.simulation.versions import FIRST, LATER, deploy_over
from tests.simulation.weeks import DAY, OPT_IN
from tests.support.builders import ADMINISTRATOR, MANAGEMENT
from tests.support.events import sample
from tests.support.organization import add_account

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.simulation.machine import Execution
    from tests.simulation.site import Site
    from tests.simulation.weeks import Weeks

# The local services list invitations by administrator: this one's come before those of ours.
STRANGER = AccountId("066600000001")


class Life:
    """``ids`` are the ids of accounts by their numbers, as far as they exist."""

    def __init__(self, site: Site, weeks: Weeks) -> None:
        self._site = site
        self._weeks = weeks
        self.ids: dict[int, AccountId] = {}
        # What is to be said about accounts that are not there yet.
        self._to_say: dict[int, list[dict[str, Any]]] = {}

    def begin(self) -> None:
        """The organisation as it is at first, and everything to come on the agenda."""
        site, weeks = self._site, self._weeks
        world = site.world
        with world.at_once():
            for service in weeks.configuration.services:
                regions = list(weeks.configuration.regions)
                place = {"service": service.name, "regions": regions}
                usual = [region for region in regions if region != OPT_IN]
                if weeks.management_enables:
                    here = {"regions": usual, "account_id": MANAGEMENT}
                    world.apply({"do": "enable", **place, **here})
                if weeks.auto_enable != "NONE":
                    world.apply(
                        {
                            "do": "designate",
                            **place,
                            "account_id": ADMINISTRATOR,
                            "auto_enable": weeks.auto_enable,
                        }
                    )
            for number, facts in weeks.accounts.items():
                account = self._id(number)
                add_account(world, account, email=_email(number), **facts)
        world.apply({"do": "set_timings", **weeks.timings})
        for _, happening in weeks.happenings:
            site.agenda.at(
                BEGIN + happening.at, partial(self._happen, happening.do, happening.given)
            )

    def _happen(self, do: str, given: Mapping[str, Any]) -> None:
        # Against AWS's rules, or about what is not there (yet), it does not happen.
        with suppress(ServiceError, LookupError, ValueError):
            getattr(self, f"_{do}")(**given)
        self._site.deliver()

    def _id(self, number: int) -> AccountId:
        return self.ids.setdefault(number, AccountId(f"{300_000_000_000 + number}"))

    def _known(self, number: int) -> AccountId:
        """Raises ValueError: the account is not there (yet)."""
        if number not in self.ids:
            raise ValueError(number)
        return self.ids[number]

    def _create(self, number: int) -> None:
        """CreateAccount, and what comes of it: the account's id is known when it is there."""
        site = self._site
        asked = site.management("CreateAccount", Email=_email(number), AccountName=f"A{number}")
        request = asked["CreateAccountStatus"]["Id"]

        def look() -> None:
            told = site.management("DescribeCreateAccountStatus", CreateAccountRequestId=request)
            status = told["CreateAccountStatus"]
            if status["State"] == "IN_PROGRESS":
                site.agenda.after(5, look)
            elif "AccountId" in status:
                self.ids[number] = AccountId(status["AccountId"])
                for said in self._to_say.pop(number, ()):
                    self._say(number, **said)

        site.agenda.after(1, look)

    def _control_tower(self, number: int) -> None:
        """Control Tower says that it has created the account, as Organizations did before."""
        event = sample("controltower_create_managed_account_succeeded")
        status = event["detail"]["serviceEventDetails"]["createManagedAccountStatus"]
        status["account"]["accountId"] = self._known(number)
        self._site.arrive(event)

    def _outside(
        self, number: int, accepts: float | None, role: bool, stranger: str | None
    ) -> None:
        """An account outside the organisation, maybe another administrator's."""
        account, world = self._id(number), self._site.world
        facts: dict[str, Any] = {"email": _email(number)}
        if not role:
            facts["accepts_after"] = accepts
        world.apply({"do": "add_account", "account_id": account, **facts})
        if role:
            self._site.member_roles.add(account)
        if stranger is None:
            return
        for service in self._weeks.configuration.services:
            regions = [r for r in self._weeks.configuration.regions if r != OPT_IN]
            theirs = {"service": service.name, "regions": regions}
            with world.at_once():
                world.apply({"do": "enable", **theirs, "account_id": STRANGER})
                for each in {"invites": ["invite"], "has": ["invite", "accept"]}[stranger]:
                    if each == "accept":
                        self._accept(account, service.name, regions)
                    else:
                        world.apply(
                            {
                                "do": "invite",
                                **theirs,
                                "administrator": STRANGER,
                                "account_id": account,
                            }
                        )

    def _accept(self, account: AccountId, service: str, regions: Sequence[str]) -> None:
        """The owner accepts another administrator's invitation."""
        facts = {"do": "set_account", "account_id": account}
        world = self._site.world
        world.apply({**facts, "accepts_after": {service: 0}})
        world.snapshot()

    def _join(self, number: int) -> None:
        account = self._known(number)
        target = {"Id": account, "Type": "ACCOUNT"}
        handshake = self._site.management("InviteAccountToOrganization", Target=target)["Handshake"]
        self._site.call(
            account, "organizations", "AcceptHandshake", "us-east-1", HandshakeId=handshake["Id"]
        )

    def _suspend(self, number: int) -> None:
        self._set(number, state="SUSPENDED")

    def _reopen(self, number: int) -> None:
        self._set(number, state="ACTIVE")

    def _set(self, number: int, **facts: object) -> None:
        command = {"do": "set_account", "account_id": self._known(number), **facts}
        self._site.world.apply(command)

    def _depart(self, number: int) -> None:
        self._site.management("RemoveAccountFromOrganization", AccountId=self._known(number))

    def _by_hand(self, number: int, service: str, region: str, operation: str) -> None:
        """The administrator's people do something to a member."""
        account = self._known(number)
        given: dict[str, Any] = {"AccountIds": [account]}
        if service == "guardduty":
            found = self._site.call(ADMINISTRATOR, service, "ListDetectors", region)
            given["DetectorId"] = found["DetectorIds"][0]
        if service == "detective":
            graph = self._site.call(ADMINISTRATOR, service, "ListGraphs", region)["GraphList"][0]
            given["GraphArn"] = graph["Arn"]
            operation = "DeleteMembers"
        if service == "securityhub" and operation == "StopMonitoringMembers":
            operation = "DisassociateMembers"
        self._site.call(ADMINISTRATOR, service, operation, region, **given)

    def _leave_by_itself(self, number: int) -> None:
        """The owner of an invited account leaves what it had accepted, or declines."""
        account = self._known(number)
        region = self._weeks.configuration.regions[0]
        for service in ("securityhub", "guardduty"):
            for operation, given in (
                ("DisassociateFromAdministratorAccount", {}),
                ("DeclineInvitations", {"AccountIds": [ADMINISTRATOR]}),
            ):
                if service == "guardduty" and operation.startswith("Disassociate"):
                    detectors = self._site.call(account, service, "ListDetectors", region)
                    given = {"DetectorId": (detectors["DetectorIds"] or ["none"])[0]}
                with suppress(ServiceError):
                    self._site.call(account, service, operation, region, **given)

    def _start(self, numbers: Sequence[int], email: str | None = None, **more: Any) -> None:
        known = [number for number in numbers if number in self.ids]
        if not known:
            raise ValueError(numbers)
        accounts: list[dict[str, Any]] = [{"id": self.ids[number]} for number in known]
        for account, number in zip(accounts, known, strict=True):
            if email is not None:
                account["email"] = _email(number) if email == "right" else "wrong@example.com"
        self._site.start(ONBOARDING, {"accounts": accounts, **more}, "manual")

    def _reconcile(self, **given: Any) -> None:
        self._site.start(RECONCILE, given, "reconcile")

    def _abort(self, which: float) -> None:
        running = [each for each in self._site.started if each.status == RUNNING]
        if running:
            self._site.machines.stop(_chosen(running, which))

    def _redrive(self, which: float) -> None:
        stopped = (FAILED, TIMED_OUT, ABORTED)
        ended = [each for each in self._site.started if each.status in stopped]
        if ended:
            self._site.machines.redrive(_chosen(ended, which))

    def _deploy(self, change: str) -> None:
        """Another configuration, or this version over what another one has left in flight."""
        site, configuration = self._site, self._site.configuration
        match change:
            case "regions":
                regions = configuration.regions
                other = ("eu-west-1", "us-east-1") if len(regions) == 1 else regions[:1]
                configuration = replace(configuration, regions=other)
            case "services":
                whole = len(configuration.services) == len(registry.SERVICES)
                services = registry.SERVICES[:2] if whole else registry.SERVICES
                configuration = replace(configuration, services=services)
            case "timing":
                timing = Timing(first_wait=30, longest_wait=900, invitation_deadline=3 * int(DAY))
                configuration = replace(configuration, timing=timing)
            case "over the first version":
                deploy_over(site, FIRST)
            case "over a later version":
                deploy_over(site, LATER)
        self._prepare(configuration.services, configuration.regions)
        site.configure(configuration)

    def _prepare(self, services: Sequence[Any], regions: Sequence[str]) -> None:
        """The administrator is set up where it was not yet, as doctor asks for."""
        world = self._site.world
        for service in services:
            place = {
                "service": service.name,
                "account_id": ADMINISTRATOR,
                "regions": list(regions),
            }
            world.apply({"do": "enable", **place})
            world.apply({"do": "designate", **place})

    def _remove_administrator(self, service: str, region: str) -> None:
        self._site.call(
            MANAGEMENT,
            service,
            "DisableOrganizationAdminAccount",
            region,
            **_administrator(service),
        )

    def _restore_administrator(self, service: str, region: str) -> None:
        place = {"service": service, "account_id": ADMINISTRATOR, "regions": [region]}
        self._site.world.apply({"do": "enable", **place})
        self._site.world.apply({"do": "designate", **place})

    def _say(self, number: int, **said: Any) -> None:
        """A service leaves the account unprocessed so many times, as soon as it is there."""
        if number not in self.ids:
            self._to_say.setdefault(number, []).append(said)
            return
        about = {"operation": "CreateMembers", "account_id": self.ids[number]}
        self._site.world.apply({"do": "unprocess", **about, **said})

    def _opt_in(self, number: int) -> None:
        account = self._known(number)
        self._site.call(
            ADMINISTRATOR,
            "account",
            "EnableRegion",
            "us-east-1",
            AccountId=account,
            RegionName=OPT_IN,
        )


def _email(number: int) -> str:
    return f"account-{number}@example.com"


def _chosen(executions: Sequence[Execution], which: float) -> Execution:
    return executions[int(which * len(executions))]


def _administrator(service: str) -> dict[str, str]:
    return {} if service == "detective" else {"AdminAccountId": ADMINISTRATOR}
