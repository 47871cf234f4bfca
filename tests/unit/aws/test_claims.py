"""Who may act on an account: every rule of a claim, one after the other and all at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from moto.dynamodb.models import DynamoDBBackend

from functions.aws.ledger import Claimed, HeldBy, Ledger
from functions.aws.sessions import Clients
from tests.support.builders import ACCOUNT, NOW, OTHER
from tests.unit.aws.support import LEASE, REGION, a_session, an_onboarding

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from functions.enrolment.account import AccountId

AFTER_LEASE = NOW + LEASE + 1
DAY = 86400


def claim(
    ledger: Ledger,
    onboarding_id: str,
    now: float = NOW,
    *,
    account_id: AccountId = ACCOUNT,
    since: float | None = None,
) -> Claimed | HeldBy:
    """Open an onboarding and claim an account, as planning does."""
    ledger.open(an_onboarding(onboarding_id, started_at=now, lease_until=now + LEASE))
    return ledger.claim(account_id, onboarding_id, now, now + LEASE, unless_enabled_since=since)


def end(ledger: Ledger, onboarding_id: str, at: float, *, enabled: bool) -> None:
    ledger.release([ACCOUNT], onboarding_id, at, {ACCOUNT: enabled})
    ledger.close(onboarding_id, "enabled" if enabled else "incomplete", {}, at)


def test_an_account_nobody_holds_is_claimed(ledger: Ledger) -> None:
    assert claim(ledger, "one") == Claimed()


def test_a_held_account_names_its_holder(ledger: Ledger) -> None:
    claim(ledger, "one")

    assert claim(ledger, "two") == HeldBy("one")


def test_holding_one_account_does_not_hold_another(ledger: Ledger) -> None:
    claim(ledger, "one")

    assert claim(ledger, "two", account_id=OTHER) == Claimed()


def test_a_step_taken_again_claims_again(ledger: Ledger) -> None:
    claim(ledger, "one")

    assert claim(ledger, "one") == Claimed()
    assert claim(ledger, "two") == HeldBy("one")


def test_a_lease_that_is_over_blocks_nobody(ledger: Ledger) -> None:
    claim(ledger, "one")

    assert claim(ledger, "two", AFTER_LEASE) == Claimed()
    assert claim(ledger, "one", AFTER_LEASE) == HeldBy("two")


def test_an_extended_lease_holds(ledger: Ledger) -> None:
    claim(ledger, "one")
    ledger.extend_lease("one", AFTER_LEASE + 1)

    assert claim(ledger, "two", AFTER_LEASE) == HeldBy("one")


def test_a_claim_without_a_record_holds_for_its_own_lease(ledger: Ledger) -> None:
    ledger.claim(ACCOUNT, "one", NOW, NOW + LEASE)

    assert claim(ledger, "two") == HeldBy("one")
    assert claim(ledger, "two", AFTER_LEASE) == Claimed()


def test_a_closed_onboarding_holds_nothing_even_where_it_released_nothing(ledger: Ledger) -> None:
    claim(ledger, "one")
    ledger.close("one", "incomplete", {}, NOW)

    assert claim(ledger, "two") == Claimed()


def test_a_person_may_repeat_what_just_ended(ledger: Ledger) -> None:
    claim(ledger, "one")
    end(ledger, "one", NOW + 60, enabled=True)

    assert claim(ledger, "two", NOW + 61) == Claimed()


@pytest.mark.parametrize(
    ("enabled", "since", "expected"),
    [
        (True, NOW, HeldBy("one")),
        (True, NOW + 60, HeldBy("one")),
        (True, NOW + 61, Claimed()),
        (False, NOW, Claimed()),
    ],
)
def test_an_event_soon_after_everything_was_enabled_is_a_duplicate(
    ledger: Ledger, enabled: bool, since: float, expected: Claimed | HeldBy
) -> None:
    claim(ledger, "one")
    end(ledger, "one", NOW + 60, enabled=enabled)

    assert claim(ledger, "two", NOW + 120, since=since) == expected


def test_an_account_released_and_claimed_again_is_held_again(ledger: Ledger) -> None:
    claim(ledger, "one")
    end(ledger, "one", NOW + 60, enabled=True)
    claim(ledger, "two", NOW + 61)

    assert claim(ledger, "three", NOW + 62, since=NOW) == HeldBy("two")


def test_releasing_leaves_a_claim_that_was_taken_over_alone(ledger: Ledger) -> None:
    claim(ledger, "one")
    claim(ledger, "two", AFTER_LEASE)

    end(ledger, "one", AFTER_LEASE + 1, enabled=True)

    assert claim(ledger, "three", AFTER_LEASE + 2) == HeldBy("two")


def test_only_an_ended_claim_expires(ledger: Ledger, table: Table) -> None:
    key: dict[str, Any] = {"pk": f"account#{ACCOUNT}", "sk": "claim"}
    claim(ledger, "one")
    assert "expires_at" not in table.get_item(Key=key)["Item"]

    end(ledger, "one", NOW, enabled=True)
    assert table.get_item(Key=key)["Item"]["expires_at"] == int(NOW) + 366 * DAY

    claim(ledger, "two")
    assert "expires_at" not in table.get_item(Key=key)["Item"]


def test_a_holder_that_comes_back_late_learns_what_it_lost(ledger: Ledger) -> None:
    claim(ledger, "one")
    claim(ledger, "one", account_id=OTHER)
    claim(ledger, "two", AFTER_LEASE)

    lease = ledger.extend_lease("one", AFTER_LEASE + LEASE)

    assert lease.lost == {ACCOUNT}
    assert lease.until == AFTER_LEASE + LEASE
    assert claim(ledger, "three", AFTER_LEASE, account_id=OTHER) == HeldBy("one")


def test_what_the_holder_lost_to_one_that_died_is_free(ledger: Ledger, table: Table) -> None:
    claim(ledger, "one")
    table.update_item(
        Key={"pk": "onboarding#one", "sk": "onboarding"},
        UpdateExpression="ADD lost :account",
        ExpressionAttributeValues={":account": {str(ACCOUNT)}},
    )
    ledger.extend_lease("one", AFTER_LEASE + LEASE)

    assert claim(ledger, "two", AFTER_LEASE) == Claimed()


def test_a_holder_that_comes_back_in_time_loses_nothing(ledger: Ledger) -> None:
    claim(ledger, "one")

    lease = ledger.extend_lease("one", AFTER_LEASE + LEASE)

    assert lease.lost == frozenset()
    assert claim(ledger, "two", AFTER_LEASE) == HeldBy("one")


def test_of_many_claiming_at_once_exactly_one_acts(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(ledger, "dead")
    _make_updates_atomic(monkeypatch)
    clients = [Clients(a_session()) for _ in range(8)]
    ledgers = [Ledger(each.table("rollcall", REGION)) for each in clients]
    barrier = threading.Barrier(len(ledgers))
    results: dict[str, Claimed | HeldBy] = {}

    def take(contender: Ledger, onboarding_id: str) -> None:
        barrier.wait()
        results[onboarding_id] = claim(contender, onboarding_id, AFTER_LEASE)

    threads = [
        threading.Thread(target=take, args=(contender, f"run-{number}"))
        for number, contender in enumerate(ledgers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    [winner] = [name for name, result in results.items() if result == Claimed()]
    assert len(results) == len(ledgers)
    assert {result for name, result in results.items() if name != winner} == {HeldBy(winner)}
    assert ledger.extend_lease("dead", AFTER_LEASE + LEASE).lost == {ACCOUNT}


def _make_updates_atomic(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB checks a condition and writes in one; moto's threads would do it in two."""
    lock = threading.Lock()
    update_item = DynamoDBBackend.update_item

    def atomic(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return update_item(*args, **kwargs)

    monkeypatch.setattr(DynamoDBBackend, "update_item", atomic)
