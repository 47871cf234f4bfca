"""What a step works with: whose clients, of which Region, and which services."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.sessions import Clients
from functions.aws.settings import Settings
from functions.enrolment.account import Account, Mode
from functions.enrolment.configuration import Invitation
from functions.enrolment.documents import loop_to_json
from functions.enrolment.errors import AccessDenied, InvalidInput
from functions.enrolment.service import Service
from functions.enrolment.target import Target
from functions.services import registry
from functions.steps import wiring
from functions.steps.wiring import Wiring
from tests.support.builders import (
    ACCOUNT,
    ADMINISTRATOR,
    NOW,
    OTHER,
    a_configuration,
    a_loop,
    a_membership,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from functions.services.record import ServiceRecord

HOME = "eu-west-1"
ROLE = Invitation(message="Join", member_role="Member", external_id="id")
A_STRANGER = Account(OTHER, None, Mode.INVITATION)
ELSEWHERE = Target(registry.DETECTIVE, "us-east-1")


class Made(Clients):
    """Which clients were made: whose, of which service, in which Region."""

    def __init__(self, whose: str = "own", made: list[tuple[str, str, str]] | None = None) -> None:
        self.whose = whose
        self.made: list[tuple[str, str, str]] = [] if made is None else made
        self.refuses = False

    def client(self, service: Any, region: str) -> Any:
        self.made.append((self.whose, service, region))
        return self.made[-1]

    def as_member(
        self, account_id: str, role_name: str, external_id: str, partition: str
    ) -> Clients:
        if self.refuses:
            raise AccessDenied("no")
        return Made(f"{partition} {account_id} {role_name} {external_id}", self.made)


def made(partition: str = "aws", **configured: Any) -> tuple[Wiring, Made]:
    configuration = a_configuration(**configured)
    settings = Settings(ADMINISTRATOR, partition, configuration, "t", "bus", "topic", "bucket")
    clients = Made()
    return Wiring(settings, clients, HOME, lambda: NOW, registry.SERVICES), clients


@pytest.mark.parametrize(
    ("part", "of"),
    [
        (lambda wired: wired.ledger, ["dynamodb"]),
        (lambda wired: wired.publisher, ["events", "sns"]),
        (lambda wired: wired.archive, ["s3"]),
        (lambda wired: wired.executions, ["stepfunctions"]),
    ],
)
def test_what_is_rollcalls_own_is_at_home(part: Callable[[Wiring], object], of: list[str]) -> None:
    wired, clients = made()

    part(wired)

    assert clients.made == [("own", service, HOME) for service in of]


@pytest.mark.parametrize(
    ("partition", "region"),
    [
        ("aws", "us-east-1"),
        ("aws-cn", "cn-northwest-1"),
        ("aws-us-gov", "us-gov-west-1"),
        # What is not known of a partition is asked at home.
        ("aws-iso", HOME),
    ],
)
def test_organizations_is_asked_where_each_partition_answers(partition: str, region: str) -> None:
    wired, clients = made(partition)

    assert wired.directory
    assert clients.made == [("own", service, region) for service in ("organizations", "account")]


@pytest.mark.parametrize("service", registry.SERVICES, ids=str)
def test_a_service_is_called_in_the_targets_region(service: ServiceRecord) -> None:
    given: list[Any] = []

    def adapter(client: Any, invitation: Invitation, client_in: Callable[[str], Any]) -> Any:
        given.append((client, invitation))
        client_in("eu-north-1")

    record = replace(service, adapter=adapter)
    wired, clients = made(invitation=ROLE)

    replace(wired, services=(record,)).service(Target(service, "us-east-1"))

    regions = [("own", service.name, region) for region in ("us-east-1", "eu-north-1")]
    assert clients.made == regions
    assert given == [(clients.made[0], ROLE)]


def test_a_member_accepts_with_its_role_in_the_targets_region() -> None:
    given: list[Any] = []

    def invitee(client: Any, invitation: Invitation) -> Any:
        given.append((client, invitation))

    wired, clients = made("aws-us-gov", invitation=ROLE)
    wired = replace(wired, services=(replace(registry.DETECTIVE, invitee=invitee),))

    wired.invitee(ELSEWHERE, ACCOUNT)

    assert given == [(clients.made[0], ROLE)]
    assert clients.made == [(f"aws-us-gov {ACCOUNT} Member id", "detective", "us-east-1")]


def test_where_the_member_role_cannot_be_assumed_no_client_is_made() -> None:
    wired, clients = made(invitation=ROLE)
    clients.refuses = True

    with pytest.raises(AccessDenied):
        wired.invitee(ELSEWHERE, ACCOUNT)
    assert clients.made == []


def test_a_service_that_is_not_known_is_an_error() -> None:
    wired, clients = made()
    target = Target(Service("macie2", "Macie"), HOME)

    with pytest.raises(LookupError, match="macie2"):
        wired.record(target)
    with pytest.raises(InvalidInput, match=r"^target: there is no service macie2"):
        wired.loop(loop_to_json(a_loop(target=target)))
    assert clients.made == []


def test_a_loop_is_read_with_the_services_there_are() -> None:
    loop = a_loop(target=ELSEWHERE)

    assert made()[0].loop(loop_to_json(loop)) == loop


@pytest.mark.parametrize(("invitation", "accepts"), [(Invitation(), False), (ROLE, True)])
def test_a_decision_rests_on_the_configuration_and_the_loop(
    invitation: Invitation, *, accepts: bool
) -> None:
    wired, _ = made(invitation=invitation)
    accounts = (Account(ACCOUNT, None, Mode.ORGANIZATION, regions_known=True), A_STRANGER)
    loop = replace(a_loop(target=Target(registry.GUARDDUTY, "ap-east-1")), accounts=accounts)
    awaited = {ACCOUNT: a_membership()}

    found = wired.circumstances(loop, NOW, awaited)

    assert (found.now, found.timing) == (NOW, wired.configuration.timing)
    assert (found.accepts, found.opted_in) == (accepts, frozenset({ACCOUNT}))
    assert found.awaited == awaited
    assert wired.circumstances(loop, NOW).awaited == {}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", HOME)
    monkeypatch.setenv("ROLLCALL_ADMINISTRATOR", ADMINISTRATOR)
    monkeypatch.setenv("ROLLCALL_PARTITION", "aws")
    monkeypatch.setenv("ROLLCALL_CONFIGURATION", json.dumps(a_configuration().to_json()))
    wiring.wiring.cache_clear()
    yield monkeypatch
    wiring.wiring.cache_clear()


def test_the_wiring_is_read_from_the_environment_once(environment: pytest.MonkeyPatch) -> None:
    found = wiring.wiring()
    environment.setenv("ROLLCALL_ADMINISTRATOR", ACCOUNT)

    assert wiring.wiring() is found
    assert (found.settings.administrator_id, found.home_region) == (ADMINISTRATOR, HOME)
    assert (found.configuration, found.services) == (a_configuration(), registry.SERVICES)


def test_a_wiring_that_cannot_be_read_is_read_again(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("ROLLCALL_PARTITION")
    with pytest.raises(InvalidInput, match=r"^ROLLCALL_PARTITION"):
        wiring.wiring()

    environment.setenv("ROLLCALL_PARTITION", "aws-cn")
    assert wiring.wiring().settings.partition == "aws-cn"
