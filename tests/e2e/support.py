"""The command line as a user starts it: a process of its own, its output in a file."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    T = TypeVar("T")

ROOT = Path(__file__).parents[2]
# Generous, because test machines are shared and slow.
PATIENCE = 120
LABELS = ("Security Hub CSPM", "GuardDuty", "Detective")


def eventually(look: Callable[[], T | None], what: str, *, seconds: float = PATIENCE) -> T:
    """What ``look`` finds, as soon as it finds something."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


class Command:
    """A running ``python -m infra.cli …``, in a process group of its own, as a shell starts it.

    ``temporary`` is the folder for temporary files of it and its children.
    """

    def __init__(self, folder: Path, *arguments: str, program: tuple[str, ...] = ()) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir(parents=True)
        self._output = folder / "output"
        self._seen: dict[int, str] = {}
        with self._output.open("w") as output:
            self.process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, *(program or ("-m", "infra.cli")), *arguments],
                cwd=ROOT,
                env=os.environ | {"TMPDIR": str(self.temporary)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                # Where tests run in the background, SIGINT is ignored, which children inherit.
                preexec_fn=_heed_interrupts,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def line(self, pattern: str) -> re.Match[str]:
        """The first match in the output, once there is one; fails when the command ends first."""

        def look() -> re.Match[str] | None:
            ended = self.process.poll() is not None
            found = re.search(pattern, self.output, re.MULTILINE)
            assert found or not ended, f"ended without {pattern}:\n{self.output}"
            return found

        return eventually(look, f"{pattern} in the output")

    def ended(self, *, seconds: float = PATIENCE) -> int:
        """Its exit status."""
        return self.process.wait(timeout=seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send SIGINT to the whole group, as a terminal does for Ctrl-C; others to the process."""
        self.note_descendants()
        send = os.killpg if number is signal.SIGINT else os.kill
        send(self.process.pid, number)

    def kill(self) -> None:
        """Kill it; its child processes end when their pipes close."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def runs(self, part: str) -> None:
        """Wait for a descendant with ``part`` in its command line; fails if the command ends."""

        def look() -> bool:
            ended = self.process.poll() is not None
            found = any(part in command for command in self._descendants().values())
            assert found or not ended, f"ended without {part}:\n{self.output}"
            return found

        eventually(look, f"{part} among its processes")

    def survivors(self) -> dict[int, str]:
        """The last noted descendants that are still running."""
        running = {one.pid: one.command for one in _processes()}
        return {pid: name for pid, name in self._seen.items() if running.get(pid) == name}

    def note_descendants(self) -> None:
        self._seen = self._descendants()

    def _descendants(self) -> dict[int, str]:
        found: dict[int, str] = {}
        parents = {self.process.pid}
        processes = _processes()
        while parents:
            children = {one.pid: one.command for one in processes if one.parent in parents}
            found |= children
            parents = set(children)
        return found


def assert_nothing_is_left(command: Command) -> None:
    """A command that was signalled and has exited leaves no process, no file and no open port."""
    eventually(lambda: not command.survivors(), "the end of what it started", seconds=10)
    assert list(command.temporary.iterdir()) == []
    port = command.line(r"http://127\.0\.0\.1:(\d+)")[1]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)))


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    command: str


def _processes() -> list[_Process]:
    output = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,command="],  # noqa: S607  # wherever ps is
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = (row.split(maxsplit=3) for row in output.splitlines())
    return [
        _Process(int(row[0]), int(row[1]), row[3])
        for row in rows
        # Zombies, whose parent has not waited for them, have ended.
        if len(row) == 4 and not row[2].startswith("Z")
    ]


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True, slots=True)
class PrintedMembership:
    """One membership as the output shows it."""

    account_id: str
    service: str
    region: str
    outcome: str
    reason: str | None


def memberships(output: str) -> list[PrintedMembership]:
    """The memberships that the output shows as ended."""
    pattern = (
        r"^\s*(\d{12})\s+(Security Hub CSPM|GuardDuty|Detective)\s+([a-z]+(?:-[a-z]+)+-\d)\s.*?"
        r"\s\s(already enabled|enabled|failed|timed out|skipped)(?:: (.+))?$"
    )
    found = re.finditer(pattern, output, re.MULTILINE)
    return [PrintedMembership(*match.groups()) for match in found]
