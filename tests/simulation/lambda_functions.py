"""Lambda functions as processes: they take time, are killed at their time limit, and lose replies.

The names of errors are those of Lambda and Step Functions.
"""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from functions.enrolment import errors
from tests.simulation.machine import StateError
from tests.simulation.processes import Process
from tests.simulation.troubles import Kind
from tests.support.lambda_context import CONTEXT

if TYPE_CHECKING:
    import random

    from tests.simulation.agenda import Agenda
    from tests.simulation.machine import Done
    from tests.simulation.processes import Processes
    from tests.simulation.troubles import Troubles

# Of an asynchronous invocation that fails (Lambda guide, "Retry behavior").
_ASYNC_WAITS = (60, 120)
_LOST = frozenset({Kind.REPLY_LOST})
# A function that has failed without an answer of its handler.
_EXITED = StateError("Lambda.Unknown", "The cause could not be determined")


_EXPECTED = frozenset(
    name
    for name, each in vars(errors).items()
    if isinstance(each, type) and issubclass(each, Exception)
)


class Functions:
    """``unexpected`` are the steps that raised what no step raises, and what they raised."""

    def __init__(
        self,
        agenda: Agenda,
        processes: Processes,
        troubles: Troubles,
        randomness: random.Random,
    ) -> None:
        self._agenda = agenda
        self._processes = processes
        self._troubles = troubles
        self._random = randomness
        self._count = 0
        self.unexpected: list[tuple[str, str]] = []

    def invoke(self, step: str, event: dict[str, Any], done: Done) -> None:
        """Begin one invocation, as Step Functions does; ``done`` is told how it ended."""
        now = self._agenda.now()
        self._count += 1
        skew = self._troubles.amount(Kind.CLOCK, step, now)
        module = importlib.import_module(f"functions.steps.{step}")
        answered: list[tuple[Any, StateError | None]] = []

        def work() -> None:
            context = SimpleNamespace(**vars(CONTEXT))
            try:
                answered.append((module.handler(event, context), None))
            except Exception as error:  # noqa: BLE001  # as Lambda: whatever a handler raises
                name = type(error).__name__
                if name not in _EXPECTED:
                    self.unexpected.append((step, f"{name}: {error}"))
                cause = {"errorType": name, "errorMessage": str(error)}
                text = json.dumps(cause, separators=(",", ":"))
                answered.append((None, StateError(name, text)))

        def ended() -> None:
            lost = self._troubles.of(step, self._agenda.now(), _LOST)
            done(*(answered[0] if answered and not lost else (None, _EXITED)))

        def time_out() -> None:
            answered[:] = [(None, StateError("Sandbox.Timedout", f"{step} timed out"))]
            self._processes.kill(process)

        process = Process(f"{step}-{self._count}", step, _run_of(event), ended, skew)
        start = 0.02 + 0.2 * self._random.random()
        self._agenda.after(start, lambda: self._processes.start(process, work))
        self._agenda.after(start + module.NEEDS.timeout, time_out)

    def invoke_for_event(self, step: str, event: dict[str, Any]) -> None:
        """Invoke as a rule of EventBridge does: again, twice, if it fails."""
        waits = list(_ASYNC_WAITS)

        def done(_: Any, failure: StateError | None) -> None:
            if failure is not None and waits:
                self._agenda.after(waits.pop(0), again)

        def again() -> None:
            self.invoke(step, event, done)

        again()


def _run_of(event: dict[str, Any]) -> str:
    return str(event.get("onboarding_id", ""))
