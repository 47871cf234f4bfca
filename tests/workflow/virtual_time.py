"""Time as Step Functions has it: an execution starts by the one clock, and its children wait at the
same time.

Without this an execution starts by the machine's clock, and every wait pushes the one clock forward
on its own: with nine targets time runs nine times as fast for each of them. Use it where a test
measures how long something takes, or how often something is done in a time.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import (
    distributed_iteration_component as distributed,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker as worker,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.job import JobPool
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import (
    WaitFunction,
)
from moto.stepfunctions.parser.asl.eval.evaluation_details import ExecutionDetails
from moto.stepfunctions.parser.backend.execution import Execution

from infra.local.wire.paging import iso

if TYPE_CHECKING:
    import pytest

    from tests.support.rollcall import Rollcall


def in_virtual_time(rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``rollcall``'s runs live in its clock's time. There can be no runs within runs."""
    waits = _Waits(rollcall)
    details = Execution.get_start_execution_details
    evaluate = worker.DistributedItemProcessorWorker._eval_job

    def detailed(self: Execution) -> ExecutionDetails:
        found = details(self)
        now = iso(rollcall.clock.now())
        return ExecutionDetails(found.arn, found.name, found.role_arn, found.inpt, now)

    def opened(job_program: Any, job_inputs: list[Any]) -> JobPool:
        waits.begin(len(job_inputs))
        return JobPool(job_program=job_program, job_inputs=job_inputs)

    def evaluated(self: Any, env: Any, job: Any) -> None:
        try:
            evaluate(self, env, job)
        finally:
            waits.end()

    def wait(_self: WaitFunction, env: Any, wait_seconds: int) -> None:
        waits.wait(wait_seconds)
        if rollcall.stopping:
            env.program_state_event.wait(1)

    monkeypatch.setattr(Execution, "get_start_execution_details", detailed)
    monkeypatch.setattr(distributed, "JobPool", opened)
    monkeypatch.setattr(worker.DistributedItemProcessorWorker, "_eval_job", evaluated)
    monkeypatch.setattr(WaitFunction, "_wait_interval", wait)
    monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=waits.wait))


class _Waits:
    """The clock moves on when every child waits, to the end of the shortest wait: one child at a
    time goes on."""

    def __init__(self, rollcall: Rollcall) -> None:
        self._rollcall = rollcall
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._children = 0
        self._waiting: list[tuple[float, int]] = []

    def begin(self, children: int) -> None:
        with self._changed:
            self._children += children

    def end(self) -> None:
        with self._changed:
            self._children -= 1
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        with self._changed:
            mine = (self._rollcall.clock.now() + seconds, next(self._numbers))
            heapq.heappush(self._waiting, mine)
            while mine in self._waiting:
                if len(self._waiting) < self._children:
                    self._changed.wait()
                    continue
                due, _ = self._waiting[0]
                self._rollcall.pass_seconds(max(0.0, due - self._rollcall.clock.now()))
                heapq.heappop(self._waiting)
                self._changed.notify_all()
