"""How an execution ended: by Step Functions' event about it, or as it is found long afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.aws.executions import machine_of
from functions.enrolment.documents import Run
from functions.enrolment.reconcile_result import ERRORS
from functions.enrolment.results import INCOMPLETE_ERROR
from functions.enrolment.text import parsed
from functions.steps.fail_target import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from functions.aws.executions import Execution
    from functions.steps.wiring import Wiring

STATUS_CHANGE = "Step Functions Execution Status Change"
# Whatever was to end a run or a reconcile has been done so long after its execution's end.
LATE_SECONDS = 3600
# For so long, reconciles try to publish and settle what could not be when the record was closed.
UNFINISHED_DAYS = 30
# A record is written first: an execution that began so long ago has one, or had one.
_UNRECORDED_DAYS = 7
_DAY = 86400
# The errors that an execution fails with once its result is published.
_PUBLISHED = frozenset({INCOMPLETE_ERROR, *ERRORS.values()})


@dataclass(frozen=True, slots=True)
class LateEnd:
    """The end of an execution whose record was left open.

    ``failure`` is what ended it before its time, None if it succeeded: then everything was
    published and closed before, and the table has been restored to an earlier time.
    """

    failure: str | None


def late_end(execution_arn: str, machine_arn: str, wiring: Wiring) -> LateEnd | None:
    """How an execution ended; None if it runs, or ended so lately that it may be closed yet.

    Those of another machine than ``machine_arn`` are not described: that machine was replaced, and
    a step may describe the executions of its own only.

    Raises:
        RollcallError: as ``Executions.execution``.
    """
    own = machine_of(execution_arn) == machine_arn
    execution = wiring.executions.execution(execution_arn) if own else None
    if execution is None:
        return LateEnd("its execution does not exist any more")
    if execution.ended_at is None or execution.ended_at > wiring.now() - LATE_SECONDS:
        return None
    if execution.status == "SUCCEEDED":
        return LateEnd(None)
    return LateEnd(_failure(execution))


def unrecorded(
    machine_arn: str, begun: Callable[[Collection[str]], Mapping[str, float]], wiring: Wiring
) -> Iterator[tuple[Run, str]]:
    """What ended without success and has no record, and what ended it.

    The table could not be written to while it ran. ``begun`` takes names, and returns when those
    that have a record began.

    Raises:
        RollcallError: as ``Executions`` and ``begun``.
    """
    now = wiring.now()
    ended = [
        each
        for each in wiring.executions.unsuccessful(machine_arn, now - _UNRECORDED_DAYS * _DAY)
        if each.ended_at is not None and each.ended_at < now - LATE_SECONDS
    ]
    known = begun([each.name for each in ended])
    for each in ended:
        # The record may be that of an older execution with the same name.
        if each.name in known and known[each.name] >= int(each.started_at):
            continue
        found = wiring.executions.execution(each.arn)
        if found is None or found.ended_at is None:
            continue
        # Its record was lost with the table, or is not in one that was restored.
        if found.error not in _PUBLISHED:
            given = parsed(found.input or "null")
            yield Run(each.name, each.started_at, given, each.arn), _failure(found)


def may_be_finished(unfinished: Sequence[str], closed_at: float, now: float) -> bool:
    """Whether something remains of a record, which nobody does at the moment or has given up."""
    earliest = now - UNFINISHED_DAYS * _DAY
    return bool(unfinished) and earliest < closed_at < now - LATE_SECONDS


def _failure(execution: Execution) -> str:
    detail = {"status": execution.status, "error": execution.error, "cause": execution.cause}
    return failure_of(detail)


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
