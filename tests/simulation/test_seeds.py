"""Weeks of an organisation, in which everything goes wrong that can: nothing is lost or untrue."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.simulation.seeds import play_seed
from tests.simulation.soak import Figures, play_all, replay_command
from tests.simulation.troubles import Kind

if TYPE_CHECKING:
    from tests.simulation.deployed import Deployed

SEEDS = 300


@pytest.mark.timeout(900)
def test_every_account_ends_in_a_truthful_outcome_whatever_fails(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, failing = Figures(), list[str]()
    for each in play_all(range(SEEDS), deployed):
        figures.add(each)
        failing += [f"{what}\n  {replay_command(each.seed)}" for what in each.broken]
    with capsys.disabled():
        sys.stderr.write("\n".join(["", *figures.lines(), ""]))

    assert failing == []
    assert figures.seeds == SEEDS
    # Everything that can go wrong did, and everything was looked at.
    assert {*figures.struck} == {str(kind) for kind in Kind}
    assert min(figures.checked.values()) > 0


@pytest.mark.parametrize("seed", [3, 17])
def test_a_seed_is_the_same_each_time(deployed: Deployed, seed: int) -> None:
    (elsewhere,) = play_all([seed], deployed, processes=1)

    here = [play_seed(seed, deployed).trace for _ in range(2)]

    assert here[0] == here[1]
    assert elsewhere.trace == here[0]
