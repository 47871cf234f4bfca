"""Claims under every order of requests: never do two onboardings act on one account.

Each contender runs in a thread of its own that waits before every request until it is let
through, so that hypothesis decides the order and can shrink it.
"""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from functions.aws.ledger import Claimed, Ledger
from functions.aws.sessions import Clients
from tests.support.builders import ACCOUNT, NOW
from tests.support.tables import create_table
from tests.unit.aws.support import LEASE, REGION, a_session, an_onboarding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb.service_resource import Table

AFTER_LEASE = NOW + LEASE + 1
LATER = AFTER_LEASE + LEASE


class Contender:
    """One onboarding's way through the ledger; ``acts`` is what it believes in the end."""

    def __init__(self, table: Table) -> None:
        self.ledger = Ledger(table)
        self.acts = False
        self.ended = False
        self._go = threading.Semaphore(0)
        self._waits = threading.Semaphore(0)
        table.meta.client.meta.events.register("before-call.dynamodb", self._hold)

    def start(self, work: Callable[[Ledger], bool]) -> None:
        self.acts = self.ended = False
        threading.Thread(target=self._run, args=(work,), daemon=True).start()
        self._waits.acquire()

    def let_through(self) -> None:
        """Let one request through and wait for the next, or for the end."""
        self._go.release()
        self._waits.acquire()

    def _run(self, work: Callable[[Ledger], bool]) -> None:
        try:
            self.acts = work(self.ledger)
        finally:
            self.ended = True
            self._waits.release()

    def _hold(self, **_: object) -> None:
        self._waits.release()
        self._go.acquire()


def taker(onboarding_id: str) -> Callable[[Ledger], bool]:
    """Plans, finding the lease of the holder over."""

    def work(ledger: Ledger) -> bool:
        ledger.open(an_onboarding(onboarding_id, lease_until=LATER))
        return ledger.claim(ACCOUNT, onboarding_id, AFTER_LEASE, LATER) == Claimed()

    return work


def holder_goes_on(ledger: Ledger) -> bool:
    lease = ledger.extend_lease("holder", LATER)
    return lease.until is not None and ACCOUNT not in lease.lost


def holder_ends(ledger: Ledger) -> bool:
    ledger.release([ACCOUNT], "holder", AFTER_LEASE, {ACCOUNT: True})
    ledger.close("holder", "enabled", {}, AFTER_LEASE)
    return False


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    with mock_aws():
        yield create_table(Clients(a_session()).table("rollcall", REGION))


@pytest.fixture(scope="module")
def contenders(table: Table) -> list[Contender]:
    return [Contender(Clients(a_session()).table(table.name, REGION)) for _ in range(3)]


@pytest.mark.parametrize(
    "holder",
    [
        pytest.param(holder_goes_on, id="holder goes on"),
        pytest.param(taker("holder"), id="holder plans again"),
        pytest.param(holder_ends, id="holder ends"),
    ],
)
@settings(max_examples=60, deadline=None)
@given(order=st.lists(st.integers(0, 2), max_size=24))
def test_exactly_one_acts_whatever_the_order(
    table: Table,
    contenders: list[Contender],
    holder: Callable[[Ledger], bool],
    order: list[int],
) -> None:
    for key in ("account#" + ACCOUNT, "claim"), *_onboarding_keys("holder", "one", "two"):
        table.delete_item(Key={"pk": key[0], "sk": key[1]})
    ledger = Ledger(table)
    ledger.open(an_onboarding("holder"))
    ledger.claim(ACCOUNT, "holder", NOW, NOW + LEASE)

    for contender, work in zip(contenders, (holder, taker("one"), taker("two")), strict=True):
        contender.start(work)
    for number in itertools.chain(order, itertools.cycle(range(3))):
        if all(contender.ended for contender in contenders):
            break
        if not contenders[number].ended:
            contenders[number].let_through()

    assert sum(contender.acts for contender in contenders) == 1


def _onboarding_keys(*onboarding_ids: str) -> list[tuple[str, str]]:
    return [(f"onboarding#{each}", "onboarding") for each in onboarding_ids]
