"""Publish Reconcile: publish the result of a reconcile, and close its record and lock.

The state machine runs it last; a rule runs it with the event by which Step Functions says that an
execution of that machine failed, timed out or was aborted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.aws import archive, executions, ledger, reconciles
from functions.aws.archive import reconcile_key, survey_key
from functions.aws.executions import of_same_machine
from functions.aws.publisher import RECONCILED
from functions.aws.reconciles import LONGEST_RECONCILE_DAYS
from functions.enrolment.documents import Run, run_from_json
from functions.enrolment.errors import InvalidInput, RollcallError
from functions.enrolment.handover import onboarding_id
from functions.enrolment.reconcile import Disposition
from functions.enrolment.reconcile_plan import stored_gaps
from functions.enrolment.reconcile_record import ReconcileRecord
from functions.enrolment.reconcile_result import (
    ERRORS,
    Reconciled,
    error_of_outcome,
    reconcile_document,
    reconcile_line,
    reconcile_text,
)
from functions.enrolment.results import MOST_BYTES
from functions.intake.reconcile_input import reconcile_source_of
from functions.steps.close_run import LATE_SECONDS, STATUS_CHANGE, failure_of, input_of
from functions.steps.fail_target import error_of, reason_of
from functions.steps.found_gaps import known_gaps, measure_reconcile, remember
from functions.steps.needs import Needs, actions_of
from functions.steps.publishing import (
    EVENT,
    RECONCILE,
    Publication,
    message_attributes,
    publish_once,
)
from functions.steps.step import step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.steps.wiring import Wiring

NEEDS = Needs(
    # The rows of all gaps are read.
    timeout=900,
    memory=2048,
    table=(
        *actions_of(reconciles.ACTIONS, "open", "reconcile", "mark_published", "close", "release"),
        *actions_of(ledger.ACTIONS, "onboardings", "read"),
    ),
    index=actions_of(reconciles.ACTIONS, "recent"),
    reconciles=actions_of(executions.ACTIONS, "ended"),
    surveys=actions_of(archive.ACTIONS, "read"),
    results=actions_of(archive.ACTIONS, "read"),
    publishes=True,
)


# A reconcile that could not be closed is closed by a later one within so many days.
LEFT_OPEN_DAYS = 30
_DAY = 86400


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
    wiring.reconciles.close(record.id, failure or str(result.outcome), now, gaps)
    wiring.reconciles.release(record.execution_arn, now)
    error = ERRORS.get(result.outcome, "ReconcileIncomplete" if problems else "")
    cause = "; ".join((reconcile_line(result), *problems)) if error else ""
    return _ended(error, cause)


def _close_earlier(this: ReconcileRecord, wiring: Wiring) -> None:
    """Publish and close earlier reconciles whose execution ended and that nobody closed.

    This one holds the lock: no other is at work.
    """
    since = wiring.now() - LONGEST_RECONCILE_DAYS * _DAY - LEFT_OPEN_DAYS * _DAY
    for record in wiring.reconciles.recent(since=since):
        if record.closed_at is not None or record.id == this.id:
            continue
        try:
            failure = _late_failure(record.execution_arn, this.execution_arn, wiring)
            if failure is not None:
                run = Run(record.id, record.started_at, None, record.execution_arn)
                _finish(run, failure, wiring, last=True)
        except RollcallError:
            continue  # the next reconcile tries again


def _late_failure(execution_arn: str, own_arn: str, wiring: Wiring) -> str | None:
    """What ended an execution; None if it goes on, or ended so lately that it may be closed yet."""
    if not of_same_machine(execution_arn, own_arn):
        return "its execution does not exist any more"
    ended = wiring.executions.ended(execution_arn)
    if ended is None or ended.at > wiring.now() - LATE_SECONDS:
        return None
    return failure_of({"status": ended.status})


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
    try:
        plan = wiring.archive.read(survey_key(record.id, "plan"))
    except RollcallError as error:
        if not last:
            raise
        return replace(result, notes=(f"the plan could not be read: {error}",))
    if plan is None:
        return replace(result, notes=("the plan is not stored any more",))
    known = known_gaps(wiring, last=last)
    return _with_runs(replace(result, known=known), plan, wiring)


def _with_runs(result: Reconciled, plan: Mapping[str, Any], wiring: Wiring) -> Reconciled:
    """The result with what its runs, and those of others, have done about the gaps."""
    record, gaps = result.record, tuple(stored_gaps(plan, wiring.services))
    worked_on = [
        (gap.account_id, gap.target)
        for gap in gaps
        if gap.disposition is Disposition.IN_PROGRESS or gap.batch in record.runs
    ]
    runs = wiring.ledger.onboardings(onboarding_id(record.id, number) for number in record.runs)
    rows = wiring.ledger.read(worked_on)
    return replace(result, plan=plan, gaps=gaps, runs=runs, rows=rows)


def _publish(result: Reconciled, wiring: Wiring, *, last: bool) -> tuple[str, ...]:
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
