"""After an abort, a deletion, a restoration or an outage, every account comes to be Enabled or has
a true reason, and nobody is invited twice.

The organisation has three new accounts, and two outside it that are invited: the owner of one
accepts after two hours, the other's never. The services take ten minutes.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.configuration import Configuration
from functions.intake.pattern import matches
from functions.services import registry
from infra.organization import archived_pattern, wanted_patterns
from tests.simulation.checker import Facts, check
from tests.simulation.life import Life
from tests.simulation.machine import ABORTED, RUNNING, TIMED_OUT
from tests.simulation.services.dynamodb import typed
from tests.simulation.site import BEGIN, ONBOARDING, site
from tests.simulation.troubles import Kind, Trouble
from tests.simulation.weeks import Happening, Weeks
from tests.support.builders import ADMINISTRATOR
from tests.workflow.test_upgrade import sample

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from tests.simulation.deployed import Deployed
    from tests.simulation.machine import Execution
    from tests.simulation.site import Site


MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
CONFIGURATION = Configuration(("eu-west-1",), registry.SERVICES)
SLOW = {
    "securityhub_enable": 10 * MINUTE,
    "guardduty_enable": 10 * MINUTE,
    "detective_verification": 10 * MINUTE,
}
NEW, INVITED = (1, 2, 3), (11, 12)
ACCEPTS = INVITED[0]
# When most memberships wait for a service, and the invited accounts for their owners.
IN_FLIGHT = 15 * MINUTE
# In ARNs of executions: of the machines that are deployed now, and of those of a deleted stack.
PRESENT, FORMER = ":execution:Rollcall", ":execution:Former"
STARTED: dict[str, Any] = {"numbers": INVITED, "mode": "invitation", "email": "right"}
BEGINNING = (
    *(Happening(60.0 * number, "create", {"number": number}) for number in NEW),
    *(
        Happening(
            0.0,
            "outside",
            {"number": number, "accepts": accepts, "role": False, "stranger": None},
        )
        for number, accepts in zip(INVITED, (2 * HOUR, None), strict=True)
    ),
    Happening(10 * MINUTE, "start", STARTED),
)


def no_event(start: float, seconds: float) -> Trouble:
    """Events about accounts and those about executions are lost for so long."""
    return Trouble(Kind.EVENT_LOST, start, seconds)


@dataclass
class Recovery:
    """A world in which something is done ``at`` seconds after its beginning."""

    here: Site
    life: Life
    weeks: Weeks

    def at(self, seconds: float, do: Callable[[], object]) -> None:
        self.here.agenda.at(BEGIN + seconds, do)

    def rest(self, days: int = 4, forgotten: Collection[str] = ()) -> None:
        """Daily reconciles for some days, until nothing happens any more; then all must be well.

        ``forgotten`` are runs whose record nobody can close, because their execution or the record
        itself is gone: rows may be theirs still, which keeps no other run from taking them.
        """
        here = self.here
        here.every_day(BEGIN + days * DAY)
        here.agenda.run(BEGIN + 60 * DAY)
        broken = [str(each) for each in check(Facts(here, self.life, self.weeks))]
        known = [f"is {name}'s" for name in forgotten] + [f": {name} (" for name in forgotten]
        left = [each for each in broken if not any(words in each for words in known)]
        assert not left, "\n".join(left)

    def begun(self) -> list[Execution]:
        """The executions there are, without those of children."""
        return list(self.here.machines.executions.values())

    def running(self) -> list[Execution]:
        return [execution for execution in self.begun() if execution.status == RUNNING]

    def statuses(self) -> dict[int, Counter[str]]:
        """The statuses of the accounts' memberships, by number."""
        numbers = {account: number for number, account in self.life.ids.items()}
        found: dict[int, Counter[str]] = {number: Counter() for number in self.life.ids}
        for one in self.here.world.snapshot()["memberships"]:
            if one["administrator"] == ADMINISTRATOR and one["account_id"] in numbers:
                found[numbers[one["account_id"]]][one["status"].upper()] += 1
        return found

    def invitations(self) -> list[int]:
        """How often each invitation was sent."""
        return [one["sent"] for one in self.here.world.snapshot()["invitations"]]

    def start_again(self) -> None:
        """A person starts the run of the invited accounts again."""
        self.life._start(**STARTED)


@contextmanager
def recovery(
    deployed: Deployed,
    troubles: Sequence[Trouble] = (),
    happenings: Sequence[Happening] = (),
) -> Iterator[Recovery]:
    weeks = Weeks(
        seed=1,
        configuration=CONFIGURATION,
        timings=SLOW,
        accounts={},
        management_enables=True,
        auto_enable="NONE",
        happenings=list(enumerate((*BEGINNING, *happenings))),
        troubles=list(enumerate(troubles)),
        seconds=DAY,
    )
    with site(deployed, CONFIGURATION, weeks.seed, weeks.troubles) as here:
        life = Life(here, weeks)
        life.begin()
        yield Recovery(here, life, weeks)


def check_all_enabled(world: Recovery, numbers: Sequence[int] = (*NEW, ACCEPTS)) -> None:
    statuses = world.statuses()
    assert {number: statuses[number] for number in numbers} == {
        number: {"ENABLED": 3} for number in numbers
    }
    assert set(world.invitations()) == {1}


def test_without_an_outage_all_become_enabled(deployed: Deployed) -> None:
    with recovery(deployed) as world:
        flying: list[Execution] = []
        world.at(IN_FLIGHT, lambda: flying.extend(world.running()))
        world.rest()

        assert len(flying) >= 2
        check_all_enabled(world)


@pytest.mark.parametrize("status", [ABORTED, TIMED_OUT])
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "not closed"])
def test_a_redriven_execution_ends_what_it_began(
    deployed: Deployed, status: str, closed: bool
) -> None:
    lost = [] if closed else [no_event(IN_FLIGHT - 1, HOUR)]
    with recovery(deployed, lost) as world:
        machines = world.here.machines
        stopped: list[Execution] = []

        def stop() -> None:
            stopped.extend(world.running())
            for execution in stopped:
                machines._stop(execution, status)

        def redrive() -> None:
            for execution in stopped:
                assert execution.status == status
                machines.redrive(execution)

        world.at(IN_FLIGHT, stop)
        world.at(IN_FLIGHT + HOUR, redrive)
        world.at(IN_FLIGHT + 2 * HOUR, world.start_again)
        world.rest()

        assert len(stopped) >= 2
        check_all_enabled(world)


def of_former_machine(item: dict[str, Any]) -> dict[str, Any]:
    arn = item.get("execution_arn")
    return item | {"execution_arn": arn.replace(PRESENT, FORMER)} if arn else item


def delete_stack(world: Recovery) -> None:
    """Executions end, Step Functions forgets them, and what is not retained is gone. The machines
    of the next stack have other names.
    """
    here = world.here
    for execution in world.begun():
        if execution.status == RUNNING:
            here.machines.stop(execution)
    here.machines.executions.clear()
    # The new stack has a bucket of its own.
    here.bucket.objects.clear()
    rewrite_table(world, of_former_machine)


def test_a_stack_that_is_deployed_again_over_the_kept_table_ends_what_was_in_flight(
    deployed: Deployed,
) -> None:
    during = Happening(IN_FLIGHT + 10 * MINUTE, "create", {"number": 4})
    with recovery(deployed, [no_event(IN_FLIGHT - 1, HOUR)], [during]) as world:
        forgotten = names_at(world, IN_FLIGHT)
        world.at(IN_FLIGHT, partial(delete_stack, world))
        world.at(IN_FLIGHT + HOUR, world.start_again)
        world.rest(forgotten=forgotten)

        check_all_enabled(world, (*NEW, 4, ACCEPTS))


def test_a_reconcile_in_flight_when_the_stack_was_deleted_keeps_no_other_from_running(
    deployed: Deployed,
) -> None:
    reconcile = Happening(HOUR, "reconcile", {})
    with recovery(deployed, [no_event(0, 3 * HOUR)], [reconcile]) as world:
        at = HOUR + 2 * MINUTE
        forgotten = names_at(world, at)
        reconciling: list[bool] = []

        def delete() -> None:
            reconciling.append(any(each.name.startswith("reconcile-") for each in world.running()))
            delete_stack(world)

        world.at(at, delete)
        world.at(at + HOUR, world.start_again)
        world.rest(forgotten=forgotten)

        assert reconciling == [True]
        check_all_enabled(world)


@pytest.mark.parametrize(
    "at", [pytest.param(IN_FLIGHT, id="runs in flight"), pytest.param(DAY, id="at rest")]
)
def test_with_an_empty_table_nothing_is_repeated_that_a_person_would_notice(
    deployed: Deployed, at: float
) -> None:
    with recovery(deployed) as world:
        forgotten = names_at(world, at)
        world.at(at, lambda: world.here.table.replace([]))
        world.at(at + HOUR, world.start_again)
        world.rest(forgotten=forgotten)

        check_all_enabled(world)


def test_a_table_restored_from_yesterday_is_caught_up_with(deployed: Deployed) -> None:
    later = Happening(DAY / 2, "create", {"number": 4})
    with recovery(deployed, happenings=[later]) as world:
        table = world.here.table
        kept: list[Any] = []
        forgotten = names_at(world, IN_FLIGHT + DAY)
        world.at(IN_FLIGHT, lambda: kept.extend(table.items.values()))
        world.at(IN_FLIGHT + DAY, lambda: table.replace(kept))
        world.at(IN_FLIGHT + DAY + HOUR, world.start_again)
        world.rest(forgotten=forgotten)

        assert kept
        check_all_enabled(world, (*NEW, 4, ACCEPTS))


def rewrite_table(world: Recovery, rewrite: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Let the rows be as another version would have written them."""
    table = world.here.table
    table.replace([typed(rewrite(item)) for item in table.plain()])


# What versions have added to the rows of memberships and to the records of runs.
ADDED_TO_ROWS = frozenset(
    {
        *("taken_at", "revision", "transition_count", "due", "automation", "surveyed_at"),
        *("reason_code", "reason_digest"),
    }
)
ADDED_TO_RECORDS = frozenset({"execution_arn", "ended_at", "expires_at"})
ADDED_TO_LOOPS = frozenset(
    {"others_wait", "reports", "reported_at", "refused_since", "resource", "wait_seconds"}
)


def as_before(item: dict[str, Any]) -> dict[str, Any]:
    """An item as the first version wrote it."""
    if item["sk"].startswith("membership#"):
        former = {name: value for name, value in item.items() if name not in ADDED_TO_ROWS}
        counts = {action: one["count"] for action, one in item.get("attempts", {}).items()}
        return former | {"attempts": counts}
    if item["sk"] == "onboarding":
        return {name: value for name, value in item.items() if name not in ADDED_TO_RECORDS}
    return item


def as_afterwards(item: dict[str, Any]) -> dict[str, Any]:
    """An item as a later version may write it, which knows more words, fields and a service."""
    later: dict[str, Any] = item | {"later": {"of": ["any", 1]}}
    if item["sk"].startswith("membership#"):
        automation = item.get("automation")
        hibernating = {"count": 1, "at": item["updated_at"], "verdict": "adjourned"}
        later["attempts"] = item.get("attempts", {}) | {"hibernate": hibernating}
        later["status"] = "Hibernating"
        if "outcome" in item:
            later |= {"reason_code": "of-a-later-version", "reason": "its text"}
        else:
            later["due"] = "hibernate"
        if automation is not None:
            later["automation"] = automation | {"kind": "later"}
    if item["sk"] == "plan":
        plan = json.loads(item["plan"])
        accounts = range(len(plan["accounts"]))
        settled = {
            "outcome": "adjourned",
            "reason": "its text",
            "code": "of-a-later-version",
            "memberships": [[account, len(plan["targets"])] for account in accounts],
        }
        plan |= {
            "targets": [*plan["targets"], "later#eu-west-1"],
            "settled": [*plan["settled"], settled],
            "later": True,
        }
        later["plan"] = json.dumps(plan)
    return later


def rewrite_loops(
    world: Recovery, rewrite: Callable[[dict[str, Any]], dict[str, Any]]
) -> list[str]:
    """Let each target's loop pass its next document on as another version would; returns the steps
    that were given one.
    """
    machines = world.here.machines
    invoke, rewritten = machines._invoke, list[str]()
    former = {child for execution in world.running() for child in children_of(execution)}
    done: set[str] = set()

    def invoke_with(machine: str, step: str, event: Any, done_with: Any) -> object:
        target = event.get("target")
        if isinstance(target, dict):
            loop = f"{event['onboarding_id']} {target['service']}"
            if loop in former and loop not in done:
                done.add(loop)
                rewritten.append(step)
                return invoke(machine, step, rewrite(event), done_with)
        return invoke(machine, step, event, done_with)

    machines._invoke = invoke_with
    return rewritten


def children_of(execution: Execution) -> list[str]:
    """The loops of an execution's targets that run, by the run's id and the service."""
    children = execution.children
    return [
        f"{execution.name} {child.input['target']['service']}"
        for child in (children.running if children else ())
    ]


def loop_as_before(event: dict[str, Any]) -> dict[str, Any]:
    former = {name: value for name, value in event.items() if name not in ADDED_TO_LOOPS}
    accounts = [
        {"id": each["id"], "email": each["email"], "mode": each["mode"]}
        for each in event["accounts"]
    ]
    return former | {"accounts": accounts}


def loop_as_afterwards(event: dict[str, Any]) -> dict[str, Any]:
    accounts = [each | {"later": 1} for each in event["accounts"]]
    return event | {"accounts": accounts, "later": {"of": ["any", 1]}}


def test_a_new_version_is_deployed_over_runs_of_the_first(deployed: Deployed) -> None:
    # Its steps had no aliases; nothing fails here whose cause it would read.
    text = re.sub(r"(function:\w+)", r"\1:live", json.dumps(sample("definition_222d017")))
    text = text.replace("States.StringToJson($.failure.Cause)", "$.failure.Cause")
    definitions = deployed.definitions
    former = replace(deployed, definitions={**definitions, ONBOARDING: json.loads(text)})
    with recovery(former) as world:
        rewritten: list[list[str]] = []

        def deploy() -> None:
            rewrite_table(world, as_before)
            world.here.machines.create(ONBOARDING, definitions[ONBOARDING])
            rewritten.append(rewrite_loops(world, loop_as_before))

        world.at(IN_FLIGHT, deploy)
        world.rest()

        assert rewritten[0]
        check_all_enabled(world)


def test_the_version_before_is_deployed_again_over_runs_of_a_later_one(
    deployed: Deployed,
) -> None:
    with recovery(deployed) as world:
        rewritten: list[list[str]] = []

        def roll_back() -> None:
            rewrite_table(world, as_afterwards)
            rewritten.append(rewrite_loops(world, loop_as_afterwards))

        world.at(IN_FLIGHT, roll_back)
        world.rest()

        assert rewritten[0]
        check_all_enabled(world)


def test_replaying_the_archive_after_an_outage_brings_what_was_missed_and_repeats_nothing(
    deployed: Deployed,
) -> None:
    """Six hours in which no event is delivered and every request is throttled."""
    outage = 6 * HOUR
    during = [
        Happening(IN_FLIGHT + HOUR * number, "create", {"number": number}) for number in (4, 5)
    ]
    troubles = [
        no_event(IN_FLIGHT, outage),
        Trouble(Kind.THROTTLED, IN_FLIGHT, outage),
    ]
    with recovery(deployed, troubles, during) as world:
        here = world.here
        archive: list[dict[str, Any]] = []
        # They failed, and Step Functions' events about that were lost, too.
        forgotten = names_at(world, IN_FLIGHT)
        arrive, pattern = here.arrive, archived_pattern(wanted_patterns(CONFIGURATION))

        def arrive_and_archive(event: dict[str, Any]) -> None:
            if any(matches(each, event) for each in pattern["$or"]):
                archive.append(event)
            arrive(event)

        def replay() -> None:
            for event in archive:
                here.agenda.after(
                    here.randomness.random() * MINUTE,
                    partial(here._forward, event | {"replay-name": "after-the-outage"}),
                )

        here.arrive = arrive_and_archive  # type: ignore[method-assign]  # the bus has an archive
        enabled: list[dict[int, Counter[str]]] = []
        world.at(IN_FLIGHT + outage + MINUTE, replay)
        world.at(IN_FLIGHT + outage + 2 * HOUR, lambda: enabled.append(world.statuses()))
        before = names_at(world, IN_FLIGHT + outage + 3 * HOUR)
        world.at(IN_FLIGHT + outage + 3 * HOUR, replay)
        after = names_at(world, IN_FLIGHT + outage + 4 * HOUR)
        world.at(IN_FLIGHT + outage + HOUR, world.start_again)
        world.rest(forgotten=forgotten)

        assert len(archive) >= 2 * len(NEW)
        records = [item for item in here.table.plain() if item["sk"] == "onboarding"]
        again = [each["outcome"] for each in records if each["onboarding_id"] in after - before]
        assert len(again) == len(archive)
        assert all(outcome.startswith("duplicate of ") for outcome in again)
        assert [enabled[0][number] for number in (*NEW, 4, 5)] == [{"ENABLED": 3}] * 5
        check_all_enabled(world, (*NEW, 4, 5, ACCEPTS))


def names_at(world: Recovery, seconds: float) -> set[str]:
    """The names of the executions that have begun by then, once it is then."""
    names: set[str] = set()
    world.at(seconds, lambda: names.update(each.name for each in world.begun()))
    return names
