from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.ledger import Lease
from functions.enrolment.errors import AccessDenied, ServiceRefused, Throttled
from functions.enrolment.membership import Action, Answer, Membership, Outcome, Status, Verdict
from functions.enrolment.turn import Loop, loop_from_json, loop_to_json
from functions.steps.fail_target import reason_of
from functions.steps.loop import LEASE_SECONDS, act, keep, read_loop
from tests.support.builders import ACCOUNT, EMAIL, NOW, OTHER, a_loop, a_membership

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from functions.enrolment.account import AccountId

TAKEN = Answer(Verdict.TAKEN)


class Ledger:
    """A ledger that remembers what it was told."""

    def __init__(self, lease: Lease | None = None) -> None:
        self.lease = lease or Lease(until=NOW + 900)
        self.recorded: list[Membership] = []
        self.recorded_apart: list[Membership] = []
        self.extended_to: list[float] = []

    def extend_lease(self, _onboarding_id: str, until: float) -> Lease:
        self.extended_to.append(until)
        return self.lease

    def record(
        self,
        _id: str,
        _target: object,
        memberships: Iterable[Membership],
        _now: float,
        *,
        apart: Callable[[AccountId], bool],
    ) -> None:
        for membership in memberships:
            kept = self.recorded_apart if apart(membership.account_id) else self.recorded
            kept.append(membership)


def wired(ledger: Ledger) -> Any:
    return SimpleNamespace(ledger=ledger, now=lambda: NOW, service=lambda _target: None)


def acting(*accounts: AccountId) -> Loop:
    members = [a_membership(Status.ABSENT, account_id=account) for account in accounts]
    return a_loop(members, next=Action.CREATE, accounts=accounts, wait_seconds=15)


def test_a_loop_begins_with_the_maps_item_and_without_the_accounts_left_out() -> None:
    item = {
        "onboarding_id": "onboarding-1",
        "dry_run": False,
        "accounts": [
            {"id": ACCOUNT, "email": EMAIL, "mode": "organization"},
            {"id": OTHER, "email": None, "mode": "invitation"},
        ],
        "target": {
            "service": "detective",
            "region": "eu-west-1",
            "left_out": [OTHER],
            "waits_for": "guardduty",
        },
    }

    loop = read_loop(item)

    assert [m.account_id for m in loop.memberships] == [ACCOUNT]
    assert loop.waits_for == "guardduty"
    assert loop_from_json(loop_to_json(loop)) == loop


def test_only_what_changed_is_recorded_and_the_lease_outlasts_the_wait() -> None:
    ledger, loop = Ledger(), acting(ACCOUNT, OTHER)
    after = loop.with_memberships([loop.memberships[0].tried(Action.CREATE, TAKEN, NOW)])

    keep(loop, after, NOW, wired(ledger))

    assert [m.account_id for m in ledger.recorded] == [ACCOUNT]
    assert ledger.extended_to == [NOW + 15 + LEASE_SECONDS]


def test_an_account_another_onboarding_took_over_is_let_go() -> None:
    ledger, loop = Ledger(Lease(NOW + 900, frozenset({ACCOUNT}))), acting(ACCOUNT, OTHER)

    kept = keep(loop, loop, NOW, wired(ledger))

    assert kept["accounts"] == [OTHER]
    assert kept["memberships"][0]["outcome"] == Outcome.SKIPPED
    assert [m.account_id for m in ledger.recorded_apart] == [ACCOUNT]
    assert ledger.recorded == []
    assert kept["next"] == Action.CREATE


def test_with_its_last_account_taken_over_the_loop_stops() -> None:
    ledger, loop = Ledger(Lease(NOW + 900, frozenset({ACCOUNT}))), acting(ACCOUNT)

    kept = keep(loop, loop, NOW, wired(ledger))

    assert kept["next"] == Action.STOP


def test_nothing_more_is_done_once_the_onboarding_is_closed() -> None:
    ledger, loop = Ledger(Lease(until=None)), acting(ACCOUNT)

    kept = keep(loop, loop, NOW, wired(ledger))

    assert kept["next"] == Action.STOP
    assert kept["memberships"][0]["outcome"] == Outcome.FAILED


def test_one_account_the_service_refuses_does_not_spoil_the_batch() -> None:
    calls: list[Sequence[AccountId]] = []

    def create(_s: object, _l: Loop, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        calls.append(accounts)
        if ACCOUNT in accounts:
            raise ServiceRefused("Detective CreateMembers: ValidationException: no")
        return dict.fromkeys(accounts, TAKEN)

    document = act(loop_to_json(acting(ACCOUNT, OTHER)), wired(Ledger()), Action.CREATE, create)

    after = loop_from_json(document)
    assert [list(call) for call in calls] == [[ACCOUNT, OTHER], [ACCOUNT], [OTHER]]
    assert [m.outcome for m in after.memberships] == [Outcome.FAILED, None]
    assert after.memberships[0].reason == "Detective CreateMembers: ValidationException: no"


def test_a_call_that_is_not_allowed_ends_only_the_accounts_it_was_for() -> None:
    def create(*_: object) -> Mapping[AccountId, Answer]:
        raise AccessDenied("GuardDuty CreateMembers: AccessDeniedException: no")

    waiting = a_membership(Status.VERIFYING, account_id=OTHER)
    loop = a_loop([a_membership(Status.ABSENT), waiting], next=Action.CREATE, accounts=(ACCOUNT,))

    after = loop_from_json(act(loop_to_json(loop), wired(Ledger()), Action.CREATE, create))

    assert [m.outcome for m in after.memberships] == [Outcome.FAILED, None]


def test_throttling_leaves_the_step_for_the_state_machine_to_retry() -> None:
    def create(*_: object) -> Mapping[AccountId, Answer]:
        raise Throttled("GuardDuty CreateMembers: TooManyRequestsException")

    ledger = Ledger()
    with pytest.raises(Throttled):
        act(loop_to_json(acting(ACCOUNT)), wired(ledger), Action.CREATE, create)

    assert ledger.recorded == []


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (
            {"Error": "Throttled", "Cause": '{"errorMessage": "too fast", "stackTrace": ["…"]}'},
            "Throttled: too fast",
        ),
        ({"Error": "States.Timeout", "Cause": ""}, "States.Timeout"),
        ({"Error": "Lambda.Unknown", "Cause": "out of\nmemory"}, "Lambda.Unknown: out of memory"),
        ({"Error": "X", "Cause": "[1]"}, "X: [1]"),
        ({}, "an error"),
        (None, "the state machine could not go on"),
    ],
)
def test_a_caught_error_becomes_one_line(failure: object, reason: str) -> None:
    assert reason_of(failure) == reason
