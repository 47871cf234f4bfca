"""Whatever an input contains, a run is begun, or refused and closed, and nothing else happens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.hostile import ADDRESS, UNREADABLE, Example, broken, example, examples
from tests.support.builders import ACCOUNT

if TYPE_CHECKING:
    from random import Random


@pytest.mark.parametrize("seed", range(4))
def test_no_example_of_a_seed_breaks_anything(seed: int) -> None:
    met = [(one, *broken(one)) for one in examples(seed, 300)]

    assert [(one.text[:500], wrong) for one, _, wrong in met if wrong] == []
    # They are neither all refused at the door nor all harmless.
    assert {fate for _, fate, _ in met} >= {"InvalidInput", "accepted", UNREADABLE}


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_no_change_of_a_valid_input_breaks_anything(random: Random) -> None:
    one = example(random)

    assert broken(one)[1] == []


def test_the_same_seed_gives_the_same_examples() -> None:
    assert list(examples(7, 50)) == list(examples(7, 60))[:50]
    assert list(examples(7, 50)) != list(examples(8, 50))


DEEP = 100_000
# Texts that JSON readers differ in, with what becomes of a run's input and of a reconcile's.
SPELLINGS = {
    "nested without end": (f'{{"accounts": {"[" * DEEP}{"]" * DEEP}}}', UNREADABLE, UNREADABLE),
    "not closed": ("[" * DEEP, UNREADABLE, UNREADABLE),
    "a number of 5,000 digits": (f'{{"accounts": {"9" * 5000}}}', UNREADABLE, UNREADABLE),
    "NaN": ('{"accounts": NaN, "most_changes": NaN}', "InvalidInput", "InvalidInput"),
    "infinity": ('{"begin_after": 1e999, "most_changes": 1e999}', "InvalidInput", "InvalidInput"),
    "a lone surrogate": ('{"accounts": [{"id": "\\ud800"}]}', "InvalidInput", "InvalidInput"),
    "256 KB": (
        json.dumps({"accounts": [{"id": ADDRESS * 11_000}]}),
        "InvalidInput",
        "InvalidInput",
    ),
    "a key of 256 KB": (json.dumps({ADDRESS * 11_000: 1}), "InvalidInput", "InvalidInput"),
    "a key again": (
        f'{{"accounts": 1, "accounts": [{{"id": "{ACCOUNT}"}}]}}',
        "accepted",
        "InvalidInput",
    ),
    "a text": ('"$.accounts"', "InvalidInput", "InvalidInput"),
    "nothing": ("null", "InvalidInput", "InvalidInput"),
}


@pytest.mark.parametrize("reconcile", [False, True], ids=["a run", "a reconcile"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_json_readers_differ_in_is_refused_and_recorded(
    spelling: str, *, reconcile: bool
) -> None:
    text, *fates = SPELLINGS[spelling]

    assert broken(Example(text, reconcile)) == (fates[reconcile], [])
