"""The table in memory answers as DynamoDB does, whatever came before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from functions.aws.ledger import BY_TIME, Ledger
from functions.aws.rows import Rows, Write
from functions.aws.sessions import Clients
from functions.enrolment.errors import RollcallError
from functions.enrolment.membership import Action, Answer, Outcome, Status, Verdict
from functions.enrolment.plan import Plan
from functions.enrolment.reason import Reason, ReasonCode
from tests.support.builders import NOW, OTHER, a_membership
from tests.support.memory_rows import MemoryRows, ledger_on
from tests.support.tables import create_table
from tests.unit.aws.support import LEASE, REGION, a_session, an_onboarding

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST, SECOND = {"pk": "a", "sk": "1"}, {"pk": "a", "sk": "2"}
SEEN = a_membership(Status.INVITED).begun(Action.INVITE, NOW + 0.25)
ENDED = SEEN.answered(Action.INVITE, Answer(Verdict.TAKEN), NOW).settled(
    Outcome.ENABLED, None, NOW + 1
)
ENDED_ONCE = a_membership(revision=1).settled(Outcome.FAILED, Reason(ReasonCode.OTHER, "no"), NOW)
ELSEWHERE = a_membership(account_id=OTHER)

# Twice in this order and twice in the other, every condition is both met and refused.
OPERATIONS: dict[str, Callable[[Rows, Ledger], object]] = {
    "open": lambda _, it: it.open(an_onboarding("one")),
    "open another": lambda _, it: it.open(an_onboarding("two", started_at=NOW - 1)),
    "extend_lease": lambda _, it: it.extend_lease("one", NOW + 2 * LEASE),
    "extend_lease by nothing": lambda _, it: it.extend_lease("one", NOW),
    "mark_published": lambda _, it: it.mark_published("one", "event", "e-1"),
    "end": lambda _, it: it.end("one", NOW + 2),
    "end, later": lambda _, it: it.end("one", NOW + 3),
    "persist_plan": lambda _, it: it.persist_plan(an_onboarding("one"), Plan((), ())),
    "persist_dry_run": lambda _, it: it.persist_dry_run([ENDED, ELSEWHERE], NOW),
    "write": lambda _, it: it.write([SEEN, ELSEWHERE], NOW),
    "write over": lambda _, it: it.write([ENDED_ONCE], NOW, apart=[ENDED]),
    "record": lambda _, it: it.record([SEEN], NOW + 5),
    "record both": lambda _, it: it.record([ENDED_ONCE, ELSEWHERE], NOW + 5),
    "read": lambda _, it: it.read([SEEN.key, ELSEWHERE.key, SEEN.key]),
    "findings": lambda _, it: it.findings("one"),
    "close with a lease": lambda _, it: it.close("two", "x", {}, NOW, lease_until=NOW + 1),
    "close": lambda _, it: it.close("one", "enabled", {"enabled": 2}, NOW + 60.5),
    "set_unfinished": lambda _, it: it.set_unfinished("one", ["event", "memberships"]),
    "extend_lease once closed": lambda _, it: it.extend_lease("one", NOW + 3 * LEASE),
    "onboarding": lambda _, it: it.onboarding("one"),
    "onboardings": lambda _, it: it.onboardings(["one", "two", "one", "three"]),
    "recent": lambda _, it: list(it.recent(1)),
    "recent since": lambda _, it: list(it.recent(since=NOW - 0.5)),
    "open, later": lambda _, it: it.open(an_onboarding("one", started_at=NOW + 1.5)),
    "put_if": lambda it, _: it.put_if(
        FIRST | {"n": 4}, "attribute_not_exists(n) OR n < :n", {":n": 0.5}
    ),
    "put": lambda it, _: it.put(FIRST | {"n": 1, "half": 0.5, "deep": {"list": [1, "x", None]}}),
    "put_if less": lambda it, _: it.put_if(FIRST | {"n": 9}, "n < :n", {":n": 3}),
    "put_if same": lambda it, _: it.put_if(FIRST | {"n": 8}, "n = :n", {":n": 4}),
    "put_if new": lambda it, _: it.put_if(SECOND, "attribute_not_exists(pk)", None),
    "scan": lambda it, _: in_order(item for n in range(3) for item in it.scan(n, 3, "account#")),
    "put_all": lambda it, _: it.put_all([FIRST | {"n": 2}, SECOND | {"n": 3}]),
    "put_all twice": lambda it, _: it.put_all([FIRST, FIRST]),
    "query": lambda it, _: list(it.query("a")),
    "query a part": lambda it, _: list(it.query("a", "2")),
    "transact new": lambda it, _: it.transact(
        [Write(FIRST | {"revision": 1}, seen=0), Write(SECOND | {"revision": 1}, seen=0)]
    ),
    "transact seen": lambda it, _: it.transact(
        [Write(FIRST | {"revision": 2}, seen=1), Write(SECOND | {"revision": 2}, seen=1)]
    ),
    "transact half": lambda it, _: it.transact(
        [Write(FIRST | {"revision": 3}, seen=2), Write(SECOND | {"revision": 1}, seen=0)]
    ),
    "transact any": lambda it, _: it.transact([Write(FIRST | {"n": 5}), Write(SECOND)]),
    "transact twice": lambda it, _: it.transact([Write(FIRST), Write(FIRST)]),
    "transact too much": lambda it, _: it.transact(
        [Write({"pk": "b", "sk": str(number)}) for number in range(101)]
    ),
    "update": lambda it, _: it.update(FIRST, "SET n = :n", "attribute_exists(m)", {":n": 0.25}),
    "update or make": lambda it, _: it.update(
        FIRST, "SET n = :n, m = if_not_exists(m, :n)", "attribute_not_exists(m)", {":n": 7}
    ),
    "get": lambda it, _: it.get(FIRST),
    "get_all": lambda it, _: in_order(it.get_all([SECOND, FIRST, {"pk": "no", "sk": "no"}])),
    "get_all twice": lambda it, _: in_order(it.get_all([FIRST, FIRST])),
    "newest": lambda it, _: list(it.newest(BY_TIME, "onboarding", limit=2)),
}


def in_order(items: Any) -> list[Any]:
    return sorted(items, key=lambda item: (str(item["pk"]), str(item["sk"])))


def answer(operation: str, rows: Rows, ledger: Ledger) -> object:
    try:
        return OPERATIONS[operation](rows, ledger)
    except RollcallError as error:
        return type(error)


def items(rows: Rows) -> list[Any]:
    return sorted(rows.scan(0, 1, ""), key=lambda item: f"{item['pk']} {item['sk']}")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(list(OPERATIONS)), min_size=8, max_size=30))
@example([*OPERATIONS] * 2)
@example([*reversed(OPERATIONS)] * 2)
def test_the_same_operations_are_answered_alike(operations: list[str]) -> None:
    memory = MemoryRows()
    with mock_aws():
        rows = create_table(Clients(a_session()).client("dynamodb", REGION))
        for operation in operations:
            expected = answer(operation, rows, ledger_on(rows))

            assert answer(operation, memory, ledger_on(memory)) == expected, operation

        assert [memory.get({"pk": pk, "sk": sk}) for pk, sk in sorted(memory.items)] == items(rows)
