"""Mutants as mutmut writes them, which of them to test, and what became of them."""

from __future__ import annotations

import ast
import json
import random
import tomllib
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import groupby, takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_NUMBER = "__mutmut_"
_CONTEXT = 40


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    TIMEOUT = "timed out"
    # No test calls the function, or none but while modules are imported.
    UNCALLED = "without a test"
    OPEN = "not tested"


# Of pytest's exit codes, those that mutmut adds, and the signals with which it ends a slow process.
# With any other, the tests did not pass.
_FATES = {
    None: Fate.OPEN,
    0: Fate.SURVIVED,
    5: Fate.UNCALLED,
    33: Fate.UNCALLED,
    36: Fate.TIMEOUT,
    -9: Fate.TIMEOUT,
    -24: Fate.TIMEOUT,
}


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """What a mutant changes in a function, with the characters around it: texts that are part of
    those of ``functions_in``."""

    function: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """``name`` is mutmut's, such as ``functions.enrolment.times.x_iso__mutmut_3``; ``fate`` is what
    the tests have made of it."""

    name: str
    fate: Fate

    @property
    def mangled(self) -> str:
        """mutmut's name of the function with all of its mutants."""
        return self.name.rpartition(_NUMBER)[0]

    @property
    def module(self) -> str:
        """The module's name without its packages."""
        return self.mangled.split(".")[2]

    @property
    def function(self) -> str:
        """The function's name in the source, such as ``functions.enrolment.plan.Plan.targets``."""
        module, _, name = self.mangled.rpartition(".")
        return f"{module}.{name.removeprefix('x_').removeprefix('xǁ').replace('ǁ', '.')}"


def mutants_in(folder: Path) -> tuple[Mutant, ...]:
    """The mutants that mutmut has generated in its folder, with what it has found out so far."""
    return tuple(
        Mutant(name, _FATES.get(code, Fate.KILLED))
        for path in sorted(folder.glob("functions/**/*.meta"))
        for name, code in json.loads(path.read_text())["exit_code_by_key"].items()
    )


def chosen(
    mutants: Sequence[Mutant], modules: Sequence[str], sample: int | None, seed: int
) -> tuple[Mutant, ...]:
    """Those of these modules (of all, without any), or a sample of them that is the same for the
    same seed.

    Raises:
        ValueError: there is no such module; the message names those that there are.
    """
    known = sorted({mutant.module for mutant in mutants})
    if unknown := sorted(set(modules) - set(known)):
        raise ValueError(f"{', '.join(unknown)}: takes any of {', '.join(known)}")
    those = [mutant for mutant in mutants if not modules or mutant.module in modules]
    if sample is not None and sample < len(those):
        those = random.Random(seed).sample(those, sample)  # noqa: S311 - chooses what is tested
    return tuple(sorted(those, key=lambda mutant: mutant.name))


def change_of(mutant: Mutant, folder: Path) -> Change:
    """What a mutant changes, read from the modules in mutmut's folder."""
    module, _, name = mutant.mangled.rpartition(".")
    texts = _functions_of(folder / f"{module.replace('.', '/')}.py")
    number = mutant.name.rpartition(_NUMBER)[2]
    before, after = texts[f"{name}{_NUMBER}orig"], texts[f"{name}{_NUMBER}{number}"]
    same = _alike(before, after)
    rest = _alike(before[same:][::-1], after[same:][::-1])
    begin, end = max(same - _CONTEXT, 0), max(rest - _CONTEXT, 0)
    return Change(
        mutant.function, before[begin : len(before) - end], after[begin : len(after) - end]
    )


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


@cache
def _functions_of(path: Path) -> dict[str, str]:
    """Cached, because reading all mutants of a module takes seconds."""
    return functions_in(path.read_text())


def functions_in(source: str) -> dict[str, str]:
    """Each function and method in a module, by its name: in one line, as ``ast.unparse`` writes
    it, from its parameters on."""
    texts = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
            text = " ".join(ast.unparse(node).split())
            texts[node.name] = text.partition("(")[2]
    return texts


def explained(path: Path) -> dict[Change, str]:
    """The mutants that no test can kill, and why, from ``equivalent.toml``."""
    return {
        Change(entry["function"], entry["before"], entry["after"]): entry["why"]
        for entry in tomllib.loads(path.read_text())["mutant"]
    }


def progress(mutants: Iterable[Mutant]) -> str:
    """How many of these have which fate."""
    counts = Counter(mutant.fate for mutant in mutants)
    return ", ".join(f"{counts[fate]:,} {fate}" for fate in Fate if counts[fate])


def report(survivors: Mapping[Mutant, Change], why: Mapping[Change, str]) -> str:
    """The survivors of which ``why`` does not say that no test can kill them, by function."""
    listed = sorted(
        (change, mutant.fate) for mutant, change in survivors.items() if change not in why
    )
    lines: list[str] = []
    for function, group in groupby(listed, lambda one: one[0].function):
        lines.append(function)
        for change, fate in group:
            said = f" ({fate})" if fate is not Fate.SURVIVED else ""
            lines += [f"  - {change.before}{said}", f"  + {change.after}"]
    return "\n".join(lines)
