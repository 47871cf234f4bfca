"""Runs and reconciles as the table has them, in the same words. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from functions.enrolment.documents import Planned
from functions.enrolment.handover import onboarding_id, reconcile_of
from functions.enrolment.reconcile_result import ReconcileOutcome, already_running
from functions.enrolment.results import Result
from functions.enrolment.times import duration, iso
from infra.cli.survey import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.aws.ledger import Findings
    from functions.enrolment.reconcile_record import ReconcileRecord
    from functions.enrolment.records import OnboardingRecord


class State(StrEnum):
    """Where a run or a reconcile stands.

    ``INTERRUPTED``: it has no outcome, and none of its steps has run in time. ``FAILED``: something
    ended it before its time, which its outcome says. ``DUPLICATE``: a run that left everything to
    other runs. The last four are of reconciles only.
    """

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    DUPLICATE = "duplicate"
    NOTHING_TO_DO = "nothing-to-do"
    REPORTED = "reported"
    CONFIRMATION_REQUIRED = "confirmation-required"
    ALREADY_RUNNING = "already-running"


UNSUCCESSFUL = frozenset(
    {State.INTERRUPTED, State.INCOMPLETE, State.FAILED, State.CONFIRMATION_REQUIRED}
)
_OF_RECONCILES = {
    ReconcileOutcome.NOTHING: State.NOTHING_TO_DO,
    ReconcileOutcome.REPORTED: State.REPORTED,
    ReconcileOutcome.COMPLETE: State.COMPLETE,
    ReconcileOutcome.INCOMPLETE: State.INCOMPLETE,
    ReconcileOutcome.CONFIRM: State.CONFIRMATION_REQUIRED,
}
COLOURS: Mapping[State, str] = MappingProxyType(
    {
        State.COMPLETE: "green",
        **dict.fromkeys(UNSUCCESSFUL, "red"),
        State.CONFIRMATION_REQUIRED: "yellow",
        State.RUNNING: "cyan",
    }
)


@dataclass(frozen=True, slots=True)
class Begun:
    """A run or a reconcile (``kind``) that began at ``started_at`` (epoch seconds).

    ``outcome`` is as recorded, None while it has none. ``reconcile`` is the id of the reconcile
    that started a run; ``runs`` are the ids of the runs that a reconcile started. ``accounts`` is
    None for a reconcile, which has no accounts of its own; ``gaps`` is how many it left.
    """

    kind: str
    id: str
    source: str
    started_at: float
    ended_at: float | None
    state: State
    outcome: str | None
    dry_run: bool = False
    reconcile: str | None = None
    accounts: int | None = None
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    runs: tuple[str, ...] = ()
    gaps: int | None = None

    @property
    def left_to(self) -> str | None:
        """The id of the reconcile that was running, for which this one started nothing."""
        if self.state is not State.ALREADY_RUNNING:
            return None
        return (self.outcome or "").removeprefix(already_running(""))

    def started_by(self) -> str:
        """What started it, for people."""
        by = f"reconcile {self.reconcile}" if self.reconcile else self.source or "unknown"
        return f"{by}, dry run" if self.dry_run else by

    def ending(self, now: float) -> str:
        """How it ended and how long it took, or since when it runs."""
        word = self.state.replace("-", " ")
        took = duration((now if self.ended_at is None else self.ended_at) - self.started_at)
        return f"{word} {'for' if self.ended_at is None else 'in'} {took}"

    def counted(self) -> str:
        """Its accounts and its memberships by outcome, or its runs and the gaps it left."""
        if self.kind == "reconcile":
            runs = [f"started {number(len(self.runs), 'run')}"] if self.runs else []
            gaps = [] if self.gaps is None else [f"left {number(self.gaps, 'gap')}"]
            return ", ".join((*runs, *gaps))
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.counts.items())
        accounts = number(self.accounts or 0, "account")
        return f"{accounts}: {counts}" if counts else accounts

    def to_json(self, now: float) -> dict[str, Any]:
        """As documents have it; times are ISO 8601 in UTC."""
        until = now if self.ended_at is None else self.ended_at
        return {
            "kind": self.kind,
            "id": self.id,
            "source": self.source,
            "reconcile": self.reconcile,
            "dry_run": self.dry_run,
            "started_at": iso(self.started_at),
            "ended_at": None if self.ended_at is None else iso(self.ended_at),
            "seconds": round(until - self.started_at, 3),
            "state": str(self.state),
            "outcome": self.outcome,
            "accounts": self.accounts,
            "counts": dict(self.counts),
            "runs": list(self.runs),
            "gaps": self.gaps,
        }


def begun_run(record: OnboardingRecord, now: float) -> Begun:
    """A run."""
    return Begun(
        "run",
        record.id,
        record.source,
        record.started_at,
        record.closed_at,
        _state_of_run(record, now),
        record.outcome,
        record.dry_run,
        reconcile_of(record.id) if record.source == "reconcile" else None,
        len(record.accounts),
        {outcome: count for outcome, count in record.counts.items() if count},
    )


def result_of(findings: Findings, now: float) -> Result:
    """The result of a run: of one that has ended, as it was then."""
    record, plan = findings.onboarding, findings.plan
    return Result(
        record,
        (*findings.own, *findings.missing),
        now if record.closed_at is None else record.ended_at or record.closed_at,
        left=findings.left,
        notes=plan.notes if plan else (),
    )


def begun_reconcile(record: ReconcileRecord) -> Begun:
    """A reconcile."""
    return Begun(
        "reconcile",
        record.id,
        record.source,
        record.started_at,
        record.closed_at,
        _state_of_reconcile(record.outcome),
        record.outcome,
        runs=tuple(onboarding_id(record.id, number) for number in record.runs),
        gaps=record.gaps,
    )


def _state_of_run(record: OnboardingRecord, now: float) -> State:
    match record.outcome:
        case None:
            return State.RUNNING if now <= record.lease_until else State.INTERRUPTED
        case "complete":
            return State.COMPLETE
        case "incomplete":
            return State.INCOMPLETE
        case outcome if outcome.startswith(Planned.DUPLICATE):
            return State.DUPLICATE
        case _:
            return State.FAILED


def _state_of_reconcile(outcome: str | None) -> State:
    if outcome is None:
        return State.RUNNING
    if outcome.startswith(already_running("")):
        return State.ALREADY_RUNNING
    known = outcome in set(ReconcileOutcome)
    return _OF_RECONCILES.get(ReconcileOutcome(outcome), State.FAILED) if known else State.FAILED
