"""Close Run: whatever ended a run before its time, its result is published and its record closed.

The state machine runs it where planning or publishing failed for good; a rule runs it with the
event by which Step Functions says that an execution failed, timed out or was aborted. Those events
are best effort, and what they run may fail while AWS is unavailable: every reconcile runs it, too,
for what was left open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.aws import executions, ledger
from functions.enrolment.documents import Run, run_from_json
from functions.enrolment.errors import AccessDenied, InvalidInput, RollcallError
from functions.enrolment.reason import ReasonCode
from functions.enrolment.records import OnboardingRecord
from functions.enrolment.text import parsed
from functions.enrolment.turn import LONGEST_RUN_DAYS
from functions.intake.manual import MANUAL
from functions.intake.reader import read_request, source_of
from functions.steps.ending import ENDING, Ending, finish
from functions.steps.fail_target import FAILING, error_of, fail_target, reason_of
from functions.steps.needs import Needs, actions_of
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.aws.executions import Execution
    from functions.enrolment.account import AccountId
    from functions.steps.wiring import Wiring

STATUS_CHANGE = "Step Functions Execution Status Change"
LEFT_OPEN = "left_open"
# What was to end a run has been done so long after its end, if it could be.
LATE_SECONDS = 3600
# No further run is begun after so long: the next reconcile goes on.
_CLOSING_SECONDS = 200

NEEDS = Needs(
    timeout=300,
    table=(*ENDING, *FAILING, *actions_of(ledger.ACTIONS, "onboarding", "open")),
    index=actions_of(ledger.ACTIONS, "recent"),
    executions=actions_of(executions.ACTIONS, "execution"),
    publishes=True,
)


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """Takes the state machine's document or Step Functions' event; returns how the run ended.

    ``{"error", "cause"}`` are what the execution is to fail with. ``{"left_open": true}`` is about
    no run in particular: it returns how many runs were ``closed`` and how many could not be.
    """
    if event.get("detail-type") == STATUS_CHANGE:
        return _execution_ended(event["detail"], wiring)
    if event.get(LEFT_OPEN):
        return _close_what_is_left_open(wiring)
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


def _close_what_is_left_open(wiring: Wiring) -> dict[str, Any]:
    """Close the runs whose execution ended and that nobody closed."""
    began = wiring.now()
    closed = failed = 0
    for record in wiring.ledger.recent(since=began - LONGEST_RUN_DAYS * 86400):
        if wiring.now() - began > _CLOSING_SECONDS:
            break
        # A run that goes on extends its lease before each wait.
        if record.closed_at is not None or record.lease_until > began - LATE_SECONDS:
            continue
        try:
            closed += _close_late(record, wiring, began)
        except RollcallError:
            failed += 1
    return {"closed": closed, "failed": failed}


def _close_late(record: OnboardingRecord, wiring: Wiring, now: float) -> bool:
    """Close a run that was left open, unless its execution goes on; return whether it was."""
    try:
        execution = wiring.executions.execution(record.execution_arn)
    except AccessDenied:
        execution = None  # of a machine that was deleted: a step may describe those of its own
    if execution is not None and (execution.ended_at or now) > now - LATE_SECONDS:
        return False
    findings = wiring.ledger.findings(record.id)
    if findings is None or findings.onboarding.closed_at is not None:
        return False
    if execution is not None and execution.status == "SUCCEEDED":
        # It was published before, so that the table has been restored to an earlier time.
        wiring.ledger.close(record.id, "complete", {}, now)
        return True
    failure = _failure_of(execution)
    finish(findings, Ending(failure, failure, last=True), wiring)
    return True


def _failure_of(execution: Execution | None) -> str:
    if execution is None:
        return "its execution does not exist any more"
    status = {"status": execution.status, "error": execution.error, "cause": execution.cause}
    return failure_of(status)


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


def failure_of(detail: dict[str, Any]) -> str:
    """What ended an execution, in one line, from Step Functions' event about it."""
    if detail["status"] == "FAILED":
        return reason_of({"Error": detail.get("error"), "Cause": detail.get("cause")})
    return f"the execution was {'aborted' if detail['status'] == 'ABORTED' else 'timed out'}"


def input_of(detail: dict[str, Any]) -> object:
    """The execution's input, if the event contains it and it can be read.

    Of one that is nested too deeply, the functions' runtime lets no step read anything.
    """
    return parsed(detail.get("input") or "null")
