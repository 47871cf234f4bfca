"""The executions of the state machines: how they ended, and starting them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.aws.calls import calling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.literals import ExecutionStatusType
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "ended": ("states:DescribeExecution",),
    "is_over": ("states:DescribeExecution",),
    "execution": ("states:DescribeExecution",),
    "start": ("states:StartExecution",),
    "unsuccessful": ("states:ListExecutions",),
}

STOPPED = frozenset({"ABORTED", "TIMED_OUT"})
UNSUCCESSFUL: Sequence[ExecutionStatusType] = ("FAILED", "ABORTED", "TIMED_OUT")
_MOST_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Ended:
    """How and when (epoch seconds) an execution ended.

    Child executions of a stopped execution may finish what they have begun (Step Functions guide,
    "Map Run").
    """

    status: str
    at: float

    @property
    def stopped(self) -> bool:
        """Whether it was aborted or timed out."""
        return self.status in STOPPED


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution's status (``DescribeExecution``), and when it began and ended (epoch seconds);
    ``ended_at`` is None while it runs, ``error`` and ``cause`` unless it failed. ``input`` is the
    text of its input; executions that are listed are without it, error and cause.
    """

    arn: str
    status: str
    started_at: float
    ended_at: float | None = None
    error: str | None = None
    cause: str | None = None
    input: str | None = None

    @property
    def name(self) -> str:
        """The execution's name."""
        return self.arn.rpartition(":")[2]


def machine_of(execution_arn: str) -> str:
    """The ARN of an execution's state machine."""
    return execution_arn.rpartition(":")[0].replace(":execution:", ":stateMachine:")


class Executions:
    """Executions by ARN. Raises ``Throttled``, ``ServiceUnavailable``, ``AccessDenied`` and
    ``ServiceRefused``."""

    def __init__(self, states: SFNClient) -> None:
        self._states = states

    def ended(self, execution_arn: str) -> Ended | None:
        """How an execution ended; None while it runs, or if Step Functions does not know it."""
        found = self._describe(execution_arn)
        if found is None or "stopDate" not in found:
            return None
        return Ended(found["status"], found["stopDate"].timestamp())

    def is_over(self, execution_arn: str) -> bool:
        """Whether an execution has ended, or Step Functions does not know it (any more)."""
        found = self._describe(execution_arn)
        return found is None or "stopDate" in found

    def execution(self, execution_arn: str) -> Execution | None:
        """An execution; None if Step Functions does not know it (any more)."""
        found = self._describe(execution_arn)
        if found is None:
            return None
        ended = found["stopDate"].timestamp() if "stopDate" in found else None
        return Execution(
            execution_arn,
            found["status"],
            found["startDate"].timestamp(),
            ended,
            found.get("error"),
            found.get("cause"),
            found.get("input"),
        )

    def unsuccessful(self, machine_arn: str, since: float) -> Iterator[Execution]:
        """A machine's executions that began at ``since`` or later and failed, timed out or were
        aborted. Eventually consistent (Step Functions API, ListExecutions: the newest first).
        """
        pages = self._states.get_paginator("list_executions")
        for status in UNSUCCESSFUL:
            asked = pages.paginate(
                stateMachineArn=machine_arn,
                statusFilter=status,
                PaginationConfig={"PageSize": _MOST_LISTED},
            )
            with calling("Step Functions", "ListExecutions"):
                for each in (each for page in asked for each in page["executions"]):
                    began = each["startDate"].timestamp()
                    if began < since:
                        break
                    ended = each["stopDate"].timestamp() if "stopDate" in each else None
                    yield Execution(each["executionArn"], status, began, ended)

    def _describe(self, execution_arn: str) -> DescribeExecutionOutputTypeDef | None:
        unknown = self._states.exceptions.ExecutionDoesNotExist
        with calling("Step Functions", "DescribeExecution"):
            try:
                return self._states.describe_execution(executionArn=execution_arn)
            except unknown:
                return None

    def start(self, machine_arn: str, name: str, document: Mapping[str, Any]) -> bool:
        """Start an execution with a name; False if the machine had one with that name before.

        Names are unique for 90 days (Step Functions API, StartExecution). A second call with the
        same name and input while the first execution runs is answered as if it had started it.
        """
        exists = self._states.exceptions.ExecutionAlreadyExists
        with calling("Step Functions", "StartExecution"):
            try:
                self._states.start_execution(
                    stateMachineArn=machine_arn, name=name, input=json.dumps(document)
                )
            except exists:
                return False
        return True
