"""Whose a membership is, under every order of accesses: no two runs ever act on the same one."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from inspect import unwrap
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import pytest

from functions.aws.ownership import Taken, take
from functions.enrolment.account import Account, Mode
from functions.enrolment.documents import loop_to_json
from functions.enrolment.errors import Retryable
from functions.enrolment.membership import Action, Membership, Outcome
from functions.enrolment.ownership import LEASE_SECONDS, Claim
from functions.enrolment.plan import Plan
from functions.enrolment.records import membership_from_item
from functions.enrolment.target import Target, read_target
from functions.services import registry
from functions.steps import (
    close_run,
    create_members,
    ending,
    execution_end,
    get_members,
    publish_results,
)
from tests.support.builders import ACCOUNT, NOW, a_loop, a_membership
from tests.support.memory_rows import MemoryRows, ledger_on
from tests.unit.aws.interleaving import walk_every_order
from tests.unit.aws.support import LEASE, an_onboarding
from tests.unit.steps.support import TAKEN, wired

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from functions.enrolment.account import AccountId
    from functions.enrolment.membership import Answer
    from functions.enrolment.records import OnboardingRecord
    from tests.support.memory_rows import Items
    from tests.unit.aws.interleaving import Contender, Table, World
    from tests.unit.steps.support import Handler

    Rule = Callable[[World, "Event"], None]
    EndCheck = Callable[[World, list[Any]], None]

T = TypeVar("T")
# When the holder's lease is over. No time passes, so a lease that is extended now is never over.
LATE = NOW + LEASE + 1
FIRST, SHARED, LAST = TARGETS = tuple(
    Target(registry.GUARDDUTY, f"eu-west-{number}") for number in (1, 2, 3)
)
HOLDER = an_onboarding("holder")
ENABLED: dict[str, Any] = {"outcome": Outcome.ENABLED, "settled_at": NOW}
EXECUTION = "arn:aws:states:eu-west-1:111122223333:execution:Rollcall"


class Event(NamedTuple):
    """A run ``begins`` or ``ends`` an action, ``settles`` or ``loses`` a membership."""

    what: str
    run: str
    target: Target


class Contending(NamedTuple):
    """A contender, and the run it is of."""

    run: str
    work: Contender


def a_table(
    record: OnboardingRecord | None, targets: tuple[Target, ...] = TARGETS, **changes: Any
) -> Items:
    """The holder's record and plan, and its memberships."""
    rows = MemoryRows()
    ledger = ledger_on(rows)
    if record is not None:
        ledger.open(record)
        ledger.persist_plan(record, Plan((Account(ACCOUNT, None, Mode.ORGANIZATION),), targets))
    owned = a_membership(onboarding_id=HOLDER.id, **changes)
    ledger.write([replace(owned, target=target) for target in targets], NOW)
    return rows.items


def again(step: Callable[[float], T]) -> T:
    """A step as the state machine takes it: again, a little later, for what may heal."""
    for attempt in range(3):
        try:
            return step(LATE + attempt)
        except Retryable:
            continue
    return step(LATE + 3)


def plans(
    run: str, *targets: Target, mode: Mode = Mode.ORGANIZATION, acts: bool = False
) -> Contending:
    """Opens a run and takes what is free of these targets; perhaps it ``acts`` on that at once."""
    record = an_onboarding(run, started_at=LATE, lease_until=LATE + LEASE_SECONDS)
    covered = [Membership(ACCOUNT, target, mode) for target in targets]
    claims = {ACCOUNT: Claim(run, LATE, mode)}

    def work(table: Table) -> Taken:
        def plan(now: float) -> Taken:
            ledger_on(table).open(record)
            return take(ledger_on(table), covered, claims, now)

        taken = again(plan)
        begun = [membership.begun(Action.CREATE, LATE) for membership in taken.own.values()]
        for key in again(lambda now: ledger_on(table).record(begun, now)[0]) if acts else ():
            table.happens(Event("begins", run, key[1]))
        return taken

    return Contending(run, work)


def take_step(
    handler: Handler, document: dict[str, Any], table: Table, target: Target, later: float = 0
) -> dict[str, Any]:
    """One step of the holder's; what the target's service is called for happens."""

    def says(accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        table.happens(Event("begins", HOLDER.id, target))
        table.happens(Event("ends", HOLDER.id, target))
        return dict.fromkeys(accounts, TAKEN)

    def step(now: float) -> dict[str, Any]:
        wiring = wired(table, now + later)
        wiring.target.says = says
        return dict(unwrap(handler)(document, wiring))

    return again(step)


def a_document(target: Target, **changes: Any) -> dict[str, Any]:
    loop = replace(a_loop(), onboarding_id=HOLDER.id, target=target, resource="detector-1")
    return loop_to_json(replace(loop, **changes))


def creates(target: Target, later: float = 0) -> Contending:
    """Create Members, after a reading that has decided so."""
    document = a_document(target, acting=(ACCOUNT,))

    def work(table: Table) -> None:
        take_step(create_members.handler, document, table, target, later)

    return Contending(HOLDER.id, work)


def reads_and_creates(target: Target) -> Contending:
    """Get Members, and Create Members where that is next."""

    def work(table: Table) -> None:
        decided = take_step(get_members.handler, a_document(target), table, target)
        if decided["next"] == Action.CREATE:
            take_step(create_members.handler, decided, table, target)

    return Contending(HOLDER.id, work)


def publishes(**event: Any) -> Contending:
    """Publish Results; what is published is returned."""

    def work(table: Table) -> dict[str, Any]:
        wiring = wired(table, LATE)
        unwrap(publish_results.handler)({"onboarding_id": HOLDER.id, **event}, wiring)
        return wiring.published.events[-1][1]

    return Contending(HOLDER.id, work)


def is_aborted(child: Target | None = None) -> Contending:
    """Close Run, with the event that the execution or a target's child of it was aborted."""
    name = f"/Target:{child.key}" if child else f":{HOLDER.id}"
    event = {
        "detail-type": execution_end.STATUS_CHANGE,
        "detail": {
            "status": "ABORTED",
            "executionArn": f"{EXECUTION}{name}",
            "name": name[1:],
            "startDate": int(NOW * 1000),
            "stopDate": int(LATE * 1000),
            "input": json.dumps(a_document(child or SHARED)),
        },
    }

    def work(table: Table) -> None:
        again(lambda now: unwrap(close_run.handler)(event, wired(table, now)))

    return Contending(HOLDER.id, work)


@cache
def read(text: str) -> Membership:
    return membership_from_item(json.loads(text), registry.SERVICES)


def rows_of(world: World) -> dict[Target, Membership]:
    rows = [read(text) for (pk, _), text in world.items.items() if pk == f"account#{ACCOUNT}"]
    return {row.target: row for row in rows}


def walk(
    items: Items,
    contenders: Sequence[Contending],
    *rules: Rule,
    look: EndCheck = lambda *_: None,
    losses: int = 0,
) -> None:
    """Every order; ``rules`` are for what happens, ``look`` is for every end."""

    def check(who: int, before: World, after: World) -> None:
        if before.items != after.items:
            check_writes(contenders[who].run, before, after)
        for event in after.happened[len(before.happened) :]:
            for rule in rules:
                rule(before, event)

    def check_end(world: World, results: list[Any]) -> None:
        owners = {target: row.onboarding_id for target, row in rows_of(world).items()}
        for contending, result in zip(contenders, results, strict=True):
            if isinstance(result, Taken):
                assert all(owners[target] == contending.run for _, target in result.own)
                assert all(owners[target] != contending.run for _, target in result.left)
        look(world, results)

    work = [contending.work for contending in contenders]
    walk_every_order(items, work, check=check, check_end=check_end, losses=losses)


def check_writes(run: str, before: World, after: World) -> None:
    """A run writes what is its own or what it takes, as it is, and never again what it lost."""
    rows = rows_of(before)
    for target, new in rows_of(after).items():
        old = rows.get(target)
        if new == old:
            continue
        assert new.revision == (old.revision if old else 0) + 1
        assert new.onboarding_id == run
        assert Event("loses", run, target) not in after.happened
        if old is not None and old.onboarding_id != run:
            after.happened += (Event("loses", old.onboarding_id, target),)
        elif new.outcome is not None:
            after.happened += (Event("settles", run, target),)


def acts_alone(before: World, event: Event) -> None:
    """Only one run ever acts on a membership, once, and only while it is its own."""
    if event.what == "begins":
        others = [e for e in before.happened if (e.what, e.target) == ("begins", event.target)]
        assert not others, f"{event} after {others}"
        assert rows_of(before)[event.target].onboarding_id == event.run


def waits_for_what_was_begun(before: World, event: Event) -> None:
    """No run acts on a membership while another does, and none twice."""
    if event.what == "begins":
        about = [e for e in before.happened if e.target == event.target]
        ended = {e.run for e in about if e.what == "ends"} - {event.run}
        under_way = {e.run for e in about if e.what == "begins"} - ended
        assert not under_way, f"{event} while {under_way}"


@pytest.fixture(autouse=True)
def _no_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """A contender runs thousands of times, and every end of a run prints its metrics."""
    monkeypatch.setattr(ending, "_count", lambda _: None)


@dataclass(frozen=True)
class Race:
    """A table and who contends for it."""

    items: Items
    contenders: Sequence[Contending]
    losses: int = 0


TAKERS = (plans("a", FIRST, SHARED, acts=True), plans("b", SHARED, LAST, acts=True))
AT_WORK = replace(HOLDER, lease_until=LATE + LEASE)
CLOSED = replace(HOLDER, closed_at=NOW, lease_until=NOW)
DECIDED = a_table(HOLDER, due=Action.CREATE)

RACES = {
    "what nobody has": Race({}, TAKERS, losses=1),
    "what a dead run had": Race(a_table(HOLDER), TAKERS),
    "what a closed run had": Race(a_table(CLOSED), TAKERS),
    "what a run without a record had": Race(a_table(None), TAKERS),
    "what a run has ended": Race(a_table(AT_WORK, **ENABLED), TAKERS),
    "planning again": Race({}, (plans("a", FIRST, SHARED), *TAKERS[1:], plans("a", FIRST, SHARED))),
    "a dead run that acts": Race(DECIDED, (*TAKERS, creates(SHARED))),
    "a dead run that reads": Race(a_table(HOLDER), (*TAKERS, reads_and_creates(SHARED))),
    "a dead run that reads, answers lost": Race(
        a_table(HOLDER), (TAKERS[0], reads_and_creates(SHARED)), losses=1
    ),
    "a dead run that acts, again": Race(
        DECIDED, (plans("a", SHARED, acts=True), creates(SHARED), creates(SHARED, later=0.5))
    ),
}


@pytest.mark.parametrize("race", RACES.values(), ids=RACES)
def test_one_run_owns_a_membership_and_acts_on_it(race: Race) -> None:
    owners: set[str] = set()

    def look(world: World, _: object) -> None:
        owners.add(rows_of(world)[SHARED].onboarding_id)

    walk(race.items, race.contenders, acts_alone, look=look, losses=race.losses)

    assert owners == {contending.run for contending in race.contenders}


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(is_aborted(), id="the execution was aborted"),
        pytest.param(is_aborted(SHARED), id="the target's child was aborted"),
        pytest.param(publishes(map_failure={"Error": "X"}), id="the map failed"),
    ],
)
def test_what_a_stopped_run_has_begun_is_over_before_another_begins(end: Contending) -> None:
    contenders = (creates(SHARED), end, plans("a", SHARED, acts=True))

    walk(a_table(HOLDER, (SHARED,), due=Action.CREATE), contenders, waits_for_what_was_begun)


def test_a_run_that_lost_a_membership_to_another_mode_begins_nothing_more() -> None:
    acted: set[tuple[str, ...]] = set()

    def look(world: World, _: object) -> None:
        acted.add(tuple(sorted(e.run for e in world.happened if e.what == "begins")))

    taker = plans("a", SHARED, mode=Mode.INVITATION, acts=True)

    walk(a_table(AT_WORK, due=Action.CREATE), (creates(SHARED), taker), look=look)

    assert ("a",) in acted
    assert all(len(set(runs)) == len(runs) for runs in acted)


@pytest.mark.parametrize(
    ("ended", "takers"),
    [
        pytest.param({}, (plans("a", SHARED), plans("b", FIRST)), id="by this step"),
        pytest.param(ENABLED, (plans("a", FIRST, SHARED),), id="before"),
    ],
)
def test_a_result_tells_of_what_the_run_has_ended_as_its_own(
    ended: Mapping[str, Any], takers: Sequence[Contending]
) -> None:
    def look(world: World, results: list[Any]) -> None:
        for entry in results[0]["memberships"]:
            target = read_target(registry.SERVICES, entry["service"], entry["region"])
            own = bool(ended) or Event("settles", HOLDER.id, target) in world.happened
            assert (entry["outcome"] != Outcome.SKIPPED) is own, entry

    items = a_table(AT_WORK if ended else HOLDER, (FIRST, SHARED), **ended)

    walk(items, (publishes(), *takers), look=look)


def test_findings_tell_of_what_the_run_has_ended_as_its_own() -> None:
    def look(_: World, results: list[Any]) -> None:
        assert {m.target for m in results[0].own} == set(TARGETS)

    looks_up = Contending(HOLDER.id, lambda table: ledger_on(table).findings(HOLDER.id))

    walk(a_table(AT_WORK, **ENABLED), (looks_up, plans("a", FIRST, SHARED)), look=look)
