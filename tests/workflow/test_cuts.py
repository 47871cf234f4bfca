"""Every step, cut short at every request and retried: nothing is done twice, nothing forgotten.

A run of one target is driven step by step, as the state machine would. At one of its requests, to
AWS or to the table, the step is killed: before the request, or after it took effect. Then the same
step is retried with the same input, as Retry does. Every request of every run is cut in turn.
"""

from __future__ import annotations

import importlib
import itertools
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest

from functions.aws.directory import Directory
from functions.enrolment.account import AccountId, Mode
from functions.enrolment.configuration import Configuration, Invitation
from functions.enrolment.decide import Circumstances
from functions.enrolment.documents import loop_from_json
from functions.enrolment.errors import Throttled
from functions.enrolment.membership import ENABLED, Action
from functions.enrolment.protection import DETECTOR_FEATURES
from functions.enrolment.regions import is_opt_in
from functions.enrolment.target import Target
from functions.services import registry
from functions.steps import wiring
from infra.local.api import Caller
from infra.local.facts.clock import ManualClock
from infra.local.gateway.calls import CallLog
from infra.local.gateway.endpoint import Endpoint
from infra.local.gateway.faults import Faults
from infra.local.world import World
from tests.support.builders import ACCOUNT, ADMINISTRATOR, MANAGEMENT, OTHER
from tests.support.in_process import local_client
from tests.support.lambda_context import CONTEXT
from tests.support.memory_rows import MemoryRows, ledger_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from functions.aws.ledger import Ledger
    from functions.enrolment.documents import Loop
    from functions.enrolment.membership import Membership
    from functions.enrolment.service import Service
    from functions.services.protocol import Invitee, SecurityService
    from functions.services.record import ServiceRecord
    from infra.local.wire.http import Request, Response
    from tests.support.memory_rows import Items

T = TypeVar("T")

REGION = "eu-west-1"
CIS, NIST = "cis-aws-foundations-benchmark/v/1.2.0", "nist-800-53/v/5.0.0"
STEPS = {
    Action.CREATE: "create_members",
    Action.INVITE: "invite_members",
    Action.ACCEPT: "accept_invitations",
    Action.RESTART: "restart_members",
    "report": "publish_interim",
}
# The calls that change something, and the action whose attempts must count them.
CHANGING = {
    "CreateMembers": Action.CREATE,
    "InviteMembers": Action.INVITE,
    "StartMonitoringMember": Action.RESTART,
    "StartMonitoringMembers": Action.RESTART,
}


class Cut(BaseException):
    """The function is killed: nothing in it can handle that."""


@dataclass
class Knife:
    """Cuts once, at the request of a number, before it or after."""

    at: int
    after: bool
    error: type[BaseException] = Cut
    requests: int = 0
    used: bool = False

    def through(self, request: Callable[[], T]) -> T:
        self.requests += 1
        mine = not self.used and self.requests == self.at
        if mine and not self.after:
            self.used = True
            raise self.error
        answer = request()
        if mine:
            self.used = True
            raise self.error
        return answer


class CutRows(MemoryRows):
    """The table, whose every access can be the last."""

    def __init__(self, knife: Knife) -> None:
        super().__init__()
        self._knife = knife

    def any_of(self, accesses: Sequence[Callable[[Items], T]]) -> tuple[int, T]:
        every = super().any_of
        return self._knife.through(lambda: every(accesses))


class Switchboard:
    """The services of the run under way, whose every call can be the last.

    Clients are slow to make: those of one run serve the next as well.
    """

    endpoint: Endpoint
    knife: Knife

    def owns(self, request: Request) -> bool:
        return self.endpoint.owns(request)

    def handle(self, request: Request) -> Response:
        return self.knife.through(lambda: self.endpoint.handle(request))


SWITCHBOARD = Switchboard()


@cache
def client(service: str, account_id: str, region: str) -> Any:
    return local_client(cast("Endpoint", SWITCHBOARD), service, account_id, region)


@dataclass
class Channel:
    """What is published, or kept in the bucket."""

    knife: Knife
    sent: list[Any] = field(default_factory=list)

    def __call__(self, *arguments: Any) -> str:
        self.knife.through(lambda: self.sent.append(arguments))
        return "id"


class Play:
    """One account, or two, and one target, from planning to the published result."""

    def __init__(
        self,
        service: Service,
        mode: Mode,
        knife: Knife,
        lag: float,
        *,
        volume_known_after: float = 0,
        standards: tuple[str, ...] | None = None,
        detector_features: tuple[str, ...] | None = None,
    ) -> None:
        self._volume_known_after = volume_known_after
        self.target, self.mode, self.knife = Target(service, REGION), mode, knife
        self.clock = ManualClock()
        self.world, self.calls = World(self.clock), CallLog()
        self.events = Channel(knife)
        self._furnish(lag)
        SWITCHBOARD.endpoint = Endpoint(self.world, self.clock, Faults(0), self.calls)
        SWITCHBOARD.knife = knife
        accepts = Invitation(
            member_role="RollcallMember",
            external_id="test",
            standards=standards,
            detector_features=detector_features,
        )
        self.configuration = Configuration((REGION,), (service,), accepts)
        self.ledger: Ledger = ledger_on(CutRows(knife))
        self.wiring = cast("wiring.Wiring", self)

    # As the steps see their wiring.
    home_region = REGION
    services = registry.SERVICES
    settings = SimpleNamespace(administrator_id=ADMINISTRATOR)
    executions = SimpleNamespace(ended=lambda _arn: None)

    @property
    def directory(self) -> Directory:
        return Directory(
            client("organizations", ADMINISTRATOR, "us-east-1"),
            client("account", ADMINISTRATOR, "us-east-1"),
        )

    @property
    def publisher(self) -> SimpleNamespace:
        return SimpleNamespace(event=self.events, message=Channel(self.knife))

    @property
    def archive(self) -> SimpleNamespace:
        return SimpleNamespace(persist=Channel(self.knife))

    def now(self) -> float:
        return self.clock.now()

    def service(self, target: Target) -> SecurityService:
        def clients(service: str, region: str) -> Any:
            return client(service, ADMINISTRATOR, region)

        invitation = self.configuration.invitation
        return self.record(target).adapter_in(target.region, clients, invitation)

    def invitee(self, target: Target, account_id: AccountId) -> Invitee:
        members = client(target.service.name, account_id, target.region)
        return self.record(target).invitee(members, self.configuration.invitation)

    def record(self, target: Target) -> ServiceRecord:
        (found,) = (each for each in self.services if each == target.service)
        return found

    def loop(self, document: Mapping[str, Any]) -> Loop:
        return loop_from_json(document, self.services)

    def circumstances(
        self, loop: Loop, now: float, awaited: Mapping[AccountId, Membership] | None = None
    ) -> Circumstances:
        timing = self.configuration.timing
        return Circumstances(now, timing, accepts=True, awaited=awaited or {})

    def _furnish(self, lag: float) -> None:
        do = self.world.apply
        do({"do": "create_organization", "management": MANAGEMENT})
        do({"do": "add_account", "account_id": ADMINISTRATOR, "organization": MANAGEMENT})
        place = {"account_id": ADMINISTRATOR, "regions": [REGION]}
        assert not is_opt_in(REGION)
        for service in registry.SERVICES:
            do({"do": "enable", "service": str(service), **place})
            do({"do": "designate", "service": str(service), **place})
        inside = {"organization": MANAGEMENT} if self.mode is Mode.ORGANIZATION else {}
        for account in (ACCOUNT, OTHER):
            known = "unknown" if self._volume_known_after else "known"
            facts = {"email": f"{account}@example.com", "volume": known, **inside}
            do({"do": "add_account", "account_id": account, **facts})
        do({"do": "set_timings", "detective_recheck": None})
        do({"do": "stale_reads", "seconds": lag})
        self._began = self.clock.now()

    def run(self) -> None:
        """Drive the run to its end."""
        accounts = [{"id": a, "email": f"{a}@example.com"} for a in (ACCOUNT, OTHER)]
        if self.mode is Mode.ORGANIZATION:
            accounts = [{"id": account["id"]} for account in accounts]
        begun = {
            "input": {"accounts": accounts, "mode": str(self.mode)},
            "onboarding_id": "run",
            "started_at": "2026-11-21T00:00:00Z",
        }
        plan = self._step("plan_onboarding", begun)
        for target in plan["targets"]:
            self._loop(
                {
                    "onboarding_id": "run",
                    "dry_run": False,
                    "accounts": plan["accounts"],
                    "target": target,
                    "reports": True,
                }
            )
        self.result = self._step("publish_results", plan)

    def _loop(self, document: dict[str, Any]) -> None:
        for _ in range(100):
            if 0 < self._volume_known_after < self.clock.now() - self._began:
                self._volume_known_after = 0
                for account in (ACCOUNT, OTHER):
                    known = {"do": "set_account", "account_id": account, "volume": "known"}
                    self.world.apply(known)
            document = self._step("get_members", document)
            if document["next"] == Action.STOP:
                return
            if document["next"] in STEPS:
                document = self._step(STEPS[document["next"]], document)
            self.clock.advance(document["wait_seconds"])
        raise AssertionError("the loop does not end")

    def _step(self, module: str, document: dict[str, Any]) -> dict[str, Any]:
        handler = importlib.import_module(f"functions.steps.{module}").handler
        for _ in range(2):
            try:
                result: dict[str, Any] = handler(document, CONTEXT)
            except self.knife.error:
                self.clock.advance(2)
            else:
                return result
        raise AssertionError("cut twice")


def check(play: Play) -> None:
    """What must be true of every run, wherever it was cut."""
    found = play.ledger.findings("run")
    assert found is not None
    assert {m.outcome for m in found.own} <= ENABLED
    assert len(found.own) == 2
    assert not found.left
    assert not found.missing
    assert play.result["complete"] is True
    assert found.onboarding.closed_at is not None
    once = {1} if play.mode is Mode.INVITATION else set()
    assert {one["sent"] for one in play.world.snapshot()["invitations"]} == once
    made = Counter(CHANGING.get(str(call.operation)) for call in play.calls.read())
    for action in (Action.CREATE, Action.INVITE, Action.RESTART):
        assert sum(m.tries(action) for m in found.own) >= made[action]
    (first, *further) = [document for document, _ in play.events.sent if document["final"]]
    assert first["counts"]["enabled"] + first["counts"]["already enabled"] == 2
    # A step that was killed between publishing and noting it publishes the same once more.
    assert all(again == first for again in further)


@pytest.mark.parametrize("lag", [0, 60], ids=["reads at once", "reads lag"])
@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("service", registry.SERVICES)
def test_a_run_cut_at_any_request_ends_as_if_it_had_not_been(
    service: Service, mode: Mode, lag: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cut_everywhere(service, mode, lag, monkeypatch) > 60


def cut_everywhere(
    service: Service,
    mode: Mode,
    lag: float,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Knife], Play] | None = None,
    error: type[BaseException] = Cut,
) -> int:
    """Run and check once for every request; how many there were."""
    cuts = 0
    for after in (False, True):
        for number in itertools.count(1):
            knife = Knife(number, after, error)
            play = make(knife) if make else Play(service, mode, knife, lag)
            monkeypatch.setattr(wiring, "wiring", lambda play=play: play.wiring)
            play.run()
            cut, knife.used = knife.used, True
            check(play)
            if not cut:
                break
            cuts += 1
    return cuts


def test_restarts_cut_at_any_request_are_all_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    plays: list[Play] = []

    def make(knife: Knife) -> Play:
        play = Play(registry.DETECTIVE, Mode.ORGANIZATION, knife, 0, volume_known_after=300)
        plays.append(play)
        return play

    assert cut_everywhere(registry.DETECTIVE, Mode.ORGANIZATION, 0, monkeypatch, make) > 60
    restarted = [
        "StartMonitoringMember" in {call.operation for call in play.calls.read()} for play in plays
    ]
    # Where the first is cut short the volume may be known before the next is due.
    assert restarted.count(True) > len(plays) / 2


def test_standards_are_enabled_wherever_an_acceptance_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plays: list[Play] = []

    def make(knife: Knife) -> Play:
        play = Play(registry.SECURITYHUB, Mode.INVITATION, knife, 0, standards=(CIS, NIST))
        plays.append(play)
        return play

    assert cut_everywhere(registry.SECURITYHUB, Mode.INVITATION, 0, monkeypatch, make) > 60
    for play in plays:
        for account in (ACCOUNT, OTHER):
            found = asked(play, account, "GetEnabledStandards")["StandardsSubscriptions"]
            assert {one["StandardsArn"].partition("/")[2] for one in found} == {CIS, NIST}


def test_a_detector_has_its_features_wherever_an_acceptance_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plays: list[Play] = []

    def make(knife: Knife) -> Play:
        features = ("S3_DATA_EVENTS",)
        play = Play(registry.GUARDDUTY, Mode.INVITATION, knife, 0, detector_features=features)
        plays.append(play)
        return play

    assert cut_everywhere(registry.GUARDDUTY, Mode.INVITATION, 0, monkeypatch, make) > 60
    for play in plays:
        for account in (ACCOUNT, OTHER):
            (detector,) = asked(play, account, "ListDetectors")["DetectorIds"]
            found = asked(play, account, "GetDetector", DetectorId=detector)["Features"]
            on = {one["Name"] for one in found if one["Status"] == "ENABLED"}
            assert on & set(DETECTOR_FEATURES) == {"S3_DATA_EVENTS"}


def asked(play: Play, account: str, operation: str, **parameters: object) -> dict[str, Any]:
    """What the play's service answers the account itself."""
    operations = play.world.services[play.target.service.name].operations
    return operations[operation](Caller(account, REGION), parameters)


@pytest.mark.parametrize("service", registry.SERVICES)
def test_a_table_that_is_throttled_at_any_request_has_nobody_invited_twice(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(knife: Knife) -> Play:
        play = Play(service, Mode.INVITATION, knife, 60)
        SWITCHBOARD.knife = play.events.knife = Knife(0, after=False)
        return play

    assert cut_everywhere(service, Mode.INVITATION, 60, monkeypatch, make, Throttled) > 40
