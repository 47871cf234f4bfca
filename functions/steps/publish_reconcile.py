"""Publish Reconcile: publish the result of a reconcile, and close its record and lock.

The state machine runs it last; a rule runs it with the event by which Step Functions says that an
execution of that machine failed, timed out or was aborted.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from functions.aws import archive, executions, ledger, reconciles
from functions.aws.archive import reconcile_key, survey_key
from functions.aws.executions import machine_of
from functions.aws.publisher import RECONCILED
from functions.aws.reconciles import LONGEST_RECONCILE_DAYS
from functions.enrolment.documents import Run, run_from_json
from functions.enrolment.errors import InvalidInput, RollcallError
from functions.enrolment.handover import onboarding_id
from functions.enrolment.reconcile import Disposition
from functions.enrolment.reconcile_plan import check_plan, stored_gaps
from functions.enrolment.reconcile_record import ReconcileRecord
from functions.enrolment.reconcile_result import (
    ERRORS,
    Reconciled,
    ReconcileOutcome,
    error_of_outcome,
    reconcile_document,
    reconcile_line,
    reconcile_text,
)
from functions.enrolment.results import MOST_BYTES
from functions.enrolment.stored import reading
from functions.intake.reconcile_input import reconcile_source_of
from functions.steps.execution_end import (
    STATUS_CHANGE,
    UNFINISHED_DAYS,
    failure_of,
    input_of,
    late_end,
    may_be_finished,
    unrecorded,
)
from functions.steps.fail_target import error_of, reason_of
from functions.steps.found_gaps import known_gaps, measure_reconcile, remember
from functions.steps.needs import Needs, actions_of
from functions.steps.publishing import (
    EVENT,
    RECONCILE,
    Publication,
    late_note,
    message_attributes,
    publish_once,
)
from functions.steps.step import step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from functions.steps.wiring import Wiring

_DAY = 86400

NEEDS = Needs(
    # The rows of all gaps are read.
    timeout=900,
    memory=2048,
    table=(
        *actions_of(reconciles.ACTIONS, "open", "reconcile", "mark_published", "close"),
        *actions_of(reconciles.ACTIONS, "set_unfinished", "release"),
        *actions_of(ledger.ACTIONS, "onboardings", "read"),
    ),
    index=actions_of(reconciles.ACTIONS, "recent"),
    reconciles=actions_of(executions.ACTIONS, "execution", "unsuccessful"),
    surveys=actions_of(archive.ACTIONS, "read"),
    results=actions_of(archive.ACTIONS, "read"),
    publishes=True,
)


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """Takes the state machine's document, or Step Functions' event; returns how it ended.

    ``complete``, and if it is False, the ``error`` and ``cause`` that the execution fails with.
    Nothing is published about a reconcile that is closed.
    """
    if event.get("detail-type") == STATUS_CHANGE:
        return _execution_ended(event["detail"], wiring)
    failure = None
    if "failure" in event:
        error, words = error_of(event["failure"])
        refused = error == InvalidInput.__name__
        failure = f"refused: {words}" if refused else reason_of(event["failure"])
    return _finish(run_from_json(event), failure, wiring)


def _execution_ended(detail: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    started_at, stopped_at = detail["startDate"] / 1000, (detail.get("stopDate") or 0) / 1000
    record = wiring.reconciles.reconcile(detail["name"])
    if record is not None and record.started_at > max(started_at, stopped_at):
        return _ended("", "a later reconcile has this name")
    run = Run(detail["name"], started_at, input_of(detail), detail["executionArn"])
    return _finish(run, failure_of(detail), wiring, last=True)


def _finish(run: Run, failure: str | None, wiring: Wiring, *, last: bool = False) -> dict[str, Any]:
    record = wiring.reconciles.reconcile(run.onboarding_id)
    if record is None or record.started_at < int(run.started_at):
        source = reconcile_source_of(run.input)
        record = wiring.reconciles.open(
            ReconcileRecord(run.onboarding_id, source, run.started_at, run.execution_arn)
        )
    if record.closed_at is not None:
        wiring.reconciles.release(record.execution_arn, wiring.now())
        return _ended(error_of_outcome(record.outcome or ""), record.outcome or "")
    if not last:
        # First, so that what this one remembers is the newest.
        _close_earlier(record, wiring)
    result = reconciled(record, failure, wiring, last=last)
    problems = _publish(result, wiring, last=last)
    remember(result, wiring, last=last)
    now = wiring.now()
    gaps = None if result.plan is None else len(result.left)
    outcome = failure or str(result.outcome)
    wiring.reconciles.close(record.id, outcome, now, gaps, problems)
    wiring.reconciles.release(record.execution_arn, now)
    error = ERRORS.get(result.outcome, "ReconcileIncomplete" if problems else "")
    cause = "; ".join((reconcile_line(result), *problems.values())) if error else ""
    return _ended(error, cause)


def _close_earlier(this: ReconcileRecord, wiring: Wiring) -> None:
    """Publish and close earlier reconciles whose execution ended and that nobody closed; publish
    those that could not be published when they were closed, or could not even be recorded.

    This one holds the lock: no other is at work.
    """
    now, machine_arn = wiring.now(), machine_of(this.execution_arn)
    since = now - (LONGEST_RECONCILE_DAYS + UNFINISHED_DAYS) * _DAY
    # What cannot be read cannot be closed, and stops nothing else.
    for record in wiring.reconciles.recent(since=since, unread=lambda _: None):
        try:
            if record.closed_at is not None:
                if may_be_finished(record.unfinished, record.closed_at, now):
                    _publish_late(record.id, wiring)
            elif record.id != this.id:
                _close_late(record, machine_arn, wiring)
        except RollcallError:
            continue  # the next reconcile tries again
    try:
        for run, failure in unrecorded(machine_arn, partial(_begun, wiring), wiring):
            _finish(run, failure, wiring, last=True)
    except RollcallError:
        pass  # as above


def _begun(wiring: Wiring, names: Iterable[str]) -> dict[str, float]:
    records = map(wiring.reconciles.reconcile, names)
    return {record.id: record.started_at for record in records if record is not None}


def _close_late(record: ReconcileRecord, machine_arn: str, wiring: Wiring) -> None:
    end = late_end(record.execution_arn, machine_arn, wiring)
    if end is None:
        return
    if end.failure is None:
        wiring.reconciles.close(record.id, ReconcileOutcome.COMPLETE, wiring.now())
    else:
        run = Run(record.id, record.started_at, None, record.execution_arn)
        _finish(run, end.failure, wiring, last=True)


def _publish_late(reconcile_id: str, wiring: Wiring) -> None:
    """Publish a closed reconcile by what is stored now, with the note that it is late."""
    # The index may be older than the record.
    record = wiring.reconciles.reconcile(reconcile_id)
    if record is None or record.closed_at is None or not record.unfinished:
        return
    failure = None if record.outcome in set(ReconcileOutcome) else record.outcome
    result = reconciled(record, failure, wiring, last=False)
    notes = (*result.notes, *late_note(record.unfinished, record.closed_at))
    problems = _publish(replace(result, at=record.closed_at, notes=notes), wiring, last=False)
    wiring.reconciles.set_unfinished(record.id, problems)


def _ended(error: str, cause: str) -> dict[str, Any]:
    return {"complete": not error, "error": error, "cause": cause}


def reconciled(
    record: ReconcileRecord, failure: str | None, wiring: Wiring, *, last: bool
) -> Reconciled:
    """A reconcile as it is now; ``last``: a plan that cannot be read is only noted.

    Raises:
        RollcallError: as the table does and, unless it is the ``last`` time, the bucket.
    """
    result = Reconciled(
        record,
        wiring.now(),
        labels={service.name: service.label for service in wiring.services},
        failure=failure,
    )
    if record.surveyed_at is None:
        return result
    key = survey_key(record.id, "plan")
    try:
        plan = wiring.archive.read(key)
        if plan is None:
            return replace(result, notes=("the plan is not stored any more",))
        with reading(key):
            check_plan(plan)
            gaps = tuple(stored_gaps(plan, wiring.services))
    except RollcallError as error:
        if not last:
            raise
        return replace(result, notes=(f"the plan could not be read: {error}",))
    known = known_gaps(wiring, last=last)
    return _with_runs(replace(result, known=known, plan=plan, gaps=gaps), wiring)


def _with_runs(result: Reconciled, wiring: Wiring) -> Reconciled:
    """The result with what its runs, and those of others, have done about the gaps."""
    record, gaps = result.record, result.gaps
    worked_on = [
        (gap.account_id, gap.target)
        for gap in gaps
        if gap.disposition is Disposition.IN_PROGRESS or gap.batch in record.runs
    ]
    runs = wiring.ledger.onboardings(onboarding_id(record.id, number) for number in record.runs)
    rows = wiring.ledger.read(worked_on)
    return replace(result, runs=runs, rows=rows)


def _publish(result: Reconciled, wiring: Wiring, *, last: bool) -> dict[str, str]:
    record = result.record

    def keep() -> str:
        key = reconcile_key(record.id, "result")
        return wiring.archive.persist(key, reconcile_document(result))

    def send(channel: str, notes: tuple[str, ...], uri: str | None) -> str:
        noted = replace(result, notes=(*result.notes, *notes))
        document = reconcile_document(noted, MOST_BYTES) | {"complete_document": uri}
        if channel == EVENT:
            return wiring.publisher.event(document, RECONCILED)
        attributes = message_attributes(RECONCILE, document, complete=result.outcome not in ERRORS)
        return wiring.publisher.message(
            reconcile_line(result), reconcile_text(noted), document, attributes
        )

    def mark(name: str, message_id: str) -> None:
        wiring.reconciles.mark_published(record.id, name, message_id)
        if name == EVENT:
            measure_reconcile(result, wiring)

    return publish_once(Publication(record.published, keep, send, mark), last=last)
