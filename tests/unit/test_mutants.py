"""What ``make mutants`` makes of mutmut's files, without mutmut."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from infra.asset import ROOT
from tests.mutants.__main__ import EXPLAINED
from tests.mutants.mutants import (
    Change,
    Fate,
    Mutant,
    change_of,
    chosen,
    explained,
    functions_in,
    mutants_in,
    progress,
    report,
)

if TYPE_CHECKING:
    from pathlib import Path

MUTATED = '''
@_mutmut_mutated(mutants_x_wait__mutmut)
def wait(age, least=15):
    pass


def x_wait__mutmut_orig(age, least=15):
    """This is how long a step waits after an action."""
    if age > 60:
        return age / 8
    return least


def x_wait__mutmut_1(age, least=16):
    """This is how long a step waits after an action."""
    if age > 60:
        return age / 8
    return least


def x_wait__mutmut_2(age, least=15):
    """This is how long a step waits after an action."""
    if age >= 60:
        return age / 8
    return least
'''
WAIT = "functions.enrolment.times.wait"
FIRST = Mutant("functions.enrolment.times.x_wait__mutmut_1", Fate.KILLED)
SECOND = Mutant("functions.enrolment.times.x_wait__mutmut_2", Fate.SURVIVED)
METHOD = Mutant("functions.services.rates.xǁRatesǁ_of__mutmut_12", Fate.OPEN)
BOUND = Change(
    WAIT,
    ' step waits after an action.""" if age > 60: return age / 8 return least',
    ' step waits after an action.""" if age >= 60: return age / 8 return least',
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """mutmut's, with one module."""
    enrolment = tmp_path / "functions" / "enrolment"
    enrolment.mkdir(parents=True)
    (enrolment / "times.py").write_text(MUTATED)
    return tmp_path


@pytest.mark.parametrize(
    ("code", "fate"),
    [
        (None, Fate.OPEN),
        (0, Fate.SURVIVED),
        (1, Fate.KILLED),
        (-11, Fate.KILLED),
        (-24, Fate.TIMEOUT),
        (33, Fate.UNCALLED),
    ],
)
def test_a_mutants_fate_is_read_from_its_exit_code(
    folder: Path, code: int | None, fate: Fate
) -> None:
    path = folder / "functions" / "enrolment" / "times.py.meta"
    path.write_text(json.dumps({"exit_code_by_key": {FIRST.name: code}}))

    assert mutants_in(folder) == (Mutant(FIRST.name, fate),)


def test_a_mutant_names_its_module_and_function() -> None:
    assert (METHOD.module, METHOD.function) == ("rates", "functions.services.rates.Rates._of")


@pytest.mark.parametrize(
    ("mutant", "change"),
    [
        (
            FIRST,
            Change(
                WAIT,
                'age, least=15): """This is how long a step waits afte',
                'age, least=16): """This is how long a step waits afte',
            ),
        ),
        (SECOND, BOUND),
    ],
    ids=["a default", "a statement"],
)
def test_a_change_is_what_differs_with_what_is_around_it(
    folder: Path, mutant: Mutant, change: Change
) -> None:
    assert change_of(mutant, folder) == change


def test_mutants_are_chosen_by_module() -> None:
    assert chosen((FIRST, METHOD), ["rates"], None, 1) == (METHOD,)


def test_a_module_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="decode: takes any of rates, times"):
        chosen((FIRST, METHOD), ["decode"], None, 1)


def test_a_sample_depends_on_its_seed_only() -> None:
    many = [Mutant(f"functions.enrolment.times.x_wait__mutmut_{n}", Fate.OPEN) for n in range(99)]

    assert chosen(many, [], 9, 1) == chosen(many, [], 9, 1)
    assert chosen(many, [], 9, 1) != chosen(many, [], 9, 2)
    assert len(set(chosen(many, [], 9, 1))) == 9
    assert len(chosen(many, [], 100, 1)) == 99


def test_the_counts_are_by_fate() -> None:
    assert progress([FIRST, FIRST, SECOND]) == "2 killed, 1 survived"


def test_survivors_are_listed_without_those_that_are_explained() -> None:
    other = Change(WAIT, "return least", "return None")

    assert report({SECOND: BOUND, METHOD: other}, {BOUND: "no age is 60"}) == (
        f"{WAIT}\n  - return least (not tested)\n  + return None"
    )


@pytest.mark.parametrize(
    "change", explained(EXPLAINED), ids=lambda change: f"{change.function}: {change.after}"[:80]
)
def test_what_is_explained_is_still_in_the_source(change: Change) -> None:
    package, _, rest = change.function.removeprefix("functions.").partition(".")
    module, *_, name = rest.split(".")
    source = (ROOT / "functions" / package / f"{module}.py").read_text()

    assert change.before in functions_in(source)[name]
    assert explained(EXPLAINED)[change]
