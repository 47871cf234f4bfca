"""Reads how runs and reconciles are doing, from the table, as often as it is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from functions.aws import executions, ledger, reconciles
from functions.enrolment.documents import Planned
from functions.enrolment.handover import onboarding_id
from functions.enrolment.reconcile_result import error_of_outcome
from infra.cli.begun import result_of
from infra.cli.follow import Seen
from infra.cli.options import unknown_id
from infra.cli.survey import number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from functions.aws.ledger import Ledger
    from functions.enrolment.membership import Membership
    from functions.enrolment.reconcile_record import ReconcileRecord
    from functions.enrolment.records import OnboardingRecord
    from infra.cli.site import Site

# What watching calls.
ACTIONS: tuple[str, ...] = tuple(
    sorted(
        {
            *ledger.ACTIONS["onboardings"],
            *ledger.ACTIONS["findings"],
            *reconciles.ACTIONS["reconcile"],
            *executions.ACTIONS["execution"],
        }
    )
)
# DescribeExecution has a rate of 15 a second for all callers of an account.
DESCRIBE_SECONDS = 5
_AT_ONCE = 8
REFUSED = "refused"
COMPLETE = "complete"
NEVER_STARTED = "never started"
CUT_SHORT = "the execution ended before the run"
NEVER_BEGAN = "the execution ended before its record was made"


class Kind(StrEnum):
    """What an id names."""

    RUN = "run"
    RECONCILE = "reconcile"


@dataclass
class Followed:
    """A run or a reconcile. ``kind`` is None until it is known, ``outcome`` until it has ended.

    ``memberships`` are those of a run. Times are epoch seconds.
    """

    id: str
    kind: Kind | None = None
    started_at: float | None = None
    ended_at: float | None = None
    outcome: str | None = None
    memberships: tuple[Membership, ...] = ()
    described_at: float | None = None
    is_known: bool = False
    members: dict[str, Followed] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether it ended as it should; a duplicate of another run did."""
        outcome = self.outcome or ""
        if self.kind is Kind.RECONCILE:
            return bool(outcome) and not error_of_outcome(outcome)
        return outcome == COMPLETE or outcome.startswith(Planned.DUPLICATE)

    @property
    def was_refused(self) -> bool:
        """Whether its input was refused."""
        return (self.outcome or "").startswith(REFUSED)


class Watching:
    """Runs and reconciles by id; ``started`` says that they exist although nothing knows them yet.

    The runs of a reconcile are followed with it.
    """

    def __init__(
        self,
        site: Site,
        ids: Iterable[str],
        *,
        started: bool = False,
    ) -> None:
        self._site = site
        self.now = site.wiring.now
        self.followed = {each: Followed(each, is_known=started) for each in ids}

    @property
    def all(self) -> tuple[Followed, ...]:
        """Everything that is followed, with the runs of reconciles after them."""
        tops = self.followed.values()
        return tuple(each for top in tops for each in (top, *top.members.values()))

    def look(self) -> Seen:
        """Read what may have changed; what has ended is not read again.

        Raises:
            InvalidInput: there is no run and no reconcile with one of the ids.
            Throttled, ServiceUnavailable, AccessDenied, ServiceRefused: of the table, or of Step
                Functions.
        """
        self._read_reconciles()
        self._read_runs()
        for top in self.followed.values():
            # Once a reconcile is over, it starts no further run.
            waited_for = [top, *(top.members.values() if top.outcome is not None else ())]
            for each in waited_for:
                if each.outcome is None and each.started_at is None:
                    self._describe(each)
        everything = self.all
        memberships = {m.key: m for each in everything for m in each.memberships}
        return Seen(
            tuple(memberships.values()),
            ended=all(each.outcome is not None for each in everything),
            doing=self._doing(),
        )

    def _read_reconciles(self) -> None:
        for top in self.followed.values():
            if top.outcome is not None or top.kind is Kind.RUN:
                continue
            record = self._site.wiring.reconciles.reconcile(top.id)
            if record is not None:
                self._take_reconcile(top, record)

    def _take_reconcile(self, top: Followed, record: ReconcileRecord) -> None:
        top.kind, top.started_at = Kind.RECONCILE, record.started_at
        top.outcome, top.ended_at = record.outcome, record.closed_at
        for run in record.runs if record.begun_at is not None else ():
            name = onboarding_id(record.id, run)
            top.members.setdefault(name, Followed(name, Kind.RUN, is_known=True))

    def _read_runs(self) -> None:
        wanted = {
            each.id: each
            for each in self.all
            if each.kind is not Kind.RECONCILE and each.outcome is None
        }
        table = self._site.wiring.ledger
        records = table.onboardings(wanted).values()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda found: self._take_run(wanted[found.id], found, table), records))

    def _take_run(self, run: Followed, record: OnboardingRecord, table: Ledger) -> None:
        run.kind, run.started_at = Kind.RUN, record.started_at
        run.memberships = memberships_of(table, record.id, self.now())
        run.outcome, run.ended_at = record.outcome, record.closed_at
        if run.outcome is None and record.lease_until < self.now():
            # Its end may not have been reported: Step Functions' events are best effort.
            self._describe(run)

    def _describe(self, each: Followed) -> None:
        """Ask Step Functions about a run that the table does not know, or not as alive."""
        at = self.now()
        if each.described_at is not None and at - each.described_at < DESCRIBE_SECONDS:
            return
        each.described_at = at
        status = self._status(each)
        if status is None and each.kind is None and not each.is_known:
            raise unknown_id(each.id)
        if each.started_at is not None and status != "RUNNING":
            each.outcome = f"{CUT_SHORT}: {status or 'unknown to Step Functions'}"
        elif status is None and each.kind is not None:
            each.outcome = NEVER_STARTED
        elif status is not None and status != "RUNNING":
            each.outcome = f"{NEVER_BEGAN}: {status}"

    def _status(self, each: Followed) -> str | None:
        machines = {
            Kind.RUN: self._site.outputs["StateMachineArn"],
            Kind.RECONCILE: self._site.outputs["ReconcileMachineArn"],
        }
        for kind, machine in machines.items():
            if each.kind in (kind, None):
                found = self._site.wiring.executions.execution(execution_arn(machine, each.id))
                if found is not None:
                    return found.status
        return None

    def _doing(self) -> str:
        waiting = [each for each in self.followed.values() if each.kind is None]
        surveying = [
            each
            for each in self.followed.values()
            if each.kind is Kind.RECONCILE and each.outcome is None and not each.members
        ]
        runs = [each for each in self.all if each.kind is Kind.RUN]
        parts = []
        if len(runs) > 1:
            ended = sum(each.outcome is not None for each in runs)
            parts.append(f"{ended} of {number(len(runs), 'run')} ended")
        if surveying:
            parts.append("the organisation is being surveyed")
        open_ones = [each for each in waiting if each.outcome is None]
        if open_ones:
            parts.append(f"{number(len(open_ones), 'run')} not planned yet")
        return ", ".join(parts)


def memberships_of(table: Ledger, run_id: str, now: float) -> tuple[Membership, ...]:
    """Every membership of a run, with those left to other runs; once it has ended, as they were."""
    found = table.findings(run_id)
    return () if found is None else result_of(found, now).all


def execution_arn(machine_arn: str, name: str) -> str:
    """The ARN of an execution of a state machine."""
    return f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
