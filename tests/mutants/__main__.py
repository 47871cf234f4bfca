"""Changes the rules and the services in one place at a time, and counts the changes that no test
notices.

``python -m tests.mutants [--sample N] [--seed N] [MODULE…]`` tests the mutants of these modules of
``functions/enrolment`` and ``functions/services``, or of all. Exits with 1 if one survives that
``equivalent.toml`` does not explain, and with 2 if the tests could not be run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.mutants.mutants import (
    Change,
    Fate,
    Mutant,
    change_of,
    chosen,
    explained,
    mutants_in,
    progress,
    report,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT = Path(__file__).parents[2]
EXPLAINED = Path(__file__).with_name("equivalent.toml")
COPIED = ("functions", "infra", "tests", "docs", "cdk.json", "pyproject.toml", "README.md")
PROCESSES = 2
# A mutant takes this much of the processor time of all tests, on average: measured with all.
SHARE = 0.004
SECONDS_BETWEEN_REPORTS = 30


class NotRun(Exception):
    """The mutants could not be made, or not be tested; the message says why."""


def main(arguments: list[str]) -> int:
    """Test mutants; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="such as decide; without, all")
    parser.add_argument("--sample", type=int, help="test so many, chosen at random")
    parser.add_argument("--seed", type=int, default=1, help="of the sample; 1 without")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="rollcall-mutants-") as place:
            copy = Path(place)
            _prepare(copy)
            everything = mutants_in(copy / "mutants")
            those = chosen(everything, options.modules, options.sample, options.seed)
            return _concluded(copy, _tested(copy, those, len(everything)))
    except (NotRun, ValueError) as error:
        _say(str(error))
        return 2


def _prepare(copy: Path) -> None:
    """A copy of the project, in it the folder ``mutants``, and in that what calls what."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "node_modules")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    _say("Generating the mutants, and running the tests once to see which calls what")
    # mutmut has no command that only prepares: it does so, and then finds no mutant of this name.
    with _mutmut(copy, ["none"]) as running:
        running.wait()
    if "nothing matches" not in _output(copy):
        raise NotRun(f"mutmut could not prepare:\n{_output(copy)[-3000:]}")


def _tested(copy: Path, those: Sequence[Mutant], of: int) -> list[Mutant]:
    stats = json.loads((copy / "mutants" / "mutmut-stats.json").read_text())
    calls = stats["tests_by_mangled_function_name"]
    names = {mutant.name for mutant in those if calls.get(mutant.mangled)}
    uncalled = [Mutant(one.name, Fate.UNCALLED) for one in those if one.name not in names]
    # All tests are run once more, in one process, before the mutants.
    minutes = stats["stats_time"] * (1 + len(names) * SHARE / PROCESSES) / 60
    _say(f"{len(those):,} of {of:,} mutants: about {minutes:,.0f} minutes on two idle cores")
    if not names:
        return uncalled
    begun = time.monotonic()
    told: set[Mutant] = set()
    why = explained(EXPLAINED)

    def found() -> list[Mutant]:
        return [mutant for mutant in mutants_in(copy / "mutants") if mutant.name in names]

    # After Ctrl-C or SIGTERM, what is known so far is reported.
    with suppress(KeyboardInterrupt), _mutmut(copy, sorted(names)) as running:
        while running.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                running.wait(SECONDS_BETWEEN_REPORTS)
            # A file may be half written.
            with suppress(json.JSONDecodeError):
                so_far = found()
                _say(f"{(time.monotonic() - begun) / 60:4.1f} min: {progress(so_far)}")
                new = {one for one in so_far if one.fate is Fate.SURVIVED} - told
                if text := report(_changes(copy, new), why):
                    _say(text)
                told |= new
    return [*found(), *uncalled]


def _concluded(copy: Path, found: Sequence[Mutant]) -> int:
    why = explained(EXPLAINED)
    survivors = _changes(copy, (one for one in found if one.fate in (Fate.SURVIVED, Fate.UNCALLED)))
    left = sum(change not in why for change in survivors.values())
    if left:
        _say(f"Survivors:\n{report(survivors, why)}")
    if any(mutant.fate is Fate.OPEN for mutant in found):
        _say(f"mutmut has not tested them all:\n{_output(copy)[-2000:]}")
    _say(f"{progress(found)}; of the survivors {len(survivors) - left} are explained, {left} not")
    if any(mutant.fate is Fate.OPEN for mutant in found):
        return 2
    return 1 if left else 0


def _changes(copy: Path, mutants: Iterable[Mutant]) -> dict[Mutant, Change]:
    return {mutant: change_of(mutant, copy / "mutants") for mutant in mutants}


@contextmanager
def _mutmut(copy: Path, names: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """mutmut, which is stopped at the end; its settings are in ``pyproject.toml``."""
    command = [str(Path(sys.executable).with_name("mutmut")), "run", f"--max-children={PROCESSES}"]
    with (copy / "output").open("wb") as output:
        running = subprocess.Popen(  # noqa: S603 - a program of this environment
            [*command, *names],
            cwd=copy,
            stdout=output,
            stderr=subprocess.STDOUT,
            # With this, hypothesis tries the same examples each time, however long one takes.
            env=os.environ | {"CI": "1"},
            start_new_session=True,
        )
    try:
        yield running
    finally:
        if running.poll() is None:
            # mutmut and the processes in which it tests.
            os.killpg(running.pid, signal.SIGTERM)
            running.wait()


def _output(copy: Path) -> str:
    """What mutmut has said, without the lines that it wrote over."""
    lines = (copy / "output").read_text(errors="replace").split("\n")
    return "\n".join(line.rpartition("\r")[2] for line in lines)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
