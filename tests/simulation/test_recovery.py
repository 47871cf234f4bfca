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
from tests.simulation.site import BEGIN, ONBOARDING, site
from tests.simulation.troubles import Kind, Trouble
from tests.simulation.versions import FIRST, LATER, deploy_over, rewrite_table
from tests.simulation.weeks import Happening, Weeks
from tests.support.builders import ADMINISTRATOR
from tests.workflow.test_upgrade import sample

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from tests.simulation.deployed import Deployed
    from tests.simulation.machine import Execution
    from tests.simulation.site import Site
    from tests.simulation.versions import Version


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
    rewrite_table(here, of_former_machine)


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


def of_first_version(deployed: Deployed) -> Deployed:
    """Its steps had no aliases; nothing fails here whose cause it would read."""
    text = re.sub(r"(function:\w+)", r"\1:live", json.dumps(sample("definition_222d017")))
    text = text.replace("States.StringToJson($.failure.Cause)", "$.failure.Cause")
    definitions = deployed.definitions
    return replace(deployed, definitions={**definitions, ONBOARDING: json.loads(text)})


@pytest.mark.parametrize(
    ("former", "version"),
    [
        pytest.param(of_first_version, FIRST, id="a new version over the first"),
        pytest.param(lambda deployed: deployed, LATER, id="the version before over a later one"),
    ],
)
def test_another_version_is_deployed_over_runs(
    deployed: Deployed, former: Callable[[Deployed], Deployed], version: Version
) -> None:
    with recovery(former(deployed)) as world:
        given: list[list[str]] = []

        def deploy() -> None:
            given.append(deploy_over(world.here, version))
            world.here.machines.create(ONBOARDING, deployed.definitions[ONBOARDING])

        world.at(IN_FLIGHT, deploy)
        world.rest()

        assert given[0]
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
