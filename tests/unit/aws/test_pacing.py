"""The requests of a survey stay within the rates of AWS."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from functions.aws.pacing import Pacer, Pacing
from functions.aws.sessions import Clients
from functions.enrolment.rate import Rate
from tests.unit.aws.support import REGION, a_session

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """Sleeping moves it."""

    def __init__(self) -> None:
        self.moment = 1000.0

    def now(self) -> float:
        return self.moment

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.moment += seconds


rates = st.builds(Rate, st.sampled_from([0.5, 1, 5, 8, 10, 25]), st.integers(1, 30))


@given(rate=rates, pauses=st.lists(st.sampled_from([0, 0, 0, 0.01, 0.3, 2, 60]), max_size=80))
def test_no_period_has_more_requests_than_the_bucket_gives(rate: Rate, pauses: list[float]) -> None:
    clock = Clock()
    pacer = Pacer(rate, clock.now, clock.sleep)
    sent = []
    for pause in pauses:
        clock.moment += pause
        pacer.wait()
        sent.append(clock.moment)

    for (first, begin), (last, end) in combinations(enumerate(sent), 2):
        assert last - first + 1 <= rate.burst + (end - begin) * rate.per_second + 1e-6


def test_a_pause_allows_a_burst_and_then_the_rate_is_used_in_full() -> None:
    clock = Clock()
    pacer = Pacer(Rate(10, 3), clock.now, clock.sleep)
    clock.moment += 3600
    begin = clock.moment

    for _ in range(23):
        pacer.wait()

    assert clock.moment - begin == pytest.approx(2)


def test_each_thread_takes_a_token_of_its_own() -> None:
    slept: list[float] = []
    pacer = Pacer(Rate(4, 2), lambda: 1000.0, slept.append)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: pacer.wait(), range(40)))

    # Two at once, and each of the others a quarter of a second after the one before.
    assert sorted(slept) == [0.25 * number for number in range(1, 39)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Aws:
    """Answers every request of a client with the next of these responses."""

    def __init__(self, client: Any, clock: Clock, *responses: tuple[int, bytes]) -> None:
        self._responses: Iterator[tuple[int, bytes]] = iter(responses)
        self._clock = clock
        self.received: list[float] = []
        client.meta.events.register("before-send", self._answer)

    def _answer(self, **_: Any) -> AWSResponse:
        self.received.append(self._clock.moment)
        status, body = next(self._responses)
        headers: Any = HeadersDict()
        return AWSResponse("https://example.com", status, headers, _Raw(body))


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._body


PAGES = (b'{"Accounts": [], "NextToken": "a"}', b'{"Accounts": [], "NextToken": "b"}')
LAST = b'{"Accounts": []}'
TAGS = b'{"Tags": []}'
THROTTLED = b'{"__type": "TooManyRequestsException"}'


def organizations(clock: Clock, **paced: Rate) -> Any:
    pacing = Pacing(
        {f"organizations:{name}": rate for name, rate in paced.items()}, clock.now, clock.sleep
    )
    config = Config(retries={"mode": "standard", "total_max_attempts": 2})
    return Clients(a_session(), config=config).paced(pacing).client("organizations", REGION)


def test_every_page_of_a_list_is_paced(clock: Clock) -> None:
    client = organizations(clock, ListAccounts=Rate(2, 1))
    aws = Aws(client, clock, *((200, page) for page in (*PAGES, LAST)))

    list(client.get_paginator("list_accounts").paginate())

    assert aws.received == [1000, 1000.5, 1001]


def test_a_retry_is_paced(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # botocore's own, between attempts
    client = organizations(clock, ListAccounts=Rate(2, 1))
    aws = Aws(client, clock, (400, THROTTLED), (200, LAST))

    client.list_accounts()

    assert aws.received == [1000, 1000.5]


def test_operations_with_rates_of_their_own_do_not_wait_for_each_other(clock: Clock) -> None:
    client = organizations(clock, ListAccounts=Rate(2, 1), ListTagsForResource=Rate(1, 1))
    aws = Aws(client, clock, (200, LAST), (200, TAGS), (200, LAST))

    client.list_accounts()
    client.list_tags_for_resource(ResourceId="111122223333")
    client.list_accounts()

    assert aws.received == [1000, 1000, 1000.5]


def test_operations_of_a_service_share_its_rate_in_each_region(clock: Clock) -> None:
    pacing = Pacing({"guardduty": Rate(2, 1)}, clock.now, clock.sleep)
    moments = []
    for operation, region in (
        ("ListDetectors", "eu-west-1"),
        ("ListDetectors", "us-east-1"),
        ("ListMembers", "eu-west-1"),
    ):
        pacing.wait("guardduty", operation, region)
        moments.append(clock.moment)

    assert moments == [1000, 1000, 1000.5]


def test_what_has_no_rate_does_not_wait(clock: Clock) -> None:
    pacing = Pacing({"guardduty": Rate(1, 1)}, clock.now, clock.sleep)

    for _ in range(5):
        pacing.wait("sts", "GetCallerIdentity", REGION)

    assert clock.moment == 1000
