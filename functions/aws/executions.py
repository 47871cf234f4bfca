"""The state of other executions of the state machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.aws.calls import calling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_stepfunctions import SFNClient

ACTIONS: Mapping[str, tuple[str, ...]] = {"ended": ("states:DescribeExecution",)}

STOPPED = frozenset({"ABORTED", "TIMED_OUT"})


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


class Executions:
    """Executions by ARN. Raises ``Throttled``, ``ServiceUnavailable``, ``AccessDenied`` and
    ``ServiceRefused``."""

    def __init__(self, states: SFNClient) -> None:
        self._states = states

    def ended(self, execution_arn: str) -> Ended | None:
        """How an execution ended; None while it runs, or if Step Functions does not know it."""
        unknown = self._states.exceptions.ExecutionDoesNotExist
        with calling("Step Functions", "DescribeExecution"):
            try:
                found = self._states.describe_execution(executionArn=execution_arn)
            except unknown:
                return None
        if "stopDate" not in found:
            return None
        return Ended(found["status"], found["stopDate"].timestamp())
