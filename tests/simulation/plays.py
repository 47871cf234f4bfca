"""Short plays in which, among them, every call is made that Rollcall makes.

A play prepares a site and puts on its agenda what is to happen. It is the same each time, up to the
first request that is denied.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from unittest import mock

from functions.enrolment.account import AccountId
from functions.enrolment.ownership import LEASE_SECONDS
from functions.enrolment.scope import Scope
from functions.services.survey import make_survey
from functions.steps import survey_organization
from functions.steps.execution_end import STATUS_CHANGE
from tests.conftest import ACCEPTING
from tests.simulation.site import BEGIN, ONBOARDING, RECONCILE, site
from tests.simulation.troubles import Kind, Trouble
from tests.support.builders import ACCOUNT, ADMINISTRATOR, OTHER
from tests.support.events import create_account_result
from tests.support.organization import add_account
from tests.workflow.hands import apply_policy, at, configure_centrally, email, outside

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from functions.enrolment.configuration import Configuration
    from tests.simulation.deployed import Deployed
    from tests.simulation.machine import Execution
    from tests.simulation.site import Site

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
HERE, OPT_IN = "eu-west-1", "ap-east-1"
# By then every run has ended, whatever it waited for.
LAST_DAY = 40
SILENT = AccountId("666677778888")
# With all that the member role can be asked for.
INVITATION = replace(ACCEPTING.invitation, standards=("nist-800-53/v/5.0.0",))
_ONE_REGION = replace(ACCEPTING, regions=(HERE,), invitation=INVITATION)
_ALL = replace(_ONE_REGION, regions=(HERE, OPT_IN), scope=Scope(exclude_tags={"enrol": "no"}))


class Stage:
    """A site, and what people do there."""

    def __init__(self, here: Site) -> None:
        self.here = here
        self.world = here.world
        self.add = partial(add_account, here.world)

    def pass_seconds(self, seconds: float) -> None:
        """Before anything happens."""
        self.here.agenda.run(self.here.now() + seconds)

    def start(self, document: object, machine: str = ONBOARDING) -> Execution:
        return self.here.start(machine, document, "play")

    def after(self, seconds: float, do: Callable[[], object]) -> None:
        self.here.agenda.after(seconds, do)

    def once(self, holds: Callable[[], object], do: Callable[[], object]) -> None:
        """Do something as soon as something holds, to a hundredth of a second."""
        if holds():
            do()
        else:
            self.after(0.01, lambda: self.once(holds, do))

    def call(self, service: str, operation: str, **parameters: object) -> dict[str, Any]:
        """A call of the administrator's people."""
        return self.here.call(ADMINISTRATOR, service, operation, HERE, **parameters)

    @property
    def by_hand(self) -> Any:
        """As the helpers of the workflow tests want it."""
        return cast("Any", self)


@dataclass(frozen=True)
class Play:
    """``troubles`` are what goes wrong meanwhile; ``patches`` are made as long as it lasts."""

    begin: Callable[[Stage], object]
    configuration: Configuration = _ONE_REGION
    troubles: Sequence[Trouble] = ()
    patches: Sequence[Callable[[Stage], Any]] = field(default=())


def play(
    one: Play,
    deployed: Deployed,
    *,
    until: Callable[[Site], bool] = lambda _: False,
    look: Callable[[Site], object],
) -> None:
    """Play it to its end, or for two minutes more once ``until`` holds; then look at the site."""
    with (
        site(deployed, one.configuration, troubles=list(enumerate(one.troubles))) as here,
        ExitStack() as patches,
    ):
        stage = Stage(here)
        for patch in one.patches:
            patches.enter_context(patch(stage))
        one.begin(stage)
        while here.now() < BEGIN + LAST_DAY * DAY and not until(here):
            here.agenda.run(here.now() + 10 * MINUTE)
        here.agenda.run(here.now() + 2 * MINUTE)
        look(here)


def _slow(step: str) -> Trouble:
    """Invocations of a step come when the lease of their run is all but over."""
    return Trouble(Kind.CLOCK, 0, DAY, where=step, amount=LEASE_SECONDS)


def _created(stage: Stage) -> None:
    """Detective is waited for until it knows the volume."""
    stage.add(ACCOUNT, volume="unknown", regions=[OPT_IN])
    stage.here.arrive(create_account_result(ACCOUNT))
    known = {"do": "set_account", "account_id": ACCOUNT, "volume": "known"}
    stage.after(2 * MINUTE, lambda: stage.world.apply(known))


def _told_twice(stage: Stage) -> None:
    """Its event comes again, and the first answer of that planning is lost."""
    _created(stage)
    stage.after(20 * MINUTE, lambda: stage.here.arrive(create_account_result(ACCOUNT)))


def _invited(stage: Stage) -> None:
    """Rollcall accepts."""
    _outside(stage, OTHER)
    stage.start(outside(OTHER, regions=[HERE]))


def _invited_with_another(stage: Stage) -> None:
    """Rollcall accepts for one; the owner of the other takes six hours."""
    _outside(stage, OTHER)
    facts = {"email": email(SILENT), "accepts_after": DAY / 4}
    stage.world.apply({"do": "add_account", "account_id": SILENT, **facts})
    stage.start(outside(OTHER, SILENT, regions=[HERE]))


def _outside(stage: Stage, account: AccountId) -> None:
    """An account outside the organisation that has the member role."""
    stage.world.apply({"do": "add_account", "account_id": account, "email": email(account)})
    stage.here.member_roles.add(account)


def _disabled_by_hand(stage: Stage) -> None:
    stage.add(ACCOUNT)
    document = {"accounts": [{"id": ACCOUNT}], **at("guardduty")}
    stage.start(document)

    def disable() -> None:
        detector = stage.call("guardduty", "ListDetectors")["DetectorIds"][0]
        member = {"DetectorId": detector, "AccountIds": [ACCOUNT]}
        stage.call("guardduty", "StopMonitoringMembers", **member)
        stage.start(document)

    stage.after(20 * MINUTE, disable)


def _left_out_by_policy(stage: Stage) -> None:
    stage.add(ACCOUNT)
    configure_centrally(stage.by_hand)
    apply_policy(stage.by_hand, ACCOUNT, enabled=False)
    stage.start({"accounts": [{"id": ACCOUNT}], **at("securityhub")})
    stage.after(20 * MINUTE, partial(stage.start, at("securityhub"), RECONCILE))


def _unread(stage: Stage) -> None:
    stage.add(ACCOUNT)
    for dry_run in (False, True):
        stage.start({"accounts": [{"id": ACCOUNT}], "dry_run": dry_run, **at("securityhub")})


def _stopped(part: Callable[[Execution], Sequence[Execution]], stage: Stage, *, dry: bool) -> None:
    """Somebody stops a run, or its children, while they read."""
    stage.add(ACCOUNT)
    started = stage.start({"accounts": [{"id": ACCOUNT}], "dry_run": dry, **at("guardduty")})

    def stop() -> None:
        for each in part(started):
            stage.here.machines.stop(each)

    stage.once(lambda: started.children and started.children.running, stop)


def _started_again(stage: Stage) -> None:
    """A run was stopped, and nobody was told; the next one asks about it."""
    _stopped(lambda run: [run], stage, dry=False)
    again = {"accounts": [{"id": ACCOUNT}], **at("guardduty")}
    stage.after(2 * MINUTE, partial(stage.start, again))


def _refused(stage: Stage) -> None:
    stage.start({"accounts": []})


def _closed_late(stage: Stage) -> None:
    """A run was stopped, and nobody was told; a reconcile closes it."""
    _stopped(lambda run: [run], stage, dry=False)
    stage.after(8 * HOUR, partial(stage.start, at("guardduty"), RECONCILE))


def _redriven(stage: Stage) -> None:
    _stopped(lambda run: [run], stage, dry=False)
    (run,) = stage.here.started
    stage.after(10 * MINUTE, lambda: stage.here.machines.redrive(run))


def _children(execution: Execution) -> Sequence[Execution]:
    return tuple(execution.children.running) if execution.children else ()


def _scheduled(stage: Stage) -> None:
    """A reconcile finds an account in both Regions; a person's is refused meanwhile."""
    stage.add(ACCOUNT, regions=[OPT_IN])
    stage.here.every_day(BEGIN + 2 * DAY)


def _suspended_meanwhile(stage: Stage) -> None:
    """An account of a reconcile is suspended before its run is started."""
    stage.add(ACCOUNT)
    stage.add(OTHER)
    stage.start(at("guardduty"), RECONCILE)
    closing = {"do": "set_account", "account_id": OTHER, "state": "SUSPENDED"}
    planned = stage.here.bucket.objects
    stage.once(
        lambda: any(key.endswith("/plan.json") for key in planned),
        lambda: stage.world.apply(closing),
    )


def _while_a_run_is_at_work(stage: Stage) -> None:
    stage.add(ACCOUNT, volume="unknown")
    stage.start({"accounts": [{"id": ACCOUNT}], **at("detective")})
    stage.after(2 * MINUTE, partial(stage.start, at("detective"), RECONCILE))


def _after_a_dead_one(stage: Stage) -> None:
    """A reconcile was stopped, and nobody was told; the next one asks about it."""
    stage.add(ACCOUNT)
    first = stage.start(at("guardduty"), RECONCILE)
    locked = ("reconcile", "lock")
    stage.once(lambda: locked in stage.here.table.items, lambda: stage.here.machines.stop(first))
    stage.after(5 * MINUTE, partial(stage.start, at("guardduty"), RECONCILE))


def _in_two_steps(stage: Stage) -> Any:
    """The first survey has no time to read, and goes on in a second step."""
    late = [stage.here.now()]

    def made(*given: Any, until: float, **named: Any) -> Any:
        return make_survey(*given, until=late.pop() if late else until, **named)

    return mock.patch.object(survey_organization, "make_survey", made)


_LOST = Trouble(Kind.EVENT_LOST, 0, DAY, where=STATUS_CHANGE)
PLAYS: Mapping[str, Play] = {
    "an account is created": Play(_created, _ALL),
    "its event comes again": Play(
        _told_twice, troubles=[Trouble(Kind.REPLY_LOST, 1200, 60, where="plan_onboarding")]
    ),
    "an account is invited": Play(_invited),
    "accounts are invited": Play(_invited_with_another),
    "invitations are accepted at the second try": Play(
        _invited,
        troubles=[Trouble(Kind.DENIED, 0, 600, where="*:AcceptAdministratorInvitation")],
    ),
    "a member was disabled by hand": Play(_disabled_by_hand),
    "a policy leaves an account out": Play(_left_out_by_policy),
    "a target cannot be read": Play(
        _unread, troubles=[Trouble(Kind.FAILED, 0, 10 * DAY, where="securityhub:GetMembers")]
    ),
    "an input is refused": Play(_refused),
    "a run is stopped": Play(partial(_stopped, lambda run: [run], dry=False)),
    "a dry run is stopped": Play(partial(_stopped, lambda run: [run], dry=True)),
    "a run died": Play(_started_again, troubles=[_LOST]),
    "a run died and is closed late": Play(_closed_late, troubles=[_LOST]),
    "a run is stopped and redriven": Play(_redriven),
    "the children of a run are stopped": Play(
        partial(_stopped, _children, dry=False), troubles=[_LOST]
    ),
    "the children of a dry run are stopped": Play(
        partial(_stopped, _children, dry=True), troubles=[_LOST]
    ),
    "a reconcile is scheduled": Play(_scheduled, _ALL),
    "a survey takes two steps": Play(_scheduled, patches=[_in_two_steps]),
    "an account is suspended meanwhile": Play(_suspended_meanwhile),
    "a reconcile died": Play(_after_a_dead_one, troubles=[_LOST]),
    "a reconcile finds a run at work": Play(_while_a_run_is_at_work),
    "create late": Play(_invited, troubles=[_slow("create_members")]),
    "invite late": Play(_invited, troubles=[_slow("invite_members")]),
    "accept late": Play(_invited, troubles=[_slow("accept_invitations")]),
    "restart late": Play(_disabled_by_hand, troubles=[_slow("restart_members")]),
}
