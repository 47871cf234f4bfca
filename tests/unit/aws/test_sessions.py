"""Clients are made once, members' too, for as long as their credentials last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from threading import Barrier, BrokenBarrierError
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import Mock

import pytest
from botocore.stub import ANY, Stubber

from functions.aws.sessions import Clients
from functions.enrolment.errors import AccessDenied, CredentialsRefused, ServiceUnavailable
from tests.support.builders import ACCOUNT, NOW, OTHER
from tests.unit.aws.support import REGION, a_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from functions.aws.pacing import Pacing

ROLE, EXTERNAL_ID = "RollcallMember", "example-external-id"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clients(clock: Clock) -> Clients:
    return Clients(a_session(), clock)


@pytest.fixture
def sts(clients: Clients) -> Iterator[Stubber]:
    with Stubber(clients.client("sts", REGION)) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def assumed(key: str, at: float = NOW, account_id: str = ACCOUNT) -> tuple[str, Any, Any]:
    """What STS answers to exactly the request that is to be made."""
    response = {
        "Credentials": {
            "AccessKeyId": f"ASIAEXAMPLEEXAMPLE{key}",
            "SecretAccessKey": "example",
            "SessionToken": f"token-{key}",
            "Expiration": datetime.fromtimestamp(at + 900, UTC),
        }
    }
    request = {
        "RoleArn": f"arn:aws:iam::{account_id}:role/{ROLE}",
        "RoleSessionName": "rollcall",
        "DurationSeconds": 900,
        "ExternalId": EXTERNAL_ID,
    }
    return "assume_role", response, request


def key_of(clients: Clients) -> str:
    client: Any = clients.client("guardduty", REGION)
    key: str = client._request_signer._credentials.access_key
    return key[-2:]


def test_a_client_is_made_once_per_service_and_region(clients: Clients) -> None:
    here, there = clients.client("sns", REGION), clients.client("sns", "us-east-1")

    assert clients.client("sns", REGION) is here
    assert (here.meta.region_name, there.meta.region_name) == (REGION, "us-east-1")
    assert clients.client("sts", REGION).meta.service_model.service_name == "sts"


def test_clients_carry_the_configuration(clients: Clients) -> None:
    config: Any = clients.client("securityhub", REGION).meta.config

    assert config.retries == {"mode": "standard", "total_max_attempts": 5}


def test_a_members_clients_and_sts_give_up_sooner(clients: Clients, sts: Stubber) -> None:
    sts.add_response(*assumed("01"))

    member = clients.as_member(ACCOUNT, ROLE, EXTERNAL_ID, "aws")

    configs: list[Any] = [
        member.client("guardduty", REGION).meta.config,
        member.client("detective", REGION).meta.config,
        clients.client("sts", REGION).meta.config,
    ]
    for config in configs:
        assert config.retries == {"mode": "standard", "total_max_attempts": 2}
        assert (config.connect_timeout, config.read_timeout) == (5, 10)
        assert config.user_agent_extra == "rollcall"


def test_sts_is_asked_in_the_own_region(clients: Clients) -> None:
    assert clients.client("sts", REGION).meta.endpoint_url == f"https://sts.{REGION}.amazonaws.com"


def test_a_member_acts_with_the_roles_credentials(clients: Clients, sts: Stubber) -> None:
    sts.add_response(*assumed("01"))

    member = clients.as_member(ACCOUNT, ROLE, EXTERNAL_ID, "aws")

    assert key_of(member) == "01"
    assert key_of(clients) != "01"


def test_a_role_is_assumed_again_only_shortly_before_its_end(
    clients: Clients, sts: Stubber, clock: Clock
) -> None:
    sts.add_response(*assumed("01"))
    first = clients.as_member(ACCOUNT, ROLE, EXTERNAL_ID, "aws")

    clock.now = NOW + 779
    assert clients.as_member(ACCOUNT, ROLE, EXTERNAL_ID, "aws") is first

    clock.now = NOW + 780
    sts.add_response(*assumed("02", at=clock.now))
    assert key_of(clients.as_member(ACCOUNT, ROLE, EXTERNAL_ID, "aws")) == "02"


def test_members_are_kept_apart(clients: Clients, sts: Stubber) -> None:
    sts.add_response(*assumed("01"))
    sts.add_response(*assumed("02", account_id=OTHER))

    members = [clients.as_member(each, ROLE, EXTERNAL_ID, "aws") for each in (ACCOUNT, OTHER)]

    assert [key_of(member) for member in members] == ["01", "02"]


def test_a_role_of_another_partition(clients: Clients, sts: Stubber) -> None:
    operation, response, request = assumed("01")
    arn = f"arn:aws-us-gov:iam::{ACCOUNT}:role/{ROLE}"
    sts.add_response(operation, response, dict.fromkeys(request, ANY) | {"RoleArn": arn})

    assert key_of(clients.as_member(ACCOUNT, ROLE, EXTERNAL_ID, "aws-us-gov")) == "01"


def test_a_role_that_may_not_be_assumed_is_named(clients: Clients, sts: Stubber) -> None:
    sts.add_client_error("assume_role", "AccessDenied", "not authorized", http_status_code=403)

    with pytest.raises(AccessDenied, match=f"^arn:aws:iam::{ACCOUNT}:role/{ROLE} cannot be"):
        clients.as_member(ACCOUNT, ROLE, EXTERNAL_ID, "aws")


@pytest.mark.parametrize("code", ["RegionDisabledException", "InvalidClientTokenId"])
def test_credentials_that_sts_does_not_know_are_told_apart(
    clients: Clients, sts: Stubber, code: str
) -> None:
    sts.add_client_error("assume_role", code, "not here", http_status_code=403)

    with pytest.raises(CredentialsRefused, match=f"^arn:aws:iam::{ACCOUNT}:role/{ROLE} cannot be"):
        clients.as_member(ACCOUNT, ROLE, EXTERNAL_ID, "aws")


def test_a_refusal_is_not_remembered(clients: Clients, sts: Stubber) -> None:
    sts.add_client_error("assume_role", "ServiceUnavailable", http_status_code=503)
    sts.add_response(*assumed("01"))

    with pytest.raises(ServiceUnavailable):
        clients.as_member(ACCOUNT, ROLE, EXTERNAL_ID, "aws")

    assert key_of(clients.as_member(ACCOUNT, ROLE, EXTERNAL_ID, "aws")) == "01"


class OneAtATime:
    """A session that says whether a thread came while another was making a client."""

    region_name = REGION

    def __init__(self) -> None:
        self.made: list[str] = []
        self._both = Barrier(2)
        self.met = False

    def client(self, service: str, **_: Any) -> object:
        # Broken if no other thread comes, or has not come before.
        with suppress(BrokenBarrierError):
            self._both.wait(0.1)
            self.met = True
        self.made.append(service)
        return object()

    resource = client


def test_threads_make_one_client_after_the_other() -> None:
    session: Any = OneAtATime()
    clients = Clients(session)
    paced: Any = clients.paced(cast("Pacing", Mock()))

    with ThreadPoolExecutor(4) as pool:
        pool.submit(clients.client, "guardduty", REGION)
        pool.submit(clients.client, "guardduty", REGION)
        pool.submit(paced.client, "detective", REGION)

    assert not session.met
    assert sorted(session.made) == ["detective", "guardduty"]
