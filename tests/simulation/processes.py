"""Processes in virtual time: each runs by itself until it waits, and can be killed while it waits.

A process is the invocation of a Lambda function; its threads are those of its pools. One thread of
Python runs them all, as greenlets: another goes on only where one of them waits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from functions.aws.pacing import Pacing
    from tests.simulation.agenda import Agenda

T = TypeVar("T")


class Killed(BaseException):
    """Raised in a process that was killed, wherever it waits; it does nothing more."""


@dataclass(eq=False)
class Process:
    """``skew`` is how many seconds its clock is fast. ``ended`` is called when it has ended, also
    if it was killed. ``retries`` is what botocore's clients have left to retry with.
    """

    name: str
    step: str
    onboarding_id: str
    ended: Callable[[], object]
    skew: float = 0.0
    dead: bool = False
    threads: list[greenlet] = field(default_factory=list)
    retries: dict[int, int] = field(default_factory=dict)
    pacing: Pacing | None = None


class Processes:
    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._main = getcurrent()
        self.current: Process | None = None

    def start(self, process: Process, work: Callable[[], object]) -> None:
        """Run ``work`` from now on; it raises nothing but Killed."""

        def run() -> None:
            work()
            if not process.dead:
                process.dead = True
                process.ended()

        self._begin(process, run)

    def sleep(self, seconds: float) -> None:
        """Let time pass for the thread that runs now. Outside processes nothing waits."""
        process = self.current
        if process is None:
            return
        thread = getcurrent()
        self._agenda.after(seconds, lambda: self._go_on(process, thread))
        self.wait(process)

    def wait(self, process: Process) -> None:
        """Let others run until something goes on with this thread."""
        self.current = None
        self._main.switch()
        if process.dead:
            raise Killed

    def kill(self, process: Process) -> None:
        """End a process at once; no effect if it has ended."""
        if process.dead:
            return
        process.dead = True
        running, self.current = self.current, process
        for thread in process.threads:
            if thread is not getcurrent() and not thread.dead:
                thread.throw(Killed)
        process.ended()
        self.current = running
        if running is process:
            raise Killed

    def map(self, workers: int, do: Callable[..., T], given: Iterable[tuple[Any, ...]]) -> list[T]:
        """What ``do`` returns for each, run by so many threads of the process that runs now.

        Raises what the first of them raised that failed, when all have ended.
        """
        process, waiting = self.current, getcurrent()
        tasks = deque(enumerate(given))
        found: dict[int, T] = {}
        errors: dict[int, Exception] = {}
        running = 0

        def work() -> None:
            nonlocal running
            while tasks:
                number, arguments = tasks.popleft()
                try:
                    found[number] = do(*arguments)
                except Exception as error:  # noqa: BLE001  # raised where it is wanted
                    errors[number] = error
            running -= 1
            if not running and process is not None:
                self._agenda.after(0, lambda: self._go_on(process, waiting))

        if process is None:
            running = 1
            work()
        elif tasks:
            running = min(workers, len(tasks))
            for _ in range(running):
                self._agenda.after(0, self._starter(process, work))
            self.wait(process)
        if errors:
            raise errors[min(errors)]
        return [found[number] for number in sorted(found)]

    def _starter(self, process: Process, work: Callable[[], object]) -> Callable[[], None]:
        def start() -> None:
            if not process.dead:
                self._begin(process, work)

        return start

    def _begin(self, process: Process, work: Callable[[], object]) -> None:
        def run() -> None:
            try:
                work()
            except Killed:
                pass
            finally:
                self.current = None

        thread = greenlet(run, parent=self._main)
        process.threads.append(thread)
        self._go_on(process, thread)

    def _go_on(self, process: Process, thread: greenlet) -> None:
        if not process.dead:
            self.current = process
            thread.switch()


class Threads(Protocol):
    def map(self, workers: int, do: Callable[..., T], given: Iterable[tuple[Any, ...]]) -> list[T]:
        """What ``do`` returns for each, run by so many threads."""
        ...


class Pool:
    """In the place of a ``ThreadPoolExecutor``."""

    def __init__(self, threads: Threads, workers: int) -> None:
        self._threads = threads
        self._workers = workers

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def map(self, do: Callable[..., T], *given: Iterable[Any]) -> Iterator[T]:
        return iter(self._threads.map(self._workers, do, zip(*given, strict=False)))
