"""Close Run: whatever ended a run before its time, its result is published and its record closed.

The state machine runs it where planning or publishing failed for good; a rule runs it with the
event by which Step Functions says that an execution failed, timed out or was aborted. Those events
are best effort, and what they run may fail while AWS is unavailable: every reconcile runs it, too,
for what was left open, could not be published, or could not be recorded.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from functions.aws import executions, ledger
from functions.enrolment.documents import Run, run_from_json
from functions.enrolment.errors import InvalidInput, RollcallError, Unreadable
from functions.enrolment.reason import ReasonCode
from functions.enrolment.records import OnboardingRecord
from functions.enrolment.turn import LONGEST_RUN_DAYS
from functions.intake.manual import MANUAL
from functions.intake.reader import read_request, source_of
from functions.steps.ending import COMPLETE, ENDING, Ending, finish, finish_closed
from functions.steps.execution_end import (
    LATE_SECONDS,
    STATUS_CHANGE,
    failure_of,
    input_of,
    late_end,
    may_be_finished,
    unrecorded,
)
from functions.steps.fail_target import FAILING, error_of, fail_target, reason_of
from functions.steps.needs import Needs, actions_of
from functions.steps.step import step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from functions.enrolment.account import AccountId
    from functions.steps.wiring import Wiring

LEFT_OPEN = "left_open"
_DAY = 86400
# No further run is begun after so long: the next reconcile goes on.
_CLOSING_SECONDS = 200

NEEDS = Needs(
    timeout=300,
    table=(*ENDING, *FAILING, *actions_of(ledger.ACTIONS, "onboarding", "onboardings", "open")),
    index=actions_of(ledger.ACTIONS, "recent"),
    executions=actions_of(executions.ACTIONS, "execution", "unsuccessful"),
    publishes=True,
)


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """Takes the state machine's document or Step Functions' event; returns how the run ended.

    ``{"error", "cause"}`` are what the execution is to fail with. ``{"left_open": ARN}`` is about
    all runs of that state machine: it returns how many runs were ``closed`` or finished, and how
    many ``failed`` to be.
    """
    if event.get("detail-type") == STATUS_CHANGE:
        return _execution_ended(event["detail"], wiring)
    if LEFT_OPEN in event:
        machine_arn = event[LEFT_OPEN]
        # An execution of an earlier version's definition gives True.
        known = isinstance(machine_arn, str)
        return _finish_what_remains(machine_arn, wiring) if known else {}
    error, words = error_of(event.get("failure"))
    if error == InvalidInput.__name__:
        failure = f"refused: {words}"
    else:
        failure = reason_of(event.get("failure"))
    _close(run_from_json(event), Ending(failure, failure), wiring)
    return {"error": error or "Failed", "cause": words or failure}


def _execution_ended(detail: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    status = detail["status"]
    failure = failure_of(detail)
    given = input_of(detail)
    execution_arn = detail["executionArn"]
    # Inferred: a Map Run's children emit it too, as ...:execution:<machine>/<label>:<name>.
    if "/" in execution_arn.split(":")[6]:
        if isinstance(given, dict):
            loop = wiring.loop(given)
            fail_target(loop, ReasonCode.RUN_ENDED, failure, wiring, stopped=True)
        return {"error": status, "cause": failure}
    started_at, stopped_at = detail["startDate"] / 1000, (detail.get("stopDate") or 0) / 1000
    record = wiring.ledger.onboarding(detail["name"])
    if record is not None and record.started_at > max(started_at, stopped_at):
        return {"error": status, "cause": "a later run has this name"}
    run = Run(detail["name"], started_at, given, execution_arn)
    _close(run, Ending(failure, failure, last=True), wiring)
    return {"error": status, "cause": failure}


def _finish_what_remains(machine_arn: str, wiring: Wiring) -> dict[str, Any]:
    """Close the runs whose execution ended and that nobody closed; settle and publish what could
    not be when they were closed; publish and close those that could not even be recorded.
    """
    began = wiring.now()
    closed = failed = 0
    unreadable: list[Unreadable] = []
    since = began - LONGEST_RUN_DAYS * _DAY
    for record in wiring.ledger.recent(since=since, unread=unreadable.append):
        if wiring.now() - began > _CLOSING_SECONDS:
            break
        try:
            if record.closed_at is None:
                closed += _close_late(record, machine_arn, wiring)
            elif may_be_finished(record.unfinished, record.closed_at, began):
                closed += _finish_closed(record, wiring)
        except RollcallError:
            failed += 1
    try:
        for run, failure in unrecorded(machine_arn, partial(_begun, wiring), wiring):
            if wiring.now() - began > _CLOSING_SECONDS:
                break
            _close(run, Ending(failure, failure, last=True), wiring)
            closed += 1
    except RollcallError:
        failed += 1
    return {"closed": closed, "failed": failed + len(unreadable)}


def _begun(wiring: Wiring, names: Iterable[str]) -> dict[str, float]:
    records = wiring.ledger.onboardings(names)
    return {name: record.started_at for name, record in records.items()}


def _close_late(record: OnboardingRecord, machine_arn: str, wiring: Wiring) -> bool:
    """Close a run that was left open, unless its execution goes on; return whether it was."""
    now = wiring.now()
    # A run that goes on extends its lease before each wait.
    if record.lease_until > now - LATE_SECONDS:
        return False
    end = late_end(record.execution_arn, machine_arn, wiring)
    findings = None if end is None else wiring.ledger.findings(record.id)
    if end is None or findings is None or findings.onboarding.closed_at is not None:
        return False
    if end.failure is None:
        wiring.ledger.close(record.id, COMPLETE, {}, now)
    else:
        finish(findings, Ending(end.failure, end.failure, last=True), wiring)
    return True


def _finish_closed(record: OnboardingRecord, wiring: Wiring) -> bool:
    # The index may be older than the record.
    findings = wiring.ledger.findings(record.id)
    if findings is None or not findings.onboarding.unfinished:
        return False
    return finish_closed(findings, wiring)


def _close(run: Run, ending: Ending, wiring: Wiring) -> None:
    """Finish the run unless it is closed; a run without a record gets one first."""
    findings = wiring.ledger.findings(run.onboarding_id)
    if findings is None or findings.onboarding.started_at < int(run.started_at):
        wiring.ledger.open(_unopened(run, wiring))
        findings = wiring.ledger.findings(run.onboarding_id)
    if findings is not None and findings.onboarding.closed_at is None:
        finish(findings, ending, wiring)


def _unopened(run: Run, wiring: Wiring) -> OnboardingRecord:
    """The record of a run that ended before it had one."""
    accounts: tuple[AccountId, ...] = ()
    dry_run = False
    try:
        request = read_request(run.input, wiring.configuration)
    except InvalidInput:
        pass
    else:
        accounts = tuple(account.id for account in request.accounts)
        dry_run = request.dry_run
    source = source_of(run.input)
    return OnboardingRecord(
        id=run.onboarding_id,
        source=source,
        automatic=source != MANUAL,
        dry_run=dry_run,
        accounts=accounts,
        started_at=run.started_at,
        lease_until=wiring.now(),
        execution_arn=run.execution_arn,
    )
